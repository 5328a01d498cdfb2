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

create or replace function state_sessions(p_state jsonb)
returns table (key integer, starts_at timestamptz, ends_at timestamptz, shown jsonb)
language sql stable security definer set search_path = handbell, pg_temp as $$
    select (e ->> 'key')::integer, (e ->> 'starts_at')::timestamp at time zone 'UTC',
           coalesce(e ->> 'ends_at', e ->> 'starts_at')::timestamp at time zone 'UTC', e - 'ref'
    from jsonb_array_elements(p_state -> 'sessions') e
$$;

-- The sessions in which two states differ. Those that are over in both are history, and nobody's news.
create or replace function session_changes(p_before jsonb, p_after jsonb)
returns table (starts_before timestamptz, ends_before timestamptz,
               starts_after timestamptz, ends_after timestamptz)
language sql stable security definer set search_path = handbell, pg_temp as $$
    select b.starts_at, b.ends_at, a.starts_at, a.ends_at
    from state_sessions(p_before) b full join state_sessions(p_after) a using (key)
    where b.shown is distinct from a.shown and greatest(b.ends_at, a.ends_at) > now()
$$;

create or replace function is_news(p_before jsonb, p_after jsonb) returns boolean
language sql stable security definer set search_path = handbell, pg_temp as $$
    select p_before ->> 'title' is distinct from p_after ->> 'title'
        or p_before ->> 'status' is distinct from p_after ->> 'status'
        or exists (select from session_changes(p_before, p_after))
$$;

-- Within 48 hours somebody may set out for what has changed: for any session, where the whole course is
-- put off or is on again.
create or replace function is_change_urgent(p_before jsonb, p_after jsonb) returns boolean
language sql stable security definer set search_path = handbell, pg_temp as $$
    select exists (
        select from session_changes(p_before, p_after) x
        where x.starts_before < now() + interval '48 hours' and x.ends_before > now()
           or x.starts_after < now() + interval '48 hours' and x.ends_after > now()
        union all
        select from state_sessions(p_before) s
        where p_before ->> 'status' is distinct from p_after ->> 'status'
          and s.starts_at < now() + interval '48 hours' and s.ends_at > now())
$$;

-- A notice is of use until the last session, the old or the new, is over.
create or replace function change_expires_at(p_before jsonb, p_after jsonb) returns timestamptz
language sql stable security definer set search_path = handbell, pg_temp as $$
    select least(now() + k.expires_after, greatest(
               (select max(s.ends_at) from state_sessions(p_before) s),
               (select max(s.ends_at) from state_sessions(p_after) s)))
    from kind k where k.kind = 'course_changed'
$$;

-- Delegates who hold or wait for a place, and tutors. Of a course that was called off, also whoever
-- booked: they were told that it was off.
create or replace function people_of_course(p_tenant bigint, p_course bigint, p_with_bookers boolean)
returns bigint[]
language sql stable security definer set search_path = handbell, pg_temp as $$
    select array(
        select b.person_id from booking b
            where b.tenant_id = p_tenant and b.course_id = p_course and holds_a_place(b.status)
        union
        select b.booked_by from booking b
            where b.tenant_id = p_tenant and b.course_id = p_course and holds_a_place(b.status)
              and p_with_bookers and b.booked_by is not null
        union
        select t.person_id from course_tutor t
            where t.tenant_id = p_tenant and t.course_id = p_course)
$$;

create or replace function note_told(p_tenant bigint, p_course bigint, p_state jsonb) returns void
language sql security definer set search_path = handbell, pg_temp as $$
    insert into course_told (tenant_id, course_id, state) values (p_tenant, p_course, p_state)
        on conflict (tenant_id, course_id) do update set state = excluded.state
$$;

-- Called when title, sessions or status of a course were stated anew. While a course is put off its
-- dates are nobody's news: those who were told hear, when it is on again, what became of the dates
-- that they knew.
create or replace function imply_change(p_tenant bigint, c course) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_told jsonb;
    v_state jsonb := course_state(c);
begin
    if c.status not in ('published', 'postponed') then
        return;
    end if;
    select state into v_told from course_told
        where tenant_id = p_tenant and course_id = c.course_id;
    if v_told is null then
        perform note_told(p_tenant, c.course_id, v_state);
        return;
    elsif c.status = 'postponed' then
        v_state := v_told || jsonb_build_object('status', c.status);
    end if;
    if v_state <> v_told then
        perform note_told(p_tenant, c.course_id, v_state);
        if is_news(v_told, v_state) then
            perform tell_change(p_tenant, c, v_told, v_state);
        end if;
    end if;
end $$;

-- One notice a person, however often the course changes while it waits: it tells from what that person
-- knew to what holds when it leaves; where the two are the same again it is dropped. What a worker has
-- claimed was written before this change: it is taken back, to be written anew. Those whom nothing
-- waits for, for their notice has left or they had none, get one of this change.
create or replace function tell_change(p_tenant bigint, c course, p_before jsonb, p_after jsonb)
returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_expires_at timestamptz := change_expires_at(p_before, p_after);
    v_is_urgent boolean := is_change_urgent(p_before, p_after);
    v_waiting bigint[] := waiting_notices(p_tenant, c.course_id);
    v_people bigint[];
    v_job bigint;
begin
    if v_expires_at < now() then
        return;
    end if;
    v_people := array(
        select unnest(people_of_course(p_tenant, c.course_id, p_before ->> 'status' = 'cancelled'))
        except
        select person_id from message where tenant_id = p_tenant and message_id = any (v_waiting)
        except
        select unnest(unaware_of_cancelling(p_tenant, c, p_before, p_after)));
    update message set
            state = case when state = 'claimed' then 'ready' else state end, owner = null,
            claimed_at = null, expires_at = coalesce(v_expires_at, expires_at),
            lane = case when v_is_urgent then 1 else lane end
        where tenant_id = p_tenant and message_id = any (v_waiting);
    perform revoke_messages(p_tenant, array(
        select m.message_id from message m
        join job j on j.tenant_id = p_tenant and j.job_id = m.job_id
        where m.tenant_id = p_tenant and m.message_id = any (v_waiting)
          and not is_news(j.before, p_after)), 'superseded');
    if v_people <> '{}' then
        v_job := add_job(p_tenant, 'course_changed', c.course_id, null, 0);
        update job set before = p_before, is_urgent = v_is_urgent
            where tenant_id = p_tenant and job_id = v_job;
        perform add_recipients(p_tenant, v_job, v_people, '{}', v_expires_at);
    end if;
    perform wake(now());
end $$;

-- The notices of this course that have not left, locked. The lock waits for a worker that is claiming
-- or marking one: by then it shows whether that one has left.
create or replace function waiting_notices(p_tenant bigint, p_course bigint) returns bigint[]
language sql security definer set search_path = handbell, pg_temp as $$
    select array(
        select m.message_id from message m
        where m.tenant_id = p_tenant and m.state in ('ready', 'held', 'claimed')
          and m.job_id in (select j.job_id from job j where j.tenant_id = p_tenant
                           and j.course_id = p_course and j.kind = 'course_changed')
        order by m.message_id for update of m)
$$;

-- A course that was called off is on again as it was: whose notice of that has not left never knew.
create or replace function unaware_of_cancelling(
    p_tenant bigint, c course, p_before jsonb, p_after jsonb)
returns bigint[]
language sql stable security definer set search_path = handbell, pg_temp as $$
    select array(
        select m.person_id from job j
        join message m on m.tenant_id = p_tenant and m.job_id = j.job_id
        where p_before ->> 'status' = 'cancelled'
          and not is_news(p_before || jsonb_build_object('status', c.status), p_after)
          and j.tenant_id = p_tenant and j.course_id = c.course_id and j.kind = 'course_cancelled'
          and j.occasion = c.cancellations and m.state in ('ready', 'held', 'claimed')
          and m.person_id is not null)
$$;
