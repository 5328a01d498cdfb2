-- The lives of a database. One that was failed over without its last commits, restored from a backup or
-- copied knows less than its workers did. So the first worker that finds it changed closes the gate
-- (life.is_open): nothing is claimed until each worker has told what it is sending (resume), what became
-- of what it sent (settle), what its file outside the database holds (48_keep_apply.sql), and that it has
-- done so (worker_reconciled).

-- What a dump that is restored, or a copy by createdb, cannot have kept, in the same cluster either.
create or replace function life_home(out database oid, out relation oid)
language sql stable as $$
    select d.oid, 'handbell.life'::regclass::oid from pg_database d where d.datname = current_database()
$$;

create or replace function life_is_at_home(l life) returns boolean
language sql stable as $$
    select (l.database, l.relation) is not distinct from (h.database, h.relation)
    from handbell.life_home() h
$$;

-- Was its log replayed up to a target that somebody chose? A standby that follows has none, and the
-- setting stays where recovery to a point in time was asked for.
create or replace function life_has_target() returns boolean
language sql stable as $$
    select exists (
        select from unnest('{recovery_target,recovery_target_lsn,recovery_target_name,
                             recovery_target_time,recovery_target_xid}'::text[]) s
        where current_setting(s, true) <> '')
$$;

-- Finds out whether this is still the database that the workers know; the number of its life. The caller
-- says where it last saw it, and how far it had its file then: a database that is behind either, on the
-- same timeline, was put back. (Its log may have come further since: portals state their facts again.)
create or replace function life_look(
    p_owner uuid, p_system_identifier bigint, p_timeline integer, p_log_position bigint,
    p_kept bigint)
returns bigint
language plpgsql as $$
declare
    l life;
    p record;
begin
    select * into strict p from keep_place();
    select * into strict l from life for update;
    if l.system_identifier is null then
        update life set system_identifier = p.system_identifier, timeline = p.timeline,
            database = h.database, relation = h.relation from life_home() h;
    elsif l.system_identifier <> p.system_identifier or not life_is_at_home(l) then
        return life_begin('moved', p.system_identifier, p.timeline);
    elsif l.timeline <> p.timeline then
        -- Recovery to a point in time begins a timeline, as a promotion does; but what it brings is old.
        return life_begin(case when life_has_target() then 'put_back'
                               when p_system_identifier = p.system_identifier
                                    and p_log_position > p.log_position
                                    and (select max(seen_at) from worker)
                                        < clock_timestamp() - interval '10 min'
                               then 'put_back' else 'promoted' end,
                          p.system_identifier, p.timeline);
    elsif p_system_identifier = p.system_identifier and p_timeline = p.timeline
          and (p_log_position > p.log_position
               or p_kept > (select w.kept from worker w where w.owner = p_owner)) then
        return life_begin('put_back', p.system_identifier, p.timeline);
    end if;
    return l.number;
end $$;

-- Waited for are the workers that were seen since then. A standby is promoted within seconds of the end of
-- its primary: those that were there. Of a backup nobody knows how much was sent since: those of the day
-- before, stopped ones too.
create or replace function life_awaited_since(p_reason text) returns timestamptz
language sql stable security definer set search_path = handbell, pg_temp as $$
    select max(w.seen_at) - case when p_reason = 'promoted' then interval '2 min' else interval '1 day' end
    from handbell.worker w
$$;

-- Whether work may be given out. Of a worker's connections one may come to a promoted standby before the
-- one that registers there: until somebody has, the gate is as good as closed.
create or replace function gate_is_open() returns boolean
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
begin
    return (select l.is_open and coalesce(l.timeline = ('x' || left(pg_walfile_name(
                pg_current_wal_flush_lsn()), 8))::bit(32)::integer, true) from life l);
end $$;

create or replace function life_begin(p_reason text, p_system_identifier bigint, p_timeline integer)
returns bigint
language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
    v_number bigint;
    v_reason text;
begin
    update life
        set number = number + 1, system_identifier = p_system_identifier, timeline = p_timeline,
            database = (select h.database from life_home() h),
            relation = (select h.relation from life_home() h),
            -- A promotion of what was restored and is not settled yet leaves it a restored one.
            reason = case when is_open or reason = 'promoted' then p_reason else reason end,
            is_open = false, began_at = v_now, accepted_by = null
        returning number, reason into v_number, v_reason;
    update worker set is_awaited = seen_at > life_awaited_since(v_reason);
    return v_number;
end $$;

create or replace function life_open(p_because text) returns void
language plpgsql as $$
begin
    update life set is_open = true;
    update worker set is_awaited = false where is_awaited;
    perform pg_notify('handbell', p_because);
end $$;

-- A registered worker has told all that it knows. True: the gate is open. It opens when all who are waited
-- for have told. Where a standby was promoted it opens after p_grace in any case: by then a worker that
-- cannot reach the database begins no mail any more, and only what an asynchronous standby did not have
-- can go twice. A restored or copied database waits, for the operator too (life_accept).
create or replace function worker_reconciled(p_owner uuid, p_grace interval) returns boolean
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_now timestamptz := clock_timestamp();
    l life;
begin
    select * into strict l from life for update;
    update worker set life = l.number, is_awaited = false where owner = p_owner;
    if l.is_open then
        return true;
    elsif exists (select from worker where is_awaited)
          and (l.reason <> 'promoted' or l.began_at + p_grace > v_now) then
        return false;
    end if;
    perform life_open('reconciled');
    return true;
end $$;

-- The operator knows that the workers which are waited for will not come. True: somebody was.
create or replace function life_accept() returns boolean
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_is_open boolean;
begin
    select is_open into strict v_is_open from life for update;
    if v_is_open then
        return false;
    end if;
    update life set accepted_by = session_user
        || coalesce(' (' || stated_setting('handbell.actor', 200) || ')', '');
    perform life_open('accepted');
    return true;
end $$;

-- For `handbell check` and `handbell status`: one row. awaited: owners that have not told yet. A database
-- that no worker has seen since it was restored or promoted says so, too: the first one closes the gate.
create or replace function life_report()
returns table (is_open boolean, reason text, began_at timestamptz, number bigint, awaited uuid[])
language sql stable security definer set search_path = handbell, pg_temp as $$
    select l.is_open and x.news is null, coalesce(x.news, l.reason), l.began_at, l.number,
           array(select w.owner from handbell.worker w
                 where case when x.news is null then w.is_awaited and not l.is_open
                            else w.seen_at > handbell.life_awaited_since(x.news) end
                 order by w.owner)
    from handbell.life l
    cross join handbell.keep_place() p
    cross join lateral (select case
        when not l.is_open or l.system_identifier is null then null
        when l.system_identifier <> p.system_identifier or not handbell.life_is_at_home(l) then 'moved'
        when l.timeline <> p.timeline and handbell.life_has_target() then 'put_back'
        when l.timeline <> p.timeline then 'promoted' end as news) x
$$;

-- ---- What a worker tells. ----

-- It is sending these now: their mail's end has gone, and no reply has come. Their rows are its own
-- again, and what it records of them will count.
create or replace function resume(
    p_tenant bigint, p_owner uuid, p_ids bigint[], p_epochs integer[], p_created bigint[])
returns integer
language plpgsql security definer set search_path = handbell, pg_temp
set enable_seqscan = off set jit = off as $$
declare
    v_now timestamptz := now();
    v_count integer;
begin
    update message m
        set state = 'transmitting', owner = p_owner, claimed_at = v_now, epoch = u.epoch,
            is_sealed = true
        from unnest(p_ids, p_epochs, p_created) as u (message_id, epoch, created)
        where m.tenant_id = p_tenant and m.message_id = u.message_id
          and made_unix(m.created_at) = u.created
          and (m.epoch < u.epoch or m.epoch = u.epoch and m.owner = p_owner);
    get diagnostics v_count = row_count;
    return v_count;
end $$;

-- A worker's rows that are marked as being sent: what does its journal say of each?
create or replace function own_transmitting(p_tenant bigint, p_owner uuid)
returns table (message_id bigint, epoch integer, created bigint, claimed bigint)
language sql stable security definer set search_path = handbell, pg_temp as $$
    select m.message_id, m.epoch, handbell.made_unix(m.created_at), handbell.unix_time(m.claimed_at)
    from handbell.message m
    where m.tenant_id = p_tenant and m.owner = p_owner and m.state = 'transmitting'
    order by m.message_id
$$;

-- The rows that a journal's word is about, as places in p_ids: by id, and by the moment when they were
-- made (after a fail-over the same id may have been given to another message), whose epoch is not beyond
-- the word's. (Of all else: record_late.)
-- That a mail was sent counts whatever the row says. Any other word counts where the row is this worker's
-- own, or has not come so far yet: one that is ready again at the same epoch has heard it already, or was
-- put back by the operator. (While the gate is closed a row that is behind is nobody's, whose ever it says
-- to be: that attempt came before.)
create or replace function settle_rows(
    p_tenant bigint, p_owner uuid, p_ids bigint[], p_epochs integer[], p_created bigint[],
    p_outcomes text[])
returns setof bigint
language sql stable as $$
    select u.n
    from unnest(p_ids, p_epochs, p_created, p_outcomes) with ordinality
        as u (message_id, epoch, created, outcome, n)
    cross join lateral (select * from handbell.message x -- OFFSET 0: see look_at
        where x.tenant_id = p_tenant and x.message_id = u.message_id offset 0) m
    where handbell.made_unix(m.created_at) = u.created and m.epoch <= u.epoch
      and (u.outcome = 'sent' or m.owner = p_owner
           or m.epoch < u.epoch and u.outcome <> 'deferred'
              and (m.owner is null or not (select is_open from handbell.life)))
$$;

-- What a worker's journal says became of its attempts (outcomes as in record()), whoever the database
-- believes to have them. Idempotent. Answers sent, failed, ready, uncertain, or stale: nothing was to be
-- changed.
create or replace function settle(
    p_tenant bigint, p_owner uuid, p_ids bigint[], p_epochs integer[], p_created bigint[],
    p_outcomes text[], p_codes integer[], p_enhanced text[], p_retry_after_s integer[])
returns table (message_id bigint, state text)
language plpgsql security definer set search_path = handbell, pg_temp
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan
set lock_timeout = '5s' as $$
declare
    v_now timestamptz := clock_timestamp();
    v_numbers bigint[]; -- whose rows are there, as places in p_ids
    v_states text[];
begin
    perform from message m where m.tenant_id = p_tenant and m.message_id = any (p_ids)
        order by m.message_id for update;
    v_numbers := array(
        select * from settle_rows(p_tenant, p_owner, p_ids, p_epochs, p_created, p_outcomes) order by 1);
    -- As if it had this attempt still, so that record() takes its word.
    update message m
        set state = 'transmitting', owner = p_owner, epoch = p_epochs[u.n], is_sealed = true
        from unnest(v_numbers) as u (n)
        where m.tenant_id = p_tenant and m.message_id = p_ids[u.n];
    with a as (
        select array_agg(p_ids[n]) as ids, array_agg(p_epochs[n]) as epochs,
               array_agg(p_outcomes[n]) as outcomes, array_agg(p_codes[n]) as codes,
               array_agg(p_enhanced[n]) as enhanced, array_agg(null::text) as words,
               array_agg(p_retry_after_s[n]) as retry_after_s
        from unnest(v_numbers) n having count(*) > 0
    ), recorded as materialized ( -- once
        select r.* from a cross join lateral record(p_tenant, p_owner, a.ids, a.epochs, a.outcomes,
            a.codes, a.enhanced, a.words, a.retry_after_s) r
    )
    select array_agg(r.state order by u.n) into v_states
        from unnest(p_ids) with ordinality as u (message_id, n)
        left join recorded r on r.message_id = u.message_id and u.n = any (v_numbers);
    return query
    select u.message_id, coalesce(u.state, l.state, 'stale')
    from unnest(p_ids, v_states, p_created) with ordinality as u (message_id, state, created, n)
    left join record_late(p_tenant, p_ids, p_epochs, p_outcomes, p_codes, p_enhanced,
        array_fill(null::text, array[cardinality(p_ids)]), p_retry_after_s, p_created, v_states) l
        on l.message_id = u.message_id and l.created = u.created
    order by u.n;
end $$;
