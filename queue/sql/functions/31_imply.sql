-- What facts imply: called by put_* after a fact was stored and did change something. Nothing is
-- implied while a tenant is loading.

create or replace function is_live(p_tenant bigint) returns boolean
language sql stable security definer set search_path = handbell, pg_temp as $$
    select t.is_live from handbell.tenant t where t.tenant_id = p_tenant
$$;

-- May this course be told to people who could book it? Looked at when it is published and again when
-- an alert is about to leave.
create or replace function takes_alerts(c course, p_at timestamptz) returns boolean
language sql immutable as $$
    select c.status = 'published' and not c.is_private and not c.is_full
       and (c.booking_closes_at is null or c.booking_closes_at > p_at)
       and (c.starts_at is null or c.starts_at > p_at)
$$;

create or replace function holds_a_place(p_status text) returns boolean
language sql immutable as $$
    select p_status in ('requested', 'approved', 'waiting', 'offered', 'confirmed')
$$;

-- When joining instructions are due: so many days before the first session, at its local time of day.
-- Null: no rule, or no date.
create or replace function joining_due(p_tenant bigint, c course) returns timestamptz
language sql stable security definer set search_path = handbell, pg_temp as $$
    select ((c.starts_at at time zone t.time_zone) - make_interval(days => days)) at time zone t.time_zone
    from handbell.tenant t,
         lateral (select case when c.rules ? 'joining_instructions_days'
                      then (c.rules ->> 'joining_instructions_days')::integer
                      else handbell.tenant_rule(t.rules, 'joining_instructions_days', 7) end) r (days)
    where t.tenant_id = p_tenant and c.starts_at is not null and days is not null
$$;

-- Brings a course's rules in line with its dates. A rule that is past when it is first known does not
-- fire (job_id 0), yet late bookers get its mail; one whose course moves fires again for the new date,
-- and what still waits for the old one is overtaken. A course may move while it is not published: then
-- the rule is owed, due at no time, until the course is on again.
create or replace function schedule_rules(p_tenant bigint, p_course bigint, p_has_moved boolean)
returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    c course;
    v_due timestamptz;
    v_moved bigint; -- the job of the date before
begin
    select * into strict c from course where tenant_id = p_tenant and course_id = p_course;
    v_due := joining_due(p_tenant, c);
    if p_has_moved then
        update course_rule set job_id = null, occasion = occasion + 1, due = 'infinity'
            where tenant_id = p_tenant and course_id = p_course and kind = 'joining_instructions'
              and job_id is not null and due is distinct from v_due;
        if found then
            perform revoke_job_as(p_tenant, job_id, 'superseded') from job
                where tenant_id = p_tenant and course_id = p_course
                  and kind = 'joining_instructions' and state <> 'revoked';
        end if;
    end if;
    if v_due is null or c.status <> 'published' or c.starts_at <= now() then
        delete from course_rule where tenant_id = p_tenant and course_id = p_course
            and job_id is null and due < 'infinity';
        return;
    end if;
    insert into course_rule (tenant_id, course_id, kind, due, job_id)
        values (p_tenant, p_course, 'joining_instructions', v_due,
                case when v_due <= now() then 0 end)
        on conflict (tenant_id, course_id, kind) do nothing;
    update course_rule set due = v_due
        where tenant_id = p_tenant and course_id = p_course and kind = 'joining_instructions'
          and due <> v_due and job_id is null;
    perform wake(v_due);
end $$;

-- Tells the people of a course that it is off: delegates who hold or wait for a place, whoever booked
-- for them, the tutors, the provider. The caller holds the course row FOR UPDATE, so every booking is
-- either seen here, or made afterwards and then told by imply_booking.
create or replace function cancel_course(p_tenant bigint, p_course bigint) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    c course;
    v_job bigint;
begin
    perform revoke_course_mail(p_tenant, p_course, 'course_cancelled');
    update course set cancellations = cancellations + 1
        where tenant_id = p_tenant and course_id = p_course returning * into c;
    v_job := add_job(p_tenant, 'course_cancelled', p_course, null, c.cancellations);
    perform add_recipients(p_tenant, v_job,
        array(select b.person_id from booking b
                where b.tenant_id = p_tenant and b.course_id = p_course and holds_a_place(b.status)
              union
              select b.booked_by from booking b
                where b.tenant_id = p_tenant and b.course_id = p_course and holds_a_place(b.status)
                  and b.booked_by is not null
              union
              select t.person_id from course_tutor t
                where t.tenant_id = p_tenant and t.course_id = p_course),
        array(select c.provider_id where c.provider_id is not null),
        cancelled_expires_at(c));
end $$;

create or replace function cancelled_expires_at(c course) returns timestamptz
language sql stable as $$
    select greatest(coalesce(c.ends_at, c.starts_at), now() + interval '1 day')
$$;

create or replace function imply_course(
    p_tenant bigint, p_course bigint, p_old_status text, p_changed text[])
returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    c course;
begin
    if not is_live(p_tenant) then
        return;
    end if;
    select * into strict c from course where tenant_id = p_tenant and course_id = p_course;
    if c.status = 'cancelled' then
        if p_old_status is distinct from 'cancelled' then
            perform cancel_course(p_tenant, p_course);
        end if;
        return;
    end if;
    perform schedule_rules(p_tenant, p_course,
        p_old_status is not null and p_changed && array['sessions']);
    if takes_alerts(c, now())
       and (p_old_status is distinct from c.status
            or p_changed && array['categories', 'open_to', 'private', 'full', 'booking_closes_at',
                                  'sessions', 'series'])
       and exists (select from course_category k
                   where k.tenant_id = p_tenant and k.course_id = p_course)
       and not exists (select from job j where j.tenant_id = p_tenant and j.course_id = p_course
                       and j.kind = 'course_alert'
                       and (j.state = 'held' or j.state = 'matching' and j.progress = 0)) then
        perform add_job(p_tenant, 'course_alert', p_course, null, 0);
    end if;
end $$;

-- Joining instructions for one delegate whose place was confirmed after the rule had fired.
create or replace function join_late(p_tenant bigint, c course, p_person bigint) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_rule course_rule;
begin
    select * into v_rule from course_rule
        where tenant_id = p_tenant and course_id = c.course_id and kind = 'joining_instructions'
          and job_id is not null
        for update;
    if not found or c.starts_at <= now() then
        return;
    end if;
    if v_rule.job_id = 0 then
        v_rule.job_id := add_job(p_tenant, 'joining_instructions', c.course_id, null, v_rule.occasion);
        update course_rule set job_id = v_rule.job_id
            where tenant_id = p_tenant and course_id = c.course_id and kind = 'joining_instructions';
    end if;
    -- What was taken back with a place given up meanwhile was not told.
    delete from job_recipient r
        where r.tenant_id = p_tenant and r.job_id = v_rule.job_id and r.person_id = p_person
          and exists (select from message_record m where m.tenant_id = p_tenant
                      and m.message_id = r.message_id and m.state = 'skipped'
                      and m.reason in ('superseded', 'removed'));
    perform add_recipients(p_tenant, v_rule.job_id, array[p_person], '{}',
                           coalesce(c.ends_at, c.starts_at));
end $$;

create or replace function imply_booking(
    p_tenant bigint, p_booking bigint, p_old_status text, p_changed text[], p_quiet boolean)
returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    b booking;
    c course;
    v_is_new boolean;
    v_job bigint;
begin
    if not is_live(p_tenant) then
        return;
    end if;
    select * into strict b from booking where tenant_id = p_tenant and booking_id = p_booking;
    select * into strict c from course where tenant_id = p_tenant and course_id = b.course_id;
    v_is_new := p_old_status is null or p_changed && array['course', 'person'];
    if p_old_status = 'confirmed' and b.status <> 'confirmed' then
        perform revoke_booking_mail(p_tenant, p_booking, 'superseded');
    end if;
    if p_quiet or coalesce(c.ends_at, c.starts_at) < now() then
        return;
    end if;
    if c.status = 'cancelled' and holds_a_place(b.status)
       and (v_is_new or not holds_a_place(p_old_status)) then
        select j.job_id into v_job from job j
            where j.tenant_id = p_tenant and j.course_id = c.course_id
              and j.kind = 'course_cancelled' and j.occasion = c.cancellations;
        if not found then -- cancelled while the tenant was loading
            v_job := add_job(p_tenant, 'course_cancelled', c.course_id, null, c.cancellations);
        end if;
        perform add_recipients(p_tenant, v_job,
            array_remove(array[b.person_id, b.booked_by], null), '{}', cancelled_expires_at(c));
    elsif b.status = 'confirmed' and (v_is_new or p_old_status <> 'confirmed')
          and c.status in ('published', 'draft', 'postponed') then
        v_job := add_job(p_tenant, 'booking_confirmed', c.course_id, p_booking, 0);
        perform add_recipients(p_tenant, v_job, array[b.person_id], '{}',
            least(now() + interval '7 days', coalesce(c.ends_at, c.starts_at, 'infinity')));
        perform join_late(p_tenant, c, b.person_id);
    end if;
end $$;

-- A tenant's own facts changed: what was derived from them is derived again.
create or replace function imply_tenant(p_tenant bigint, p_changed text[]) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_course bigint;
begin
    if p_changed && array['basis'] then
        perform refresh_tenant_ticks(p_tenant);
    end if;
    if p_changed && array['rules', 'time_zone'] and is_live(p_tenant) then
        for v_course in
            select course_id from course
                where tenant_id = p_tenant and status = 'published' and starts_at > now()
                order by course_id
        loop
            perform schedule_rules(p_tenant, v_course, false);
        end loop;
    end if;
end $$;

-- Going live: every pair that matches now counts as told, and only rules still to come are scheduled.
create or replace function tenant_went_live(p_tenant bigint) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    c course;
begin
    for c in
        select * from course where tenant_id = p_tenant and status = 'published' order by course_id
    loop
        insert into match (tenant_id, course_id, person_id, message_id)
            select p_tenant, c.course_id, person_id, 0 from find_matches(p_tenant, c)
            order by person_id
            on conflict do nothing;
        perform schedule_rules(p_tenant, c.course_id, false);
    end loop;
end $$;

-- Fires one rule that is due: one job, to the delegates confirmed by then. Returns how many fired: 0
-- means that there is no more, but for courses that are being changed now. One a transaction, for the
-- brake counts what a transaction would mail. The course is locked against put_booking: a place is
-- either seen here, or confirmed when the rule has fired, and told by join_late.
create or replace function fire_rules(p_tenant bigint) returns integer
language plpgsql security definer set search_path = handbell, pg_temp set lock_timeout = '1s' as $$
declare
    c course;
    r course_rule;
    v_job bigint := 0;
begin
    -- The tenant before its rules: the order in which put_tenant takes them.
    perform from tenant where tenant_id = p_tenant for key share;
    select k.* into c from course_rule x
        join course k on k.tenant_id = p_tenant and k.course_id = x.course_id
        where x.tenant_id = p_tenant and x.job_id is null and x.due <= now()
        order by x.due limit 1 for no key update of k skip locked;
    if not found then
        return 0;
    end if;
    select * into r from course_rule where tenant_id = p_tenant and course_id = c.course_id
        and job_id is null and due <= now() limit 1 for update;
    if not found then
        return 0;
    end if;
    if c.status = 'published' and c.starts_at > now() then
        v_job := add_job(p_tenant, r.kind, c.course_id, null, r.occasion);
        perform add_recipients(p_tenant, v_job,
            array(select b.person_id from booking b where b.tenant_id = p_tenant
                  and b.course_id = c.course_id and b.status = 'confirmed'),
            '{}', coalesce(c.ends_at, c.starts_at));
    end if;
    update course_rule set job_id = v_job
        where tenant_id = p_tenant and course_id = r.course_id and kind = r.kind;
    return 1;
end $$;
