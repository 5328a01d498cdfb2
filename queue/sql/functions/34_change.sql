-- Changes of a course that is on: what those concerned know of it, whether that still holds, and the
-- notice that tells them. The caller holds the course row FOR UPDATE.

-- What a notice compares and a calendar shows. Times by UTC, whatever this session's TimeZone is: the
-- state is kept, and read by other sessions.
create or replace function course_state(c course) returns jsonb
language sql stable security definer set search_path = handbell, pg_temp as $$
    select jsonb_build_object('title', c.title, 'status', c.status, 'sessions', coalesce((
        select jsonb_agg(jsonb_build_object('key', s.key, 'ref', s.ref,
                'starts_at', to_jsonb(s.starts_at at time zone 'UTC'),
                'ends_at', to_jsonb(s.ends_at at time zone 'UTC'), 'venue', s.venue,
                'venue_address', s.venue_address, 'online_url', s.online_url)
            order by s.position)
        from course_session s where s.tenant_id = c.tenant_id and s.course_id = c.course_id), '[]'))
$$;
