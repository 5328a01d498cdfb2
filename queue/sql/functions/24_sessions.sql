-- A course's sessions: stated as a list, or, for a course with a single one, by the session's keys on
-- the course itself. Stored in the order of their start.

-- True: they differ from what was there. The caller holds the course row.
create or replace function store_sessions(c course, p_facts jsonb) returns boolean
language plpgsql as $$
declare
    v_had jsonb := stored_sessions(c);
    v_sessions jsonb := stated_sessions(c, v_had, p_facts);
begin
    if v_sessions is null or v_sessions = v_had then
        return false;
    end if;
    delete from course_session where tenant_id = c.tenant_id and course_id = c.course_id;
    insert into course_session (tenant_id, course_id, position, ref, starts_at, ends_at, venue,
                                venue_address, online_url)
        select c.tenant_id, c.course_id, position, ref, starts_at, ends_at, venue, venue_address,
               online_url
        from jsonb_populate_recordset(null::course_session, v_sessions);
    return true;
end $$;

create or replace function stored_sessions(c course) returns jsonb
language sql stable as $$
    select coalesce(jsonb_agg(to_jsonb(s) - 'tenant_id' - 'course_id' order by s.position), '[]')
        from course_session s where s.tenant_id = c.tenant_id and s.course_id = c.course_id
$$;

-- The sessions as the facts would have them, in the shape of stored_sessions; null: no word of them.
create or replace function stated_sessions(c course, p_had jsonb, p_facts jsonb) returns jsonb
language plpgsql as $$
declare
    v_keys text[] := array(select k
        from unnest(array['starts_at', 'ends_at', 'venue', 'venue_address', 'online_url']) k
        where p_facts ? k order by k);
    v_single jsonb;
begin
    if v_keys = '{}' then
        return check_sessions(c.ref, 'sessions', p_facts -> 'sessions');
    elsif p_facts ? 'sessions' then
        perform refuse('HB001', 'put_course', c.ref, v_keys[1],
                       'belongs to a single session: state sessions or this, not both');
    elsif jsonb_array_length(p_had) > 1 then
        perform refuse('HB001', 'put_course', c.ref, v_keys[1],
                       'the course has several sessions: state all of them as sessions');
    end if;
    select coalesce(p_had -> 0, '{}') || jsonb_object_agg(k, p_facts -> k) into v_single
        from unnest(v_keys) k;
    if coalesce(v_single -> 'starts_at', 'null') <> 'null' then
        return check_sessions(c.ref, null, jsonb_build_array(v_single));
    end if;
    -- Without a start there is no session, so nothing may be said about one.
    if exists (select from unnest(v_keys) k where p_facts -> k <> 'null') then
        perform refuse('HB001', 'put_course', c.ref, 'starts_at', 'must be given: the facts hold '
            || 'other keys of a session');
    end if;
    return '[]';
end $$;

-- Sorted, numbered, and none ending before its start. p_key is null for a single session.
create or replace function check_sessions(p_ref text, p_key text, p_sessions jsonb) returns jsonb
language plpgsql as $$
declare
    v_bad bigint;
    v_sorted jsonb;
begin
    if p_sessions is null then
        return null;
    end if;
    select ordinality into v_bad
        from jsonb_array_elements(p_sessions) with ordinality
        where (value ->> 'ends_at')::timestamptz < (value ->> 'starts_at')::timestamptz limit 1;
    if found then
        perform refuse('HB001', 'put_course', p_ref,
            coalesce(p_key || '[' || v_bad || '].', '') || 'ends_at', 'lies before starts_at');
    end if;
    select coalesce(jsonb_agg(to_jsonb(s) - 'tenant_id' - 'course_id' order by s.position), '[]')
        into v_sorted
        from (
            select r.tenant_id, r.course_id,
                   row_number() over (order by r.starts_at, r.ends_at, r.ref, o.ordinality)::smallint
                       as position,
                   r.ref, r.starts_at, r.ends_at, r.venue, r.venue_address, r.online_url
            from jsonb_array_elements(p_sessions) with ordinality o,
                 jsonb_populate_record(null::course_session, o.value) r) s;
    return v_sorted;
end $$;
