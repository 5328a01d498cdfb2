-- Relays: what workers say of theirs, through which one a message goes, and how much their limits leave.
-- How mail goes through another is in 29_relays_moved.sql.

create or replace function relay_patience() returns interval
language sql immutable as $$ select interval '20 s' $$; -- a worker that has said nothing for so long is gone

-- Where a tenant's messages go: message N through element 1 + N mod the array's length. Its own relay,
-- also while that is down; otherwise those that are up, as often as they weigh, well mixed. 0 is none: it
-- names a relay that no worker has ever told of. (An array, so that a fan-out asks once.)
create or replace function relay_wheel(p_tenant bigint) returns smallint[]
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
declare
    v_name text;
    v_wheel smallint[];
begin
    select t.relay into v_name from tenant t where t.tenant_id = p_tenant;
    if v_name is not null then
        return array[coalesce((select r.relay from relay r where r.name = v_name
                               order by r.state = 'gone', r.relay limit 1), 0)]::smallint[];
    end if;
    -- Where none is up, those that may come back.
    select array_agg(x.relay order by x.place, x.relay) into v_wheel
    from (select r.relay, (k.n - 0.5) / r.weight as place,
                 case r.state when 'up' then 1 when 'down' then 2 else 3 end as rank,
                 min(case r.state when 'up' then 1 when 'down' then 2 else 3 end) over () as best
          from relay r cross join lateral generate_series(1, r.weight) as k (n)) x
    where x.rank = x.best;
    return coalesce(v_wheel, '{1}');
end $$;

-- Through which of the wheel's a message goes: as even as its number is arbitrary, and always the same.
create or replace function relay_of(p_wheel smallint[], p_message bigint) returns smallint
language sql immutable as $$
    select p_wheel[1 + p_message % cardinality(p_wheel)]
$$;

-- What the living workers say together. The newest settings hold, but the least limit.
create or replace function relays_sum_up(p_now timestamptz) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    -- Said at a time that is still to come, for the clock was set back since: as if said now. Left so, who
    -- is gone would count as there, and its word, until that time. (A minute: others say theirs just now.)
    update worker_relay w set said_at = p_now, stated_at = least(w.stated_at, p_now)
        where w.said_at > p_now + interval '1 min';
    insert into relay as r (relay, name, weight, per_minute, per_day, urgent_share, state, since)
    select n.relay, n.name, n.weight, n.least_minute, n.least_day, n.urgent_share,
           case when n.is_away then 'down' else 'up' end, p_now
    from (select distinct on (w.relay) w.relay, w.name, w.weight, w.urgent_share,
                 coalesce(min(nullif(w.per_minute, 0)) over same, 0) as least_minute,
                 coalesce(min(nullif(w.per_day, 0)) over same, 0) as least_day,
                 bool_and(w.is_down) over same as is_away
          from worker_relay w where w.said_at > p_now - relay_patience()
          window same as (partition by w.relay)
          order by w.relay, w.stated_at desc, w.owner) n
    on conflict (relay) do update
        set name = excluded.name, weight = excluded.weight, per_minute = excluded.per_minute,
            per_day = excluded.per_day, urgent_share = excluded.urgent_share, state = excluded.state,
            since = case when r.state = excluded.state then r.since else excluded.since end
        where (r.name, r.weight, r.per_minute, r.per_day, r.urgent_share, r.state)
            is distinct from (excluded.name, excluded.weight, excluded.per_minute, excluded.per_day,
                              excluded.urgent_share, excluded.state);
    delete from worker_relay w where w.said_at < p_now - interval '7 days';
    update relay r set state = 'gone', since = p_now
        where r.state <> 'gone'
          and not exists (select from worker_relay w where w.relay = r.relay
                          and w.said_at > p_now - relay_patience());
end $$;

-- A worker tells of all its relays, every second or two, and is told of those for which another living
-- worker has other settings.
create or replace function relays_say(
    p_owner uuid, p_relays smallint[], p_names text[], p_weights integer[], p_per_minute integer[],
    p_per_day integer[], p_urgent_shares integer[], p_digests text[], p_are_down boolean[],
    p_rates integer[], p_sessions integer[])
returns setof smallint
language plpgsql security definer set search_path = handbell, pg_temp set synchronous_commit = off
set lock_timeout = '500ms' as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    delete from worker_relay w where w.owner = p_owner and w.relay <> all (p_relays);
    insert into worker_relay as w (owner, relay, name, weight, per_minute, per_day, urgent_share, digest,
                                   is_down, rate, sessions, stated_at, said_at)
    select p_owner, s.*, v_now, v_now
        from unnest(p_relays, p_names, p_weights, p_per_minute, p_per_day, p_urgent_shares, p_digests,
                    p_are_down, p_rates, p_sessions) as s
        order by 2
    on conflict (owner, relay) do update
        set name = excluded.name, weight = excluded.weight, per_minute = excluded.per_minute,
            per_day = excluded.per_day, urgent_share = excluded.urgent_share,
            digest = excluded.digest, is_down = excluded.is_down, rate = excluded.rate,
            sessions = excluded.sessions, said_at = excluded.said_at,
            stated_at = case when w.digest = excluded.digest then w.stated_at else excluded.stated_at end;
    -- One worker at a time sums up; who finds another at it does so in a second.
    if pg_try_advisory_xact_lock(hashtextextended('handbell relays', 0)) then
        perform relays_sum_up(v_now);
    end if;
    return query
    select distinct own.relay
    from worker_relay own join worker_relay other on other.relay = own.relay
    where own.owner = p_owner and other.owner <> p_owner and other.digest <> own.digest
      and other.said_at > v_now - relay_patience();
end $$;

-- Ends what waits for a relay that is not up, and whose time is over: nobody claims it, so no mark says
-- so, and a tenant whose relay is gone for good would not hear whom it has not told. What is urgent first,
-- p_limit at most; how many there were.
create or replace function end_expired(p_tenant bigint, p_limit integer) returns integer
language plpgsql security definer set search_path = handbell, pg_temp
set enable_seqscan = off set jit = off as $$
declare
    v_relays smallint[] := array(select r.relay from relay r where r.state <> 'up' union select 0);
    v_left integer := p_limit;
    v_ids bigint[];
begin
    for v_lane in 1 .. 6 loop
        v_ids := array(select m.message_id from message m
            where m.tenant_id = p_tenant and m.lane = v_lane and m.relay = any (v_relays)
              and m.state = 'ready' and m.due <= now() and m.expires_at <= now()
            limit v_left for update skip locked);
        with gone as (
            delete from message m where m.tenant_id = p_tenant and m.message_id = any (v_ids)
            returning m.*
        )
        insert into message_record (tenant_id, message_id, person_id, establishment_id, job_id,
                                    created_at, epoch, lane, relay, attempts, state, kind, reason)
            select g.tenant_id, g.message_id, g.person_id, g.establishment_id, g.job_id, g.created_at,
                   g.epoch, g.lane, g.relay, g.attempts, 'skipped', g.kind, 'expired'
            from gone g;
        v_left := v_left - cardinality(v_ids);
    end loop;
    return p_limit - v_left;
end $$;

-- Of one span, in its window: what is used, and since when. A mail may begin up to p_valid after it was
-- allowed, so the window is longer by that, and by the width of a row.
create or replace function relay_used(p_relay smallint, p_span text, p_valid interval)
returns table (urgent bigint, bulk bigint, since timestamptz, lasts interval)
language sql stable security definer set search_path = handbell, pg_temp as $$
    select coalesce(sum(u.urgent), 0), coalesce(sum(u.bulk), 0), min(u.at), w.lasts
    from (select case p_span when 'minute' then interval '61 s' else interval '24 h 5 min' end
                 + p_valid as lasts) w
    left join handbell.relay_use u on u.relay = p_relay and u.span = p_span
        and u.at >= clock_timestamp() - w.lasts
    group by w.lasts
$$;

-- How many of p_wanted mails may begin within p_valid from now, so that in no 60 seconds and no 24 hours
-- more begin than the relay's limits say, of all workers together. `wait_ms`: when to ask again where it
-- is 0. What is not used is lost. The grant is on disk before anybody has it, so that it counts after
-- any crash.
create or replace function relay_allow(
    p_relay smallint, p_wanted integer, p_is_urgent boolean, p_valid interval, p_per_minute integer,
    p_per_day integer, p_urgent_share integer)
returns table (granted integer, wait_ms bigint)
language plpgsql security definer set search_path = handbell, pg_temp set lock_timeout = '1s' as $$
declare
    r relay;
    s record;
    v_left bigint;
    v_now timestamptz;
begin
    granted := greatest(p_wanted, 0);
    wait_ms := 0;
    -- Those who ask take turns.
    select * into r from relay where relay = p_relay for no key update;
    if not found then -- this worker has just begun to tell of it
        granted := 0;
        wait_ms := 500;
        return next;
        return;
    end if;
    v_now := clock_timestamp();
    perform relay_redate(p_relay, v_now);
    for s in
        select l.span, l.most, least(ceil(l.most * p_urgent_share / 100.0), l.most - 1) as reserve, u.*
        from (values ('minute', least(nullif(p_per_minute, 0), nullif(r.per_minute, 0))),
                     ('day', least(nullif(p_per_day, 0), nullif(r.per_day, 0)))) l (span, most)
        cross join lateral relay_used(p_relay, l.span, p_valid) u
        where l.most is not null
    loop
        v_left := s.most - s.urgent - s.bulk;
        if not p_is_urgent then
            v_left := least(v_left, s.most - s.reserve - s.bulk);
        end if;
        if v_left <= 0 then
            wait_ms := greatest(wait_ms, 1 + ceil(1000 * extract(epoch from s.since + s.lasts - v_now)));
        end if;
        granted := greatest(0, least(granted, v_left));
    end loop;
    if granted > 0 then
        perform relay_count(p_relay, v_now, granted, p_is_urgent);
    end if;
    return next;
end $$;

-- What was allowed at a time that is still to come, for the clock was set back since: it counts as allowed
-- now. Left where it is it would count until then and a window longer.
create or replace function relay_redate(p_relay smallint, p_now timestamptz) returns void
language sql security definer set search_path = handbell, pg_temp as $$
    with ahead as (
        delete from relay_use u where u.relay = p_relay and u.at > p_now returning u.*
    )
    insert into relay_use as u (relay, span, at, urgent, bulk)
    select p_relay, a.span, x.at, sum(a.urgent), sum(a.bulk)
    from ahead a
    join (values ('minute', date_trunc('second', p_now)),
                 ('day', date_bin('5 min', p_now, timestamptz 'epoch'))) x (span, at) using (span)
    group by a.span, x.at
    on conflict (relay, span, at) do update
        set urgent = u.urgent + excluded.urgent, bulk = u.bulk + excluded.bulk
$$;

create or replace function relay_count(
    p_relay smallint, p_now timestamptz, p_count integer, p_is_urgent boolean)
returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    insert into relay_use as u (relay, span, at, urgent, bulk)
    select p_relay, x.span, x.at, case when p_is_urgent then p_count else 0 end,
           case when p_is_urgent then 0 else p_count end
    from (values ('minute', date_trunc('second', p_now)),
                 ('day', date_bin('5 min', p_now, timestamptz 'epoch'))) x (span, at)
    on conflict (relay, span, at) do update
        set urgent = u.urgent + excluded.urgent, bulk = u.bulk + excluded.bulk;
    delete from relay_use u
        where u.relay = p_relay
          and u.at < p_now - case u.span when 'day' then interval '3 days' else interval '10 min' end;
end $$;
