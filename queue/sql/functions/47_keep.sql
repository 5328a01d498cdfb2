-- What a worker's file outside the database is to hold (39_keep_lines.sql), how far it has come, and
-- where this database stands, so that a worker knows one that was put back.

-- Changes that this worker's file does not hold yet, of all tenants, oldest first within each.
create or replace function keep_changes(p_owner uuid, p_limit integer)
returns table (tenant_id bigint, number bigint, line text)
language sql stable security definer set search_path = handbell, pg_temp set jit = off as $$
    select b.tenant_id, x.number,
           'word|' || b.slug || '|' || x.number || '|' || handbell.unix_us(x.at) || '|' || x.what || '|'
           || coalesce(x.topic, '') || '|' || coalesce(x.how, '') || '|'
           || coalesce(handbell.keep_digest(b.key, b.slug, 'person', x.person_ref), '')
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

-- The worker's file holds the changes up to these, and the database all that the file holds up to
-- p_kept. Committed durably, unlike worker_seen: after a crash the worker would else take the
-- database for one that was put back. Answers where the database's log is.
create or replace function keep_seen(p_owner uuid, p_kept bigint, p_tenants bigint[], p_numbers bigint[])
returns table (system_identifier bigint, timeline integer, log_position bigint)
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    update worker set kept = p_kept where owner = p_owner and kept < p_kept;
    insert into kept_change as k (owner, tenant_id, number)
        select p_owner, u.tenant_id, max(u.number)
        from unnest(p_tenants, p_numbers) as u (tenant_id, number)
        group by u.tenant_id order by u.tenant_id
        on conflict (owner, tenant_id) do update set number = excluded.number
            where k.number < excluded.number;
    return query select * from keep_place();
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
