-- What a portal states about bookings. The course row is taken FOR SHARE before the booking: a
-- cancellation, which takes it FOR UPDATE, either sees this booking or is seen by it.

create or replace function put_booking(p_tenant text, p_ref text, p_facts jsonb) returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    return store_booking(tenant_to_change(p_tenant), p_ref, p_facts);
end $$;

create or replace function store_booking(p_tenant bigint, p_ref text, p_facts jsonb) returns text
language plpgsql as $$
declare
    v_facts jsonb := check_facts('put_booking', 'booking', p_ref, p_facts,
                                contract_of('booking'));
    v_columns jsonb := booking_columns(p_tenant, p_ref, v_facts);
    v_old booking;
    v_new booking;
    v_as_of timestamptz;
    v_changed text[];
begin
    loop
        v_old := lock_booking(p_tenant, p_ref, (v_columns ->> 'course_id')::bigint);
        exit when v_old.booking_id is not null;
        v_new.booking_id := make_booking(p_tenant, p_ref, v_facts, v_columns);
        if v_new.booking_id is not null then
            perform check_still_there(p_tenant, p_ref, v_facts, v_columns);
            perform add_audit(p_tenant, 'put_booking', p_ref, stated_keys(v_facts));
            perform imply_booking(p_tenant, v_new.booking_id, null, stated_keys(v_facts),
                                  coalesce((v_facts ->> 'quiet')::boolean, false));
            return 'created';
        end if;
    end loop;
    v_as_of := stated_as_of('put_booking', p_ref, v_facts, v_old.as_of);
    if v_as_of < v_old.as_of then
        return 'stale';
    end if;
    v_new := jsonb_populate_record(v_old, v_columns);
    v_changed := booking_keys(changed_columns(to_jsonb(v_old), to_jsonb(v_new)));
    if v_changed && array['course', 'person'] then
        perform revoke_booking_mail(p_tenant, v_old.booking_id, 'superseded');
    end if;
    if v_changed <> '{}' or v_facts ? 'as_of' then
        update booking
            set course_id = v_new.course_id, person_id = v_new.person_id, status = v_new.status,
                booked_by = v_new.booked_by, online_url = v_new.online_url,
                offer_expires_at = v_new.offer_expires_at, as_of = v_as_of
            where tenant_id = p_tenant and booking_id = v_old.booking_id;
    end if;
    if v_changed = '{}' then
        return 'unchanged';
    end if;
    perform check_still_there(p_tenant, p_ref, v_facts, v_columns);
    perform add_audit(p_tenant, 'put_booking', p_ref, v_changed);
    if v_changed && array['course', 'person'] and holds_a_place(v_old.status)
       and not coalesce((v_facts ->> 'quiet')::boolean, false) then
        perform tell_place_lost(p_tenant, v_old);
    end if;
    perform imply_booking(p_tenant, v_old.booking_id, v_old.status, v_changed,
                          coalesce((v_facts ->> 'quiet')::boolean, false));
    return 'changed';
end $$;

-- Course or person may have been removed, or merged, since their ref was looked up. Called when the booking
-- is stored: by then its foreign keys have waited for that, and keep it off from now on.
create or replace function check_still_there(
    p_tenant bigint, p_ref text, p_facts jsonb, p_columns jsonb)
returns void
language plpgsql as $$
declare
    v_key text;
begin
    if exists (select from course where tenant_id = p_tenant
               and course_id = (p_columns ->> 'course_id')::bigint and status = 'removed') then
        perform refuse_missing('put_booking', p_ref, 'course', 'course', p_facts ->> 'course');
    end if;
    select k.key into v_key
        from (values ('person', 'person_id'), ('booked_by', 'booked_by')) k (key, name)
        join person p on p.tenant_id = p_tenant and p.person_id = (p_columns ->> k.name)::bigint
        where p.status = 'removed' limit 1;
    if found then
        perform refuse_missing('put_booking', p_ref, v_key, 'person', p_facts ->> v_key);
    end if;
end $$;

-- The booking, locked after its course and the course that it is about to move to; null: there is none.
create or replace function lock_booking(p_tenant bigint, p_ref text, p_course bigint) returns booking
language plpgsql as $$
declare
    v_course bigint;
    v_booking booking;
begin
    loop
        select course_id into v_course from booking where tenant_id = p_tenant and ref = p_ref;
        if v_course <> p_course then
            perform from course
                where tenant_id = p_tenant and course_id in (v_course, p_course)
                order by ref collate "C" for share;
        else
            -- By itself: sorting makes the planner read every course of the tenant in order.
            perform from course
                where tenant_id = p_tenant and course_id = coalesce(p_course, v_course) for share;
        end if;
        select * into v_booking from booking
            where tenant_id = p_tenant and ref = p_ref for no key update;
        -- It may have been made, or moved to another course, since it was looked up.
        exit when v_booking.course_id is not distinct from v_course
               or v_booking.course_id = p_course;
    end loop;
    return v_booking;
end $$;

-- Null: another session made it meanwhile.
create or replace function make_booking(p_tenant bigint, p_ref text, p_facts jsonb, p_columns jsonb)
returns bigint
language plpgsql as $$
declare
    v_new booking := jsonb_populate_record(null::booking, contract_standard('booking') || p_columns);
    v_id bigint;
begin
    if v_new.course_id is null or v_new.person_id is null then
        perform refuse('HB001', 'put_booking', p_ref,
            case when v_new.course_id is null then 'course' else 'person' end,
            'must be given at first sight');
    end if;
    insert into booking (tenant_id, ref, course_id, person_id, status, booked_by, online_url,
                         offer_expires_at, as_of)
        values (p_tenant, p_ref, v_new.course_id, v_new.person_id, v_new.status, v_new.booked_by,
                v_new.online_url, v_new.offer_expires_at,
                stated_as_of('put_booking', p_ref, p_facts))
        on conflict (tenant_id, ref) do nothing
        returning booking_id into v_id;
    return v_id;
end $$;

-- The facts by the names of the columns.
create or replace function booking_columns(p_tenant bigint, p_ref text, p_facts jsonb) returns jsonb
language plpgsql as $$
declare
    v_columns jsonb := p_facts - array['course', 'person', 'booked_by', 'as_of', 'quiet'];
    v_course bigint;
begin
    if p_facts ? 'course' then
        select course_id into v_course from course
            where tenant_id = p_tenant and ref = p_facts ->> 'course';
        if not found then
            perform refuse('HB002', 'put_booking', p_ref, 'course',
                           'no course has the ref "' || (p_facts ->> 'course') || '"');
        end if;
        v_columns := v_columns || jsonb_build_object('course_id', v_course);
    end if;
    if p_facts ? 'person' then
        v_columns := v_columns || jsonb_build_object('person_id', (person_ids(
            p_tenant, 'put_booking', p_ref, 'person', jsonb_build_array(p_facts -> 'person')))[1]);
    end if;
    if p_facts -> 'booked_by' = 'null' then
        v_columns := v_columns || '{"booked_by": null}';
    elsif p_facts ? 'booked_by' then
        v_columns := v_columns || jsonb_build_object('booked_by', (person_ids(
            p_tenant, 'put_booking', p_ref, 'booked_by',
            jsonb_build_array(p_facts -> 'booked_by')))[1]);
    end if;
    return v_columns;
end $$;

create or replace function booking_keys(p_columns text[]) returns text[]
language sql immutable parallel safe as $$
    select array_replace(array_replace(p_columns, 'course_id', 'course'), 'person_id', 'person')
$$;
