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

create or replace function has_place(p_tenant bigint, p_course bigint, p_person bigint)
returns boolean
language sql stable as $$
    select exists (select from handbell.booking b where b.tenant_id = p_tenant
                   and b.course_id = p_course and b.person_id = p_person
                   and handbell.holds_a_place(b.status))
$$;

-- Tells the people of a course that it is off: delegates who hold or wait for a place, whoever booked
-- for them, the tutors, the provider. The caller holds the course row FOR UPDATE, so every booking is
-- either seen here, or made afterwards and then told by imply_booking.
create or replace function cancel_course(p_tenant bigint, p_course bigint) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    c course;
    v_job bigint;
    -- A portal may end the bookings first: whoever was to hear of that hears of this instead.
    v_losing bigint[] := array(
        select m.person_id from job j
        join message m on m.tenant_id = p_tenant and m.job_id = j.job_id
        where j.tenant_id = p_tenant and j.course_id = p_course
          and j.kind in ('booking_cancelled', 'booking_declined') and j.state <> 'revoked' and m.state <> 'transmitting');
begin
    perform revoke_course_mail(p_tenant, p_course, 'course_cancelled');
    update course set cancellations = cancellations + 1
        where tenant_id = p_tenant and course_id = p_course returning * into c;
    perform note_told(p_tenant, p_course, course_state(c));
    v_job := add_job(p_tenant, 'course_cancelled', p_course, null, c.cancellations);
    perform add_recipients(p_tenant, v_job, people_of_course(p_tenant, p_course, true) || v_losing,
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
    if p_old_status is null or p_changed && array['title', 'sessions', 'status'] then
        perform imply_change(p_tenant, c);
    end if;
    perform schedule_rules(p_tenant, p_course,
        p_old_status is not null and p_changed && array['sessions']);
    if not takes_alerts(c, now()) and c.status <> 'postponed' then
        perform leave_to_series(p_tenant, c);
    end if;
    if p_old_status <> 'published' and c.status = 'published' then
        perform tell_missed(p_tenant, c);
    end if;
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

-- The mail that a booking's status is told by. Null: none (waiting, attended, absent).
create or replace function booking_kind(p_status text) returns text
language sql immutable parallel safe as $$
    select case p_status
        when 'requested' then 'booking_requested'
        when 'approved' then 'booking_approved'
        when 'offered' then 'place_offered'
        when 'confirmed' then 'booking_confirmed'
        when 'declined' then 'booking_declined'
        when 'cancelled' then 'booking_cancelled'
        when 'transferred' then 'booking_cancelled' end
$$;

create or replace function imply_booking(
    p_tenant bigint, p_booking bigint, p_old_status text, p_changed text[], p_quiet boolean)
returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    b booking;
    c course;
    v_is_new boolean := p_old_status is null or p_changed && array['course', 'person'];
begin
    if not is_live(p_tenant)
       or not (v_is_new or p_changed && array['status', 'offer_expires_at']) then
        return;
    end if;
    select * into strict b from booking where tenant_id = p_tenant and booking_id = p_booking;
    select * into strict c from course where tenant_id = p_tenant and course_id = b.course_id;
    if not v_is_new and (b.status = 'offered' or p_changed && array['status']) then
        perform revoke_booking_mail(p_tenant, p_booking, 'superseded');
    end if;
    if p_quiet then
        return;
    elsif coalesce(c.ends_at, c.starts_at) < now() or c.status = 'finished' then
        perform tell_late(p_tenant, c, b.person_id, b.status); -- what goes after a course
    elsif c.status = 'cancelled' then
        if holds_a_place(b.status) and (v_is_new or not holds_a_place(p_old_status)) then
            perform tell_cancelled_late(p_tenant, c, b);
        end if;
    elsif c.status not in ('published', 'draft', 'postponed') then
        return;
    elsif b.status in ('cancelled', 'transferred') then
        if not v_is_new and holds_a_place(p_old_status) then
            perform tell_place_lost(p_tenant, b);
        end if;
    elsif v_is_new or p_old_status <> b.status or b.status = 'offered' then
        perform tell_booking(p_tenant, c, b);
    end if;
end $$;

-- A place on a course that was cancelled by then.
create or replace function tell_cancelled_late(p_tenant bigint, c course, b booking) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_job bigint;
begin
    select j.job_id into v_job from job j
        where j.tenant_id = p_tenant and j.course_id = c.course_id
          and j.kind = 'course_cancelled' and j.occasion = c.cancellations;
    if not found then -- cancelled while the tenant was loading
        v_job := add_job(p_tenant, 'course_cancelled', c.course_id, null, c.cancellations);
    end if;
    perform add_recipients(p_tenant, v_job,
        array_remove(array[b.person_id, b.booked_by], null), '{}', cancelled_expires_at(c));
end $$;

-- What the booking's status says, to the delegate; with what its rules have told others already. An
-- offer is told until it ends.
create or replace function tell_booking(p_tenant bigint, c course, b booking) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_kind text := booking_kind(b.status);
begin
    if v_kind is not null then
        perform add_recipients(p_tenant,
            add_job(p_tenant, v_kind, c.course_id, b.booking_id, 0), array[b.person_id], '{}',
            (select least(now() + k.expires_after, coalesce(c.ends_at, c.starts_at),
                          case when b.status = 'offered' then b.offer_expires_at end)
             from kind k where k.kind = v_kind));
    end if;
    perform tell_late(p_tenant, c, b.person_id, b.status);
end $$;

-- Somebody held or waited for a place on a course that is on, and does so no longer: it was given up,
-- moved to another course or handed to another person. p_lost is the booking that they had.
create or replace function tell_place_lost(p_tenant bigint, p_lost booking) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    c course;
begin
    select * into strict c from course where tenant_id = p_tenant and course_id = p_lost.course_id;
    if not is_live(p_tenant) or c.status not in ('published', 'draft', 'postponed')
       or coalesce(c.ends_at, c.starts_at) < now()
       or has_place(p_tenant, p_lost.course_id, p_lost.person_id) then
        return;
    end if;
    perform add_recipients(p_tenant,
        add_job(p_tenant, 'booking_cancelled', p_lost.course_id, p_lost.booking_id, 0),
        array[p_lost.person_id], '{}',
        (select least(now() + k.expires_after, coalesce(c.ends_at, c.starts_at))
         from kind k where k.kind = 'booking_cancelled'));
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
                where tenant_id = p_tenant and status in ('published', 'finished')
                  and ends_at > now() - interval '100 days'
                order by course_id
        loop
            perform schedule_rules(p_tenant, v_course, false);
        end loop;
    end if;
end $$;

-- Going live: every pair that matches now counts as told, so does what a course is like, and only rules
-- still to come are scheduled.
create or replace function tenant_went_live(p_tenant bigint) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    c course;
begin
    perform note_told(p_tenant, x.course_id, course_state(x)) from course x
        where x.tenant_id = p_tenant and x.status in ('published', 'postponed', 'cancelled');
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
