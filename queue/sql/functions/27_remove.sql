-- Facts that end: the row stays for what refers to it, without any detail.

create or replace function remove(p_tenant text, p_kind text, p_ref text) returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint := tenant_to_change(p_tenant);
    v_is_done boolean;
begin
    perform check_kind('remove', p_kind);
    perform check_ref('remove', p_ref);
    v_is_done := case p_kind
        when 'person' then remove_person(v_tenant, p_ref)
        when 'booking' then remove_booking(v_tenant, p_ref)
        when 'course' then remove_course(v_tenant, p_ref)
        when 'establishment' then remove_establishment(v_tenant, p_ref)
        when 'category' then remove_category(v_tenant, p_ref) end;
    if not v_is_done then
        perform refuse('HB002', 'remove', p_ref, null, 'no ' || p_kind || ' has this ref');
    end if;
    perform add_audit(v_tenant, 'remove_' || p_kind, p_ref, '{}');
    return 'removed';
end $$;

create or replace function check_kind(p_function text, p_kind text) returns void
language plpgsql immutable as $$
begin
    if p_kind is null
       or p_kind not in ('establishment', 'category', 'person', 'course', 'booking') then
        perform refuse('HB001', p_function, null, 'kind',
                       'must be establishment, category, person, course or booking');
    end if;
end $$;

-- A removed person keeps the ref: stated again, it is the same person, to whom an opt-out, a
-- restriction and what was told already still apply.
create or replace function remove_person(p_tenant bigint, p_ref text) returns boolean
language plpgsql as $$
declare
    v_person bigint;
begin
    -- FOR UPDATE waits for whoever gives this person a place now; who comes later finds them removed.
    select person_id into v_person from person
        where tenant_id = p_tenant and ref = p_ref and status <> 'removed' for update;
    if not found then
        return false;
    end if;
    perform clear_person(p_tenant, v_person, p_ref);
    perform revoke_person_mail(p_tenant, v_person, 'removed');
    return true;
end $$;

-- p_ref: what is left to know the person by; null: nothing.
create or replace function clear_person(p_tenant bigint, p_person bigint, p_ref text) returns void
language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    delete from tick where tenant_id = p_tenant and person_id = p_person;
    delete from person_establishment where tenant_id = p_tenant and person_id = p_person;
    update person set
        ref = p_ref, email = null, title = null, first_name = null, last_name = null,
        display_name = null, language = null, status = 'removed', consent = false,
        consented_at = null, consent_evidence = null, alerts = false, frequency = 'immediate',
        as_of = v_now
        where tenant_id = p_tenant and person_id = p_person;
end $$;

create or replace function remove_booking(p_tenant bigint, p_ref text) returns boolean
language plpgsql as $$
declare
    v_booking booking := lock_booking(p_tenant, p_ref, null);
    v_now timestamptz := clock_timestamp();
begin
    if v_booking.booking_id is null then
        return false;
    end if;
    update booking set ref = null, status = 'removed', online_url = null, offer_expires_at = null,
        as_of = v_now
        where tenant_id = p_tenant and booking_id = v_booking.booking_id;
    perform revoke_booking_mail(p_tenant, v_booking.booking_id, 'removed');
    return true;
end $$;

-- Not while people count on it: they would never be told.
create or replace function remove_course(p_tenant bigint, p_ref text) returns boolean
language plpgsql as $$
declare
    c course;
    v_now timestamptz := clock_timestamp();
begin
    select * into c from course where tenant_id = p_tenant and ref = p_ref for update;
    if not found then
        return false;
    end if;
    if c.status in ('draft', 'published', 'postponed') and coalesce(c.ends_at, c.starts_at, 'infinity') > v_now
       and exists (select from booking b where b.tenant_id = p_tenant and b.course_id = c.course_id
                   and holds_a_place(b.status)) then
        perform refuse('HB001', 'remove', p_ref, null,
                       'delegates hold places on this course: cancel it first, so that they are told');
    elsif exists (select from message m join job j on j.tenant_id = p_tenant and j.job_id = m.job_id
                  where m.tenant_id = p_tenant and j.course_id = c.course_id
                    and j.kind = 'course_cancelled') then
        perform refuse('HB001', 'remove', p_ref, null,
                       'its cancellation is still being told: remove it later');
    end if;
    perform revoke_course_mail(p_tenant, c.course_id, 'removed');
    delete from course_session where tenant_id = p_tenant and course_id = c.course_id;
    delete from course_session_gone where tenant_id = p_tenant and course_id = c.course_id;
    delete from course_rule where tenant_id = p_tenant and course_id = c.course_id;
    delete from course_told where tenant_id = p_tenant and course_id = c.course_id;
    c := jsonb_populate_record(null::course, jsonb_build_object(
        'tenant_id', p_tenant, 'course_id', c.course_id, 'is_full', false, 'is_private', true,
        'resources', '[]'::jsonb, 'rules', '{}'::jsonb, 'status', 'removed', 'as_of', v_now,
        'sequence', c.sequence + 1, 'last_session_key', c.last_session_key,
        'is_restricted_to_some', c.is_restricted_to_some));
    perform write_course(c);
    update course set ref = null where tenant_id = p_tenant and course_id = c.course_id;
    return true;
end $$;

create or replace function remove_establishment(p_tenant bigint, p_ref text) returns boolean
language plpgsql as $$
declare
    v_id bigint;
    v_now timestamptz := clock_timestamp();
begin
    update establishment
        set ref = null, name = null, urgent_email = null, status = 'removed', as_of = v_now
        where tenant_id = p_tenant and ref = p_ref returning establishment_id into v_id;
    if v_id is null then
        return false;
    end if;
    -- What was open to it alone stays closed to everybody else: course_open_to is kept.
    delete from person_establishment where tenant_id = p_tenant and establishment_id = v_id;
    return true;
end $$;

create or replace function remove_category(p_tenant bigint, p_ref text) returns boolean
language plpgsql as $$
declare
    v_id bigint;
    v_now timestamptz := clock_timestamp();
begin
    update category set ref = null, name = null, status = 'removed', as_of = v_now
        where tenant_id = p_tenant and ref = p_ref returning category_id into v_id;
    if v_id is null then
        return false;
    end if;
    -- Courses keep it: a course without its only subject would match everybody of its audience.
    delete from tick where tenant_id = p_tenant and category_id = v_id;
    return true;
end $$;

-- One ref for another; the row is the same.
create or replace function rename_ref(p_tenant text, p_kind text, p_old text, p_new text)
returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint := tenant_to_change(p_tenant);
    v_is_done boolean;
begin
    perform check_kind('rename_ref', p_kind);
    perform check_ref('rename_ref', p_old);
    perform check_ref('rename_ref', p_new);
    if p_old = p_new then
        return 'unchanged';
    end if;
    v_is_done := store_ref(v_tenant, p_kind, p_old, p_new);
    if not v_is_done then
        perform refuse('HB002', 'rename_ref', p_old, null, 'no ' || p_kind || ' has this ref');
    end if;
    perform keep_name(v_tenant, p_kind, p_old, p_new, false);
    perform add_audit(v_tenant, 'rename_' || p_kind, p_new, '{}');
    return 'changed';
exception when unique_violation then
    perform refuse('HB001', 'rename_ref', p_old, null, 'another ' || p_kind || ' has the new ref');
end $$;

create or replace function store_ref(p_tenant bigint, p_kind text, p_old text, p_new text)
returns boolean
language plpgsql as $$
begin
    case p_kind
        when 'person' then
            update person set ref = p_new
                where tenant_id = p_tenant and ref = p_old and status <> 'removed';
        when 'booking' then
            update booking set ref = p_new where tenant_id = p_tenant and ref = p_old;
        when 'course' then
            update course set ref = p_new where tenant_id = p_tenant and ref = p_old;
        when 'establishment' then
            update establishment set ref = p_new where tenant_id = p_tenant and ref = p_old;
        when 'category' then
            update category set ref = p_new where tenant_id = p_tenant and ref = p_old;
    end case;
    return found;
end $$;
