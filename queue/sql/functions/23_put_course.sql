-- What a portal states about courses. The course row is locked FOR UPDATE before anything else of the
-- course, bookings and mail included: put_booking and matching hold it FOR SHARE.

create or replace function put_course(p_tenant text, p_ref text, p_facts jsonb) returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    return store_course(tenant_to_change(p_tenant), p_ref, p_facts);
end $$;

create or replace function store_course(p_tenant bigint, p_ref text, p_facts jsonb) returns text
language plpgsql as $$
declare
    v_facts jsonb := check_facts('put_course', 'course', p_ref, p_facts,
                                contract_of('course'));
    v_is_new boolean := make_course(p_tenant, p_ref);
    v_old course;
    v_new course;
    v_as_of timestamptz;
    v_changed text[];
begin
    select * into v_old from course where tenant_id = p_tenant and ref = p_ref for update;
    if not found then -- removed or renamed between the two statements: it is new after all
        return store_course(p_tenant, p_ref, p_facts);
    end if;
    v_as_of := stated_as_of('put_course', p_ref, v_facts, v_old.as_of);
    if v_as_of < v_old.as_of then
        return 'stale';
    end if;
    v_new := jsonb_populate_record(v_old, course_columns(p_tenant, p_ref, v_facts));
    perform check_course(p_ref, v_new);
    v_changed := store_course_lists(v_new, v_facts);
    if store_sessions(v_new, v_facts) then
        v_changed := v_changed || 'sessions'::text;
        select min(starts_at), max(coalesce(ends_at, starts_at)), greatest(max(key), v_new.last_session_key)
            into v_new.starts_at, v_new.ends_at, v_new.last_session_key
            from course_session where tenant_id = p_tenant and course_id = v_old.course_id;
    end if;
    v_changed := v_changed || course_keys(changed_columns(to_jsonb(v_old), to_jsonb(v_new)));
    if v_changed && array['title', 'sessions', 'status'] and not v_is_new then
        v_new.sequence := v_new.sequence + 1;
    end if;
    if v_changed <> '{}' or v_is_new or v_facts ? 'as_of' then
        v_new.as_of := v_as_of;
        perform write_course(v_new);
    end if;
    if v_is_new then
        v_changed := stated_keys(v_facts);
    elsif v_changed = '{}' then
        return 'unchanged';
    end if;
    perform add_audit(p_tenant, 'put_course', p_ref, v_changed);
    perform imply_course(p_tenant, v_new.course_id,
                         case when not v_is_new then v_old.status end, v_changed);
    return case when v_is_new then 'created' else 'changed' end;
end $$;

-- True: this call made it.
create or replace function make_course(p_tenant bigint, p_ref text) returns boolean
language plpgsql as $$
begin
    if exists (select from course where tenant_id = p_tenant and ref = p_ref) then
        return false;
    end if;
    insert into course (tenant_id, ref, as_of) values (p_tenant, p_ref, '-infinity')
        on conflict (tenant_id, ref) do nothing;
    return found;
end $$;

-- The facts by the names of the columns, without what lives in tables of its own.
create or replace function course_columns(p_tenant bigint, p_ref text, p_facts jsonb) returns jsonb
language plpgsql as $$
declare
    v_columns jsonb := p_facts - array['starts_at', 'ends_at', 'full', 'private', 'provider', 'as_of'];
begin
    if p_facts ? 'full' then
        v_columns := v_columns || jsonb_build_object('is_full', p_facts -> 'full');
    end if;
    if p_facts ? 'private' then
        v_columns := v_columns || jsonb_build_object('is_private', p_facts -> 'private');
    end if;
    if p_facts ? 'open_to' then
        v_columns := v_columns
            || jsonb_build_object('is_restricted_to_some', p_facts -> 'open_to' <> '[]');
    end if;
    if p_facts -> 'provider' = 'null' then
        v_columns := v_columns || '{"provider_id": null}';
    elsif p_facts ? 'provider' then
        v_columns := v_columns || jsonb_build_object('provider_id', (establishment_ids(
            p_tenant, 'put_course', p_ref, 'provider', jsonb_build_array(p_facts -> 'provider')))[1]);
    end if;
    return v_columns;
end $$;

-- Columns by the names of the contract's keys.
create or replace function course_keys(p_columns text[]) returns text[]
language sql immutable parallel safe as $$
    select array(
        select case c when 'is_full' then 'full' when 'is_private' then 'private'
                      when 'provider_id' then 'provider' else c end
        from unnest(p_columns) c
        where c not in ('starts_at', 'ends_at', 'last_session_key', 'is_restricted_to_some'))
$$;

create or replace function check_course(p_ref text, c course) returns void
language plpgsql immutable as $$
begin
    if c.status = 'published' and coalesce(c.title, '') = '' then
        perform refuse('HB001', 'put_course', p_ref, 'title', 'a published course has a title');
    end if;
end $$;

create or replace function write_course(c course) returns void
language sql as $$
    update course set
        title = c.title, summary = c.summary, series = c.series, booking_url = c.booking_url,
        booking_closes_at = c.booking_closes_at, is_full = c.is_full, is_private = c.is_private,
        contact = c.contact, arrival_notes = c.arrival_notes, bring = c.bring,
        access_contact = c.access_contact, cost = c.cost,
        cancellation_terms = c.cancellation_terms, cancel_by = c.cancel_by,
        joining_instructions = c.joining_instructions, resources = c.resources,
        provider_id = c.provider_id, status = c.status, cancel_reason = c.cancel_reason,
        rules = c.rules, starts_at = c.starts_at, ends_at = c.ends_at, sequence = c.sequence,
        last_session_key = c.last_session_key,
        is_restricted_to_some = c.is_restricted_to_some, as_of = c.as_of
        where tenant_id = c.tenant_id and course_id = c.course_id;
    insert into series (tenant_id, series)
        select c.tenant_id, c.series where c.series is not null
        on conflict do nothing
$$;

-- The lists that were stated replace the whole list. Returns the keys that differed.
create or replace function store_course_lists(c course, p_facts jsonb) returns text[]
language plpgsql as $$
declare
    v_changed text[] := '{}';
begin
    if p_facts ? 'categories' and store_course_categories(c, category_ids(
            c.tenant_id, 'put_course', c.ref, 'categories', p_facts -> 'categories')) then
        v_changed := v_changed || 'categories'::text;
    end if;
    if p_facts ? 'tutors' and store_course_tutors(c, person_ids(
            c.tenant_id, 'put_course', c.ref, 'tutors', p_facts -> 'tutors')) then
        v_changed := v_changed || 'tutors'::text;
    end if;
    if p_facts ? 'open_to' and store_course_open_to(c, establishment_ids(
            c.tenant_id, 'put_course', c.ref, 'open_to', p_facts -> 'open_to')) then
        v_changed := v_changed || 'open_to'::text;
    end if;
    return v_changed;
end $$;

create or replace function store_course_categories(c course, p_ids bigint[]) returns boolean
language plpgsql as $$
declare
    v_had bigint[] := array(select category_id from course_category
        where tenant_id = c.tenant_id and course_id = c.course_id order by category_id);
    v_now timestamptz := clock_timestamp();
begin
    delete from course_category
        where tenant_id = c.tenant_id and course_id = c.course_id and category_id <> all (p_ids);
    if found then
        update course set unticked_at = v_now
            where tenant_id = c.tenant_id and course_id = c.course_id;
    end if;
    insert into course_category (tenant_id, course_id, category_id)
        select c.tenant_id, c.course_id, i from unnest(p_ids) i where i <> all (v_had);
    return v_had <> p_ids;
end $$;

create or replace function store_course_tutors(c course, p_ids bigint[]) returns boolean
language plpgsql as $$
declare
    v_had bigint[] := array(select person_id from course_tutor
        where tenant_id = c.tenant_id and course_id = c.course_id order by person_id);
begin
    delete from course_tutor
        where tenant_id = c.tenant_id and course_id = c.course_id and person_id <> all (p_ids);
    insert into course_tutor (tenant_id, course_id, person_id)
        select c.tenant_id, c.course_id, i from unnest(p_ids) i where i <> all (v_had);
    -- As in put_booking: somebody may have been removed or merged since their ref was looked up.
    if exists (select from person p where p.tenant_id = c.tenant_id and p.person_id = any (p_ids)
               and p.person_id <> all (v_had) and p.status = 'removed') then
        perform refuse('HB002', 'put_course', c.ref, 'tutors', 'one of them was removed just now');
    end if;
    return v_had <> p_ids;
end $$;

create or replace function store_course_open_to(c course, p_ids bigint[]) returns boolean
language plpgsql as $$
declare
    v_had bigint[] := array(select establishment_id from course_open_to
        where tenant_id = c.tenant_id and course_id = c.course_id order by establishment_id);
begin
    delete from course_open_to
        where tenant_id = c.tenant_id and course_id = c.course_id and establishment_id <> all (p_ids);
    insert into course_open_to (tenant_id, course_id, establishment_id)
        select c.tenant_id, c.course_id, i from unnest(p_ids) i where i <> all (v_had);
    return v_had <> p_ids;
end $$;
