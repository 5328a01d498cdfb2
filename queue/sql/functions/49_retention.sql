-- What tenants keep no longer: deleted by tenant and kind of record, in short transactions, by whoever
-- calls `handbell erase --retention`. Knows how long each kind is kept; decides nothing about people.
--
-- Never deleted here: match (who was alerted to which course), opt-outs, suppressions, restrictions. They
-- are what stops a mail. Nor anything of a restricted person: GDPR article 18, their records stay as they are.

-- From when on a tenant keeps this kind; null: for ever. A job lives as long as its mails.
create or replace function kept_since(p_tenant bigint, p_kind text) returns timestamptz
language plpgsql stable as $$
declare
    v_key text := case p_kind when 'jobs' then 'mails' else p_kind end;
    v_periods jsonb;
begin
    select contract_standard('retention') || t.retention into strict v_periods
        from tenant t where t.tenant_id = p_tenant;
    return now() - (v_periods ->> v_key)::interval;
end $$;

-- All there is to do, tenant by tenant: jobs after the mails that hold them.
create or replace function retention_plan()
returns table (tenant_id bigint, tenant text, kind text, period text, kept_since timestamptz)
language sql stable security definer set search_path = handbell, pg_temp as $$
    select x.tenant_id, x.slug, x.kind, x.period, now() - x.period::interval
    from (
        select t.tenant_id, t.slug, k.kind, k.n,
               (handbell.contract_standard('retention') || t.retention)
                   ->> case k.kind when 'jobs' then 'mails' else k.kind end as period
        from handbell.tenant t
        cross join unnest('{mails,jobs,bookings,changes,audit}'::text[]) with ordinality k (kind, n)) x
    where x.period is not null
    order by x.tenant_id, x.n
$$;

-- When a course is behind us; null: it may yet come.
create or replace function course_over_at(c course) returns timestamptz
language sql immutable as $$
    select coalesce(c.ends_at, c.starts_at,
                    case when c.status in ('finished', 'cancelled', 'removed') then c.as_of end)
$$;

create or replace function restricted_people(
    p_tenant bigint, out people bigint[], out refs text[])
language sql stable as $$
    select coalesce(array_agg(p.person_id), '{}'),
           coalesce(array_agg(p.ref) filter (where p.ref is not null), '{}')
    from handbell.person p where p.tenant_id = p_tenant and p.is_restricted
$$;

create or replace function retain_mails(p_tenant bigint, p_since timestamptz, p_limit integer)
returns integer
language plpgsql as $$
declare
    v_people bigint[] := (restricted_people(p_tenant)).people;
    v_count integer;
begin
    with old as (
        select r.message_id, r.ended_at from message_record r
        where r.tenant_id = p_tenant and r.ended_at < p_since
          and (r.person_id is null or r.person_id <> all (v_people))
        limit p_limit for update skip locked
    )
    delete from message_record r using old o
        where r.tenant_id = p_tenant and r.message_id = o.message_id and r.ended_at = o.ended_at
          and r.ended_at < p_since;
    get diagnostics v_count = row_count;
    return v_count;
end $$;

-- A job is what stops the same from being told twice, so it stays until its course is over, too.
create or replace function old_jobs(p_tenant bigint, p_since timestamptz) returns setof job
language sql stable as $$
    select j.* from handbell.job j
    left join handbell.course c on c.tenant_id = p_tenant and c.course_id = j.course_id
    where j.tenant_id = p_tenant and j.created_at < p_since and j.state in ('queued', 'revoked')
      and (c.course_id is null or handbell.course_over_at(c) < p_since)
      and not exists (select from handbell.message m
                      where m.tenant_id = p_tenant and m.job_id = j.job_id)
      and not exists (select from handbell.message_record r
                      where r.tenant_id = p_tenant and r.job_id = j.job_id)
$$;

create or replace function retain_jobs(p_tenant bigint, p_since timestamptz, p_limit integer)
returns integer
language plpgsql as $$
declare
    v_jobs bigint[];
    v_courses bigint[];
begin
    v_jobs := array(select o.job_id from old_jobs(p_tenant, p_since) o limit p_limit);
    -- The course before its jobs, as everybody locks them; then the look that counts.
    v_courses := array(select c.course_id from course c
        where c.tenant_id = p_tenant and c.course_id in (select j.course_id from job j
            where j.tenant_id = p_tenant and j.job_id = any (v_jobs))
        order by c.course_id for no key update skip locked);
    v_jobs := array(select j.job_id from job j
        where j.tenant_id = p_tenant and j.job_id = any (v_jobs)
          and (j.course_id is null or j.course_id = any (v_courses)
               or not exists (select from course c
                              where c.tenant_id = p_tenant and c.course_id = j.course_id))
        order by j.job_id for update skip locked);
    v_jobs := array(select o.job_id from old_jobs(p_tenant, p_since) o
                    where o.job_id = any (v_jobs));
    -- What has fired stays fired.
    update course_rule set job_id = 0 where tenant_id = p_tenant and course_id = any (v_courses)
        and job_id = any (v_jobs);
    delete from job_recipient where tenant_id = p_tenant and job_id = any (v_jobs);
    delete from job where tenant_id = p_tenant and job_id = any (v_jobs);
    return cardinality(v_jobs);
end $$;

-- Who had a place on a course, and who taught it.
create or replace function retain_bookings(p_tenant bigint, p_since timestamptz, p_limit integer)
returns integer
language plpgsql as $$
declare
    v_people bigint[] := (restricted_people(p_tenant)).people;
    v_courses bigint[] := array(select c.course_id from course c
        where c.tenant_id = p_tenant and course_over_at(c) < p_since);
    v_bookings integer;
    v_tutors integer := 0;
begin
    with old as (
        select b.booking_id from booking b
        where b.tenant_id = p_tenant and b.course_id = any (v_courses)
          and b.person_id <> all (v_people)
          and (b.booked_by is null or b.booked_by <> all (v_people))
        limit p_limit for update skip locked
    )
    delete from booking b using old o
        where b.tenant_id = p_tenant and b.booking_id = o.booking_id;
    get diagnostics v_bookings = row_count;
    if v_bookings < p_limit then
        with old as (
            select u.course_id, u.person_id from course_tutor u
            where u.tenant_id = p_tenant and u.course_id = any (v_courses)
              and u.person_id <> all (v_people)
            limit p_limit - v_bookings for update skip locked
        )
        delete from course_tutor u using old o
            where u.tenant_id = p_tenant and u.course_id = o.course_id
              and u.person_id = o.person_id;
        get diagnostics v_tutors = row_count;
    end if;
    return v_bookings + v_tutors;
end $$;

-- Numbers follow time, so the first rows are the oldest: no index on the time, and no scan of all.
create or replace function retain_changes(p_tenant bigint, p_since timestamptz, p_limit integer)
returns integer
language plpgsql as $$
declare
    v_refs text[] := (restricted_people(p_tenant)).refs;
    v_count integer;
begin
    with first as (
        select c.number, c.at from change c
        where c.tenant_id = p_tenant and (c.person_ref is null or c.person_ref <> all (v_refs))
        order by c.number limit p_limit for update skip locked
    )
    delete from change c using first f
        where c.tenant_id = p_tenant and c.number = f.number and f.at < p_since;
    get diagnostics v_count = row_count;
    return v_count;
end $$;

create or replace function retain_audit(p_tenant bigint, p_since timestamptz, p_limit integer)
returns integer
language plpgsql as $$
declare
    v_refs text[] := (restricted_people(p_tenant)).refs;
    v_count integer;
begin
    with first as (
        select a.audit_id, a.at from audit a
        where a.tenant_id = p_tenant and (a.ref is null or a.ref <> all (v_refs))
        order by a.audit_id limit p_limit for update skip locked
    )
    delete from audit a using first f
        where a.tenant_id = p_tenant and a.audit_id = f.audit_id and f.at < p_since;
    get diagnostics v_count = row_count;
    return v_count;
end $$;

-- One batch of at most p_limit records of a kind; how many went. The audit says so in the same
-- transaction: whatever happens to the caller, nothing has gone unsaid.
create or replace function retain(p_tenant bigint, p_kind text, p_limit integer) returns integer
language plpgsql security definer set search_path = handbell, pg_temp set lock_timeout = '1s' as $$
declare
    v_since timestamptz := kept_since(p_tenant, p_kind);
    v_count integer;
begin
    if v_since is null then
        return 0;
    end if;
    v_count := case p_kind
        when 'mails' then retain_mails(p_tenant, v_since, p_limit)
        when 'jobs' then retain_jobs(p_tenant, v_since, p_limit)
        when 'bookings' then retain_bookings(p_tenant, v_since, p_limit)
        when 'changes' then retain_changes(p_tenant, v_since, p_limit)
        when 'audit' then retain_audit(p_tenant, v_since, p_limit) end;
    if v_count > 0 then
        perform add_audit(p_tenant, 'retention', null, array[p_kind],
            v_count || ' removed, older than ' || to_char(v_since at time zone 'UTC', 'YYYY-MM-DD'));
    end if;
    return v_count;
end $$;

-- How many would go now. Jobs: those whose mails would all go.
create or replace function retention_due(p_tenant bigint, p_kind text) returns bigint
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
declare
    v_since timestamptz := kept_since(p_tenant, p_kind);
    v_people bigint[];
    v_refs text[];
begin
    select people, refs into v_people, v_refs from restricted_people(p_tenant);
    return case p_kind
        when 'mails' then (select count(*) from message_record r
            where r.tenant_id = p_tenant and r.ended_at < v_since
              and (r.person_id is null or r.person_id <> all (v_people)))
        when 'jobs' then (select count(*) from job j
            left join course c on c.tenant_id = p_tenant and c.course_id = j.course_id
            where j.tenant_id = p_tenant and j.created_at < v_since
              and j.state in ('queued', 'revoked')
              and (c.course_id is null or course_over_at(c) < v_since)
              and not exists (select from message m
                              where m.tenant_id = p_tenant and m.job_id = j.job_id)
              and not exists (select from message_record r
                              where r.tenant_id = p_tenant and r.job_id = j.job_id
                                and (r.ended_at >= v_since or r.person_id = any (v_people))))
        when 'bookings' then
            (select count(*) from booking b
                join course c on c.tenant_id = p_tenant and c.course_id = b.course_id
                where b.tenant_id = p_tenant and course_over_at(c) < v_since
                  and b.person_id <> all (v_people)
                  and (b.booked_by is null or b.booked_by <> all (v_people)))
            + (select count(*) from course_tutor u
                join course c on c.tenant_id = p_tenant and c.course_id = u.course_id
                where u.tenant_id = p_tenant and course_over_at(c) < v_since
                  and u.person_id <> all (v_people))
        when 'changes' then (select count(*) from change c
            where c.tenant_id = p_tenant and c.at < v_since
              and (c.person_ref is null or c.person_ref <> all (v_refs)))
        when 'audit' then (select count(*) from audit a
            where a.tenant_id = p_tenant and a.at < v_since
              and (a.ref is null or a.ref <> all (v_refs))) end;
end $$;

-- Drops the oldest month of the record in which nothing is left: the longest period has passed there. Its
-- name; null: there is none. Whoever works with the record is not made to wait: without the lock at once it is
-- refused, and a later call does it.
create or replace function drop_record_month(p_dry_run boolean, p_after text) returns text
language plpgsql security definer set search_path = handbell, pg_temp set lock_timeout = '50ms' as $$
declare
    v_name text;
    v_has_rows boolean;
begin
    for v_name in
        select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'handbell.message_record'::regclass
          and c.relname ~ '^message_record_[0-9]{4}_[0-9]{2}$' and c.relname > coalesce(p_after, '')
          and to_date(right(c.relname, 7), 'YYYY_MM') < now() - interval '2 months'
        order by c.relname
    loop
        execute format('select exists (select from handbell.%I)', v_name) into v_has_rows;
        continue when v_has_rows;
        if not p_dry_run then
            execute format('drop table handbell.%I', v_name);
        end if;
        return v_name;
    end loop;
    return null;
end $$;
