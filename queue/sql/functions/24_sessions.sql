-- A course's sessions: stated as a list, or, for a course with a single one, by the session's keys on
-- the course itself. Stored in the order of their start.

-- True: they differ from what was there. The caller holds the course row, and stores it afterwards.
create or replace function store_sessions(c course, p_facts jsonb) returns boolean
language plpgsql as $$
declare
    v_had jsonb := stored_sessions(c);
    v_sessions jsonb := stated_sessions(c, v_had, p_facts);
begin
    if v_sessions is null or v_sessions = v_had then
        return false;
    end if;
    perform write_sessions(c, keyed_sessions(c, v_sessions));
    return true;
end $$;

create or replace function stored_sessions(c course) returns jsonb
language sql stable as $$
    select coalesce(jsonb_agg(to_jsonb(s) - 'tenant_id' - 'course_id' - 'key' order by s.position), '[]')
        from course_session s where s.tenant_id = c.tenant_id and s.course_id = c.course_id
$$;

-- A session is the same one as before when its ref is; without a ref on either side, when its start is;
-- else they pair off in their order. One that had gone and comes back is itself again: its entry in a
-- calendar is revived. No key is ever given to another session.
create or replace function keyed_sessions(c course, p_sessions jsonb) returns jsonb
language plpgsql as $$
declare
    v_living jsonb;
    v_gone jsonb;
    v_keys jsonb;
begin
    select coalesce(jsonb_agg(to_jsonb(s)), '[]') into v_living from course_session s
        where s.tenant_id = c.tenant_id and s.course_id = c.course_id;
    select coalesce(jsonb_agg(to_jsonb(s) || jsonb_build_object('position', s.key)), '[]') into v_gone
        from course_session_gone s where s.tenant_id = c.tenant_id and s.course_id = c.course_id;
    v_keys := pair_sessions(v_living, p_sessions, '{}', 'ref');
    v_keys := pair_sessions(v_gone, p_sessions, v_keys, 'ref');
    v_keys := pair_sessions(v_living, p_sessions, v_keys, 'start');
    v_keys := pair_sessions(v_gone, p_sessions, v_keys, 'start');
    v_keys := pair_sessions(v_living, p_sessions, v_keys, 'order');
    return (
        select coalesce(jsonb_agg(e.value || jsonb_build_object('key', coalesce(
                   v_keys -> (e.value ->> 'position'), to_jsonb(c.last_session_key + e.fresh)))), '[]')
        from (select o.value, count(*) filter (where not v_keys ? (o.value ->> 'position'))
                                  over (order by o.ordinality)::integer as fresh
              from jsonb_array_elements(p_sessions) with ordinality o) e);
end $$;

-- The keys of those that pair, added to p_keys ({position: key}), among what is not paired yet.
create or replace function pair_sessions(p_had jsonb, p_sessions jsonb, p_keys jsonb, p_by text)
returns jsonb
language sql stable as $$
    with had as (
        select h.key, h.ref, w.what, row_number() over (partition by w.what order by h.position) as turn
        from jsonb_populate_recordset(null::course_session, p_had) h,
             lateral (select case p_by when 'ref' then h.ref when 'start' then h.starts_at::text
                                       else '' end) w (what)
        where h.key not in (select k.value::integer from jsonb_each_text(p_keys) k)
    ), stated as (
        select s.position, s.ref, w.what,
               row_number() over (partition by w.what order by s.position) as turn
        from jsonb_populate_recordset(null::course_session, p_sessions) s,
             lateral (select case p_by when 'ref' then s.ref when 'start' then s.starts_at::text
                                       else '' end) w (what)
        where not p_keys ? s.position::text
    )
    select p_keys || coalesce(jsonb_object_agg(s.position, h.key), '{}')
        from stated s join had h on h.what = s.what and h.turn = s.turn
        where p_by = 'ref' or s.ref is null or h.ref is null
$$;

-- What is there no more is kept as gone: until a month after its end, and 200 a course at most.
create or replace function write_sessions(c course, p_sessions jsonb) returns void
language plpgsql as $$
begin
    insert into course_session_gone (tenant_id, course_id, key, ref, starts_at, ends_at)
        select s.tenant_id, s.course_id, s.key, s.ref, s.starts_at, s.ends_at from course_session s
        where s.tenant_id = c.tenant_id and s.course_id = c.course_id
          and s.key not in (select (e ->> 'key')::integer from jsonb_array_elements(p_sessions) e);
    delete from course_session where tenant_id = c.tenant_id and course_id = c.course_id;
    insert into course_session (tenant_id, course_id, position, key, ref, starts_at, ends_at, venue,
                                venue_address, online_url)
        select c.tenant_id, c.course_id, position, key, ref, starts_at, ends_at, venue, venue_address,
               online_url
        from jsonb_populate_recordset(null::course_session, p_sessions);
    delete from course_session_gone g
        where g.tenant_id = c.tenant_id and g.course_id = c.course_id
          and (coalesce(g.ends_at, g.starts_at) < now() - interval '1 month'
               or g.key in (select (e ->> 'key')::integer from jsonb_array_elements(p_sessions) e)
               or g.key in (select o.key from course_session_gone o
                            where o.tenant_id = c.tenant_id and o.course_id = c.course_id
                            order by o.starts_at desc, o.key offset 200));
end $$;

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
    select max(ordinality) into v_bad
        from jsonb_array_elements(p_sessions) with ordinality
        where value ->> 'ref' is not null
        group by value ->> 'ref' having count(*) > 1 order by 1 limit 1;
    if found then
        perform refuse('HB001', 'put_course', p_ref, p_key || '[' || v_bad || '].ref',
                       'an earlier session has the same');
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
