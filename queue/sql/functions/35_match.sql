-- Matching: whose ticks a course meets, and the alerts that follow.

-- A person's ticks carry two copies of what matching must know about the person: whether alerts may
-- go out at all, and how often. This is the one rule for the first; marking reads the facts again.
create or replace function may_be_alerted(p person, p_basis text) returns boolean
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
begin
    return p.alerts and p.status = 'active' and not p.is_restricted and p.email is not null
       and (p_basis <> 'consent' or p.consent)
       and not exists (select from opt_out o where o.tenant_id = p.tenant_id
                       and o.person_id = p.person_id and o.topic in ('alerts', 'optional'));
end $$;

create or replace function refresh_ticks(p_tenant bigint, p_person bigint) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_is_live boolean;
    v_frequency text;
begin
    select may_be_alerted(p, t.basis), p.frequency into v_is_live, v_frequency
        from person p join tenant t on t.tenant_id = p_tenant
        where p.tenant_id = p_tenant and p.person_id = p_person;
    update tick set is_live = v_is_live, frequency = v_frequency
        where tenant_id = p_tenant and person_id = p_person
          and (is_live, frequency) is distinct from (v_is_live, v_frequency);
end $$;

create or replace function refresh_tenant_ticks(p_tenant bigint) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    update tick k set is_live = may_be_alerted(p, t.basis), frequency = p.frequency
        from person p, tenant t
        where k.tenant_id = p_tenant and p.tenant_id = p_tenant and p.person_id = k.person_id
          and t.tenant_id = p_tenant
          and (k.is_live, k.frequency) is distinct from (may_be_alerted(p, t.basis), p.frequency);
end $$;

-- A course's categories by their kind; null where it has none of that.
create or replace function course_ticks(
    p_tenant bigint, p_course bigint, out subjects bigint[], out audiences bigint[],
    out interests bigint[])
language plpgsql stable as $$
begin
    select array_agg(k.category_id) filter (where k.kind = 'subject'),
           array_agg(k.category_id) filter (where k.kind = 'audience'),
           array_agg(k.category_id) filter (where k.kind = 'interest')
        into subjects, audiences, interests
        from course_category x join category k
            on k.tenant_id = p_tenant and k.category_id = x.category_id
        where x.tenant_id = p_tenant and x.course_id = p_course;
end $$;

-- The people whose ticks meet this course, and who may be told: a shared interest; or a shared subject
-- (if the course has any) and a shared audience (if it has any), at least one of the two. Each person
-- once. The tick index alone answers; what excludes single people is small. (The planner knows the
-- arrays' values, and leaves out the branches that they empty.)
--
-- Of subjects and audiences the one that is a single category comes first: its people are each once
-- already, and sorting out those found twice costs as much as finding them (measured).
create or replace function find_matches(p_tenant bigint, c course)
returns table (person_id bigint, frequency text)
language plpgsql stable security definer set search_path = handbell, pg_temp
set enable_nestloop = off as $$
declare
    v_ticks record := course_ticks(p_tenant, c.course_id);
    v_first bigint[] := coalesce(v_ticks.audiences, v_ticks.subjects);
    v_second bigint[] := case when v_ticks.audiences is not null then v_ticks.subjects end;
    v_interests bigint[] := v_ticks.interests;
    v_is_each_once boolean;
    v_booked bigint[];
    v_excludes_series boolean;
begin
    if cardinality(v_second) = 1 then
        v_first := v_ticks.subjects;
        v_second := v_ticks.audiences;
    end if;
    v_is_each_once := v_interests is null and cardinality(v_first) = 1;
    v_booked := array(
        select b.person_id from booking b where b.tenant_id = p_tenant and b.course_id = c.course_id
            and (holds_a_place(b.status) or b.status in ('attended', 'absent'))
        union
        select t.person_id from course_tutor t
            where t.tenant_id = p_tenant and t.course_id = c.course_id);
    select c.series is not null and coalesce((t.rules ->> 'once_per_series')::boolean, false)
        into v_excludes_series from tenant t where t.tenant_id = p_tenant;
    return query
    with shared as not materialized (
        select t.person_id, t.frequency from tick t
            where v_second is null and t.tenant_id = p_tenant and t.category_id = any (v_first)
              and t.is_live
        union all
        select t.person_id, t.frequency from tick t
            where t.tenant_id = p_tenant and t.category_id = any (v_first) and t.is_live
              and exists (select from tick s where s.tenant_id = p_tenant
                          and s.category_id = any (v_second) and s.is_live
                          and s.person_id = t.person_id)
        union all
        select t.person_id, t.frequency from tick t
            where t.tenant_id = p_tenant and t.category_id = any (v_interests) and t.is_live
    ), ticked as (
        select s.person_id, s.frequency from shared s where v_is_each_once
        union all
        select distinct s.person_id, s.frequency from shared s where not v_is_each_once
    ), allowed as (
        select distinct e.person_id from course_open_to o join person_establishment e
            on e.tenant_id = p_tenant and e.establishment_id = o.establishment_id
        where c.is_restricted_to_some and o.tenant_id = p_tenant and o.course_id = c.course_id
    ), told as (
        select distinct x.person_id from course s join match x
            on x.tenant_id = p_tenant and x.course_id = s.course_id
        where v_excludes_series and s.tenant_id = p_tenant and s.series = c.series
          and s.course_id <> c.course_id
    )
    -- Outer joins, not IN (...) behind an OR: that becomes a subplan which is run per row once it
    -- outgrows work_mem (measured: minutes at a million people).
    select m.person_id, m.frequency
    from ticked m
    left join allowed a on a.person_id = m.person_id
    left join told d on d.person_id = m.person_id
    where m.person_id <> all (v_booked) and d.person_id is null
      and (not c.is_restricted_to_some or a.person_id is not null);
end $$;

-- The first moment from p_at on that lies in the tenant's window for alerts and bulletins, and on no
-- holiday.
create or replace function into_send_window(p_tenant bigint, p_at timestamptz) returns timestamptz
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
declare
    t tenant;
    v_local timestamp;
    v_from time;
    v_to time;
begin
    select * into strict t from tenant where tenant_id = p_tenant;
    if t.send_window is null and t.holidays = '{}' then
        return p_at;
    end if;
    v_from := coalesce((t.send_window ->> 'from')::time, '00:00');
    v_to := coalesce((t.send_window ->> 'to')::time, '24:00');
    v_local := p_at at time zone t.time_zone;
    for v_days in 0 .. 400 loop
        if v_local::date <> all (t.holidays)
           and coalesce(t.send_window -> 'days' @> to_jsonb(extract(isodow from v_local)::integer), true)
        then
            if v_local::time < v_from then
                return (v_local::date + v_from) at time zone t.time_zone;
            elsif v_local::time < v_to then
                return case when v_days = 0 then p_at else v_local at time zone t.time_zone end;
            end if;
        end if;
        v_local := (v_local::date + 1)::timestamp;
    end loop;
    return p_at; -- no day in a year: the window says nothing that can be kept
end $$;

-- When a mail of gathered alerts goes to people who want one a day or one a week.
create or replace function next_digest(p_tenant bigint, p_frequency text) returns timestamptz
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
declare
    t tenant;
    v_day date;
    v_hour integer;
    v_due timestamptz;
begin
    select * into strict t from tenant where tenant_id = p_tenant;
    v_hour := tenant_rule(t.rules, 'digest_hour', 7);
    v_day := (now() at time zone t.time_zone)::date;
    loop
        v_due := (v_day + make_time(v_hour, 0, 0)) at time zone t.time_zone;
        exit when v_due > now() and (p_frequency = 'daily'
            or extract(isodow from v_day) = tenant_rule(t.rules, 'digest_weekday', 5));
        v_day := v_day + 1;
    end loop;
    return into_send_window(p_tenant, v_due);
end $$;

-- Stores the matches of these people, each with the alert that tells it: the one that waits for the
-- person, or a new one. The waiting one is locked here, so a worker either seals it after this match is
-- stored, or has sealed it before and a new one is made. Leaving it unlocked loses alerts (reproduced).
-- The caller holds the tenant's row, so that fan-outs of one tenant take turns: then what is new can be
-- inserted plainly, at half the cost of ON CONFLICT (measured).
create or replace function add_matches(
    p_tenant bigint, p_course bigint, p_people bigint[], p_due timestamptz[])
returns integer
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_told bigint[];
    v_fresh bigint[] := p_people;
    v_due timestamptz[] := p_due;
    v_joined integer := 0;
    v_waiting bigint[];
    v_before bigint := nextval('handbell.message_block') - 1;
    v_courses bigint[] := array[p_course];
    v_relays smallint[] := relay_wheel(p_tenant);
    k kind;
begin
    select * into strict k from kind where kind = 'course_alert';
    -- An array, not a join: PostgreSQL hashes it, whatever it believes of the table's size.
    v_told := array(select m.person_id from match m
                    where m.tenant_id = p_tenant and m.course_id = p_course);
    if v_told <> '{}' then
        select array_agg(u.person_id order by u.person_id), array_agg(u.due order by u.person_id)
            into v_fresh, v_due
            from unnest(p_people, p_due) as u (person_id, due)
            where u.person_id <> all (v_told);
    end if;
    if exists (select from message m where m.tenant_id = p_tenant and not m.is_sealed) then
        v_waiting := join_waiting(p_tenant, p_course, v_fresh, v_due);
        v_joined := cardinality(v_waiting);
    end if;
    if v_joined > 0 then
        select array_agg(u.person_id order by u.person_id), array_agg(u.due order by u.person_id)
            into v_fresh, v_due
            from unnest(v_fresh, v_due) as u (person_id, due)
            where u.person_id <> all (v_waiting);
    end if;
    -- In the order of the arrays, which is the indexes': sorting and joining them cost a quarter.
    insert into match (tenant_id, course_id, person_id, message_id)
        select p_tenant, p_course, unnest(v_fresh),
               v_before + generate_series(1, cardinality(v_fresh));
    insert into message (tenant_id, message_id, person_id, courses, due, expires_at, lane, relay,
                         is_sealed, kind)
        select p_tenant, v_before + u.n, u.person_id, v_courses, u.due, u.due + k.expires_after,
               k.lane, relay_of(v_relays, v_before + u.n), false, k.kind
        from (select unnest(v_fresh) as person_id, unnest(v_due) as due,
                     generate_series(1, cardinality(v_fresh)) as n) u;
    return v_joined + coalesce(cardinality(v_fresh), 0);
end $$;

-- Of these people, those who have an alert waiting: the match joins it, and it goes when the first of
-- the two is due. In the order in which everybody locks messages.
create or replace function join_waiting(
    p_tenant bigint, p_course bigint, p_people bigint[], p_due timestamptz[])
returns bigint[]
language plpgsql as $$
declare
    v_joined bigint[];
begin
    with waiting as (
        select m.message_id, m.person_id, u.due
        from message m join unnest(p_people, p_due) as u (person_id, due) using (person_id)
        where m.tenant_id = p_tenant and not m.is_sealed
        order by m.message_id
        for update of m
    ), told as (
        -- It may have waited for a worker until it was nearly worthless: what joins it now is not.
        update message m set due = least(m.due, w.due), courses = m.courses || p_course,
                             expires_at = greatest(m.expires_at, w.due + k.expires_after)
        from waiting w, kind k
        where m.tenant_id = p_tenant and m.message_id = w.message_id and k.kind = 'course_alert'
    ), joined as (
        insert into match (tenant_id, course_id, person_id, message_id)
        select p_tenant, p_course, w.person_id, w.message_id from waiting w
        returning person_id
    )
    select coalesce(array_agg(person_id), '{}') into v_joined from joined;
    return v_joined;
end $$;

-- One step of fanning out the tenant's oldest alert job: at most p_limit people (131,072: a block of
-- message_block) in one short transaction. True: there is more to do. What another session holds is left
-- to a later call: the chores of all tenants would wait with this one.
--
-- Planned anew each time, with its arrays' true lengths: a plan kept from when the queue was empty
-- compared each of a step's people with each match (measured: 61 s instead of 2).
create or replace function fan_out(p_tenant bigint, p_limit integer) returns boolean
language plpgsql security definer set search_path = handbell, pg_temp set lock_timeout = '1s'
set plan_cache_mode = force_custom_plan set work_mem = '64MB' as $$
declare
    j job;
    c course;
    t tenant;
    v_people bigint[];
    v_due timestamptz[];
    v_immediate timestamptz;
    v_daily timestamptz := next_digest(p_tenant, 'daily');
    v_weekly timestamptz := next_digest(p_tenant, 'weekly');
    v_last bigint;
    v_made integer;
    v_limit integer := least(p_limit, 131072);
begin
    -- Fan-outs of one tenant take turns (add_matches, and two courses of one series).
    select * into t from tenant where tenant_id = p_tenant for no key update skip locked;
    if not found then
        return false;
    end if;
    -- The course before the job: the order in which put_course takes them.
    select k.* into c from job x
        join course k on k.tenant_id = p_tenant and k.course_id = x.course_id
        where x.tenant_id = p_tenant and x.state = 'matching'
        order by x.job_id limit 1 for share of k skip locked;
    if not found then
        return false;
    end if;
    select * into j from job where tenant_id = p_tenant and course_id = c.course_id
        and kind = 'course_alert' and state = 'matching' order by job_id limit 1
        for update skip locked;
    if not found then
        return false;
    end if;
    v_immediate := into_send_window(p_tenant, now() + t.settle);
    perform keep_match(p_tenant, c.course_id, j.progress);
    if takes_alerts(c, now()) then
        select array_agg(f.person_id), max(f.person_id),
               array_agg(case f.frequency when 'daily' then v_daily when 'weekly' then v_weekly
                                          else v_immediate end)
            into v_people, v_last, v_due
            from (select x.person_id, x.frequency from find_matches(p_tenant, c) x
                  where x.person_id > j.progress order by x.person_id limit v_limit) f;
        if j.progress = 0 and is_over_brake(p_tenant, j, c, v_people, v_limit) then
            update job set state = 'held', recipients = coalesce(array_length(v_people, 1), 0)
                where tenant_id = p_tenant and job_id = j.job_id;
            return exists (select from job where tenant_id = p_tenant and state = 'matching');
        end if;
    end if;
    v_made := add_matches(p_tenant, c.course_id, v_people, v_due);
    update job
        set state = case when coalesce(array_length(v_people, 1), 0) < v_limit
                         then 'queued' else 'matching' end,
            progress = coalesce(v_last, progress),
            recipients = case when progress = 0 then 0 else recipients end + v_made
        where tenant_id = p_tenant and job_id = j.job_id;
    if v_made > 0 then
        perform wake(least(v_immediate, v_daily, v_weekly));
    end if;
    return exists (select from job where tenant_id = p_tenant and state = 'matching');
end $$;

-- Would this job, with the others of its change, mail more people than the brake allows? Somebody who
-- has an alert waiting gets no further mail by it, so is not counted.
create or replace function is_over_brake(
    p_tenant bigint, j job, c course, p_people bigint[], p_limit integer)
returns boolean
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_brake integer;
    v_others bigint;
    v_mails bigint;
begin
    select tenant_rule(rules, 'brake', 2000) into v_brake from tenant where tenant_id = p_tenant;
    select coalesce(sum(o.recipients), 0) into v_others from job o
        where o.tenant_id = p_tenant and o.created_at = j.created_at and o.job_id <> j.job_id
          and o.transaction = j.transaction and o.kind = 'course_alert';
    v_mails := coalesce(array_length(p_people, 1), 0);
    if j.is_released or v_mails < p_limit and v_others + v_mails <= v_brake then
        return false;
    end if;
    -- Near the brake it is worth looking closer: several courses may go to somebody in one mail.
    select count(*) - count(m.person_id) into v_mails from find_matches(p_tenant, c) f
        left join message m on m.tenant_id = p_tenant and m.person_id = f.person_id
            and not m.is_sealed;
    select count(distinct (x.person_id, x.message_id)) into v_others
        from job o join match x on x.tenant_id = p_tenant and x.course_id = o.course_id
            and x.matched_at >= j.created_at
        where o.tenant_id = p_tenant and o.created_at = j.created_at and o.job_id <> j.job_id
          and o.transaction = j.transaction and o.kind = 'course_alert' and o.state <> 'held'
          and not exists (select from message m where m.tenant_id = p_tenant
                          and m.message_id = x.message_id and m.created_at < j.created_at);
    return v_others + v_mails > v_brake;
end $$;
