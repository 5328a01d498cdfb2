-- What a worker's file outside the database is to hold (39_keep_lines.sql), how far it has come, and
-- where this database stands, so that a worker knows one that was put back.

-- Changes that this worker's file does not hold yet, of all tenants, oldest first within each.
create or replace function keep_changes(p_owner uuid, p_limit integer)
returns table (tenant_id bigint, number bigint, line text)
language sql stable security definer set search_path = handbell, pg_temp set jit = off as $$
    select b.tenant_id, x.number,
           case when x.what in ('alert_doubt', 'name') then x.topic else
           'word|' || b.slug || '|' || x.number || '|' || handbell.unix_us(x.at) || '|' || x.what || '|'
           || coalesce(x.topic, '') || '|' || coalesce(x.how, '') || '|'
           || coalesce(handbell.keep_digest(b.key, b.slug, 'person', x.person_ref), '') end
    from (select c.tenant_id, s.slug, kk.key, coalesce(k.number, 0) as number
          from handbell.change_counter c
          join handbell.tenant_slug s on s.tenant_id = c.tenant_id
          cross join handbell.keep_key kk
          left join handbell.kept_change k on k.owner = p_owner and k.tenant_id = c.tenant_id
          where c.last_number > coalesce(k.number, 0)) b
    cross join lateral (
        select * from handbell.change h
        where h.tenant_id = b.tenant_id and h.number > b.number
        order by h.number limit p_limit) x
    order by b.tenant_id, x.number
    limit p_limit
$$;

-- Alerts whose worker ended while they were on the wire: somebody may have read them, so they are no
-- more to be sent after a restore than those that were sent; but whoever could have written it down is
-- gone. Their lines stand among the changes, from which every worker's file gets them.
create or replace function keep_doubts(
    p_tenant bigint, p_owner uuid, p_ids bigint[], p_epochs integer[], p_outcomes text[])
returns void
language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
    v_line text;
begin
    for v_line in
        select keep_line(kk.key, t.slug, m.kind, p.ref, null, null, m.message_id, m.created_at)
               || '|' || unix_us(v_now) || '|uncertain|' || coalesce((
                   select string_agg(keep_course(kk.key, t.slug, c), ',') from course c
                   where c.tenant_id = p_tenant and c.course_id = any (m.courses)), '')
        from unnest(p_ids, p_epochs, p_outcomes) as u (message_id, epoch, outcome)
        join message m on m.tenant_id = p_tenant and m.message_id = u.message_id
        join person p on p.tenant_id = p_tenant and p.person_id = m.person_id
        cross join keep_key kk
        join tenant t on t.tenant_id = p_tenant
        where u.outcome = 'interrupted' and m.kind = 'course_alert' and m.epoch = u.epoch
          and m.owner = p_owner and m.state = 'transmitting'
        order by m.message_id
    loop
        perform add_change(p_tenant, 'alert_doubt', null, v_line, null);
    end loop;
end $$;

-- A ref has become another, or a person another one: lines of the one are to be known as the other's.
-- Among the changes, as those of keep_doubts.
create or replace function keep_name(p_tenant bigint, p_kind text, p_old text, p_new text, p_is_merge boolean)
returns void
language sql as $$
    select add_change(p_tenant, 'name', null,
        'name|' || t.slug || '|' || unix_us(clock_timestamp())
        || '|' || keep_digest(k.key, t.slug, p_kind, p_old)
        || '|' || keep_digest(k.key, t.slug, p_kind, p_new) || '|' || p_is_merge, null)
    from tenant t cross join keep_key k
    where t.tenant_id = p_tenant and p_kind <> 'category'
$$;

-- The worker's file holds the changes up to these, and the database all that the file holds up to
-- p_kept. Committed durably, unlike worker_seen: after a crash the worker would else take the
-- database for one that was put back. Answers how far it has the file, and where its log is.
create or replace function keep_seen(p_owner uuid, p_kept bigint, p_tenants bigint[], p_numbers bigint[])
returns table (has bigint, system_identifier bigint, timeline integer, log_position bigint)
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    if current_setting('synchronous_commit') = 'off' then
        perform set_config('synchronous_commit', 'local', true);
    end if;
    update worker set kept = p_kept where owner = p_owner and kept < p_kept;
    insert into kept_change as k (owner, tenant_id, number)
        select p_owner, u.tenant_id, max(u.number)
        from unnest(p_tenants, p_numbers) as u (tenant_id, number)
        group by u.tenant_id order by u.tenant_id
        on conflict (owner, tenant_id) do update set number = excluded.number
            where k.number < excluded.number;
    return query select coalesce((select w.kept from worker w where w.owner = p_owner), 0), p.*
        from keep_place() p;
end $$;

-- A registered worker asks up to where this database has its file. No row: it is not registered.
-- is_open: the gate is, so somebody has accepted that what cannot be read is lost.
create or replace function keep_kept(p_owner uuid)
returns table (kept bigint, system_identifier bigint, timeline integer, log_position bigint,
               is_open boolean)
language sql stable security definer set search_path = handbell, pg_temp as $$
    select w.kept, p.system_identifier, p.timeline, p.log_position, l.is_open
    from handbell.worker w cross join handbell.keep_place() p cross join handbell.life l
    where w.owner = p_owner
$$;

-- Of these, which a worker's journal has in doubt, those of which nothing is here any more; in the form of
-- own_transmitting(). Noted, so that `handbell check` tells of them.
create or replace function doubts_lost(p_tenant bigint, p_ids bigint[], p_created bigint[])
returns table (message_id bigint, epoch integer, created bigint, claimed bigint)
language sql security definer set search_path = handbell, pg_temp as $$
    with lost as (
        select u.id, u.made from unnest(p_ids, p_created) as u (id, made)
        where not exists (select from message m
                          where m.tenant_id = p_tenant and m.message_id = u.id
                            and made_unix(m.created_at) = u.made)
          and not exists (select from message_record r
                          where r.tenant_id = p_tenant and r.message_id = u.id
                            and made_unix(r.created_at) = u.made)
    ), noted as (
        insert into lost_doubt (tenant_id, message_id, created) select p_tenant, l.id, l.made from lost l
            on conflict do nothing
    )
    select l.id, 0, l.made, 0::bigint from lost l order by l.id
$$;

-- For people: how many there are, and the newest of them, by tenant, message and when it was made (UTC).
create or replace function lost_doubts(out count bigint, out newest text)
language sql stable security definer set search_path = handbell, pg_temp as $$
    select count(*), string_agg(x.name, '; ') filter (where x.n <= 20)
    from (select coalesce(s.slug, d.tenant_id::text) || ' ' || d.message_id || ' '
                 || to_char(to_timestamp(d.created) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') as name,
                 row_number() over (order by d.noted_at desc, d.tenant_id, d.message_id) as n
          from handbell.lost_doubt d left join handbell.tenant_slug s using (tenant_id)) x
$$;
