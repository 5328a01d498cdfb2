-- Jobs and their recipients: how a decision to tell somebody becomes messages in the queue, how the
-- brake holds a change that would mail too many, and how what is pending is revoked.

create or replace function wake(p_due timestamptz) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    -- Workers look every second by themselves: only what is due sooner is worth a NOTIFY, which
    -- costs every committing session a lock (measured: 15,067 commits a second without, 4,691 with).
    -- PostgreSQL folds equal notifications of one transaction into one.
    if p_due <= clock_timestamp() + interval '2 s' then
        perform pg_notify('handbell', '');
    end if;
end $$;

create or replace function tenant_rule(p_rules jsonb, p_key text, p_default integer) returns integer
language sql immutable as $$
    select case when p_rules ? p_key then (p_rules ->> p_key)::integer else p_default end
$$;

-- The brake counts a transaction's mails per tenant, urgent ones apart. The counts live in settings
-- local to the transaction, which roll back with a savepoint, as the mails themselves do.
create or replace function brake_count(p_tenant bigint, p_of text, p_more integer) returns integer
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_key text := 'handbell.mails_' || p_tenant || '_' || p_of;
    v_count integer := coalesce(nullif(current_setting(v_key, true), ''), '0')::integer + p_more;
begin
    perform set_config(v_key, v_count::text, true);
    return v_count;
end $$;

-- Mails of this kind that other transactions of the last ten minutes made, and nobody released. Counted
-- once a transaction: one that changes thousands of courses would else count thousands of times.
create or replace function recent_mails(p_tenant bigint, p_kind text) returns integer
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_key text := 'handbell.recent_' || p_tenant || '_' || p_kind;
    v_count integer := nullif(current_setting(v_key, true), '')::integer;
begin
    if v_count is null then
        select coalesce(sum(j.recipients), 0) into v_count from job j
            where j.tenant_id = p_tenant and j.created_at > now() - interval '10 minutes'
              and j.kind = p_kind and j.state <> 'revoked' and not j.is_released
              and j.transaction <> pg_current_xact_id();
        perform set_config(v_key, v_count::text, true);
    end if;
    return v_count;
end $$;

-- Holds this job, and all others of its change, once they pass the brake together.
create or replace function apply_brake(p_tenant bigint, p_job bigint, p_more integer) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_brake integer;
    v_kind text;
    v_is_urgent boolean;
    v_adds_up boolean;
    v_count integer;
    v_recent integer;
begin
    select tenant_rule(rules, 'brake', 2000) into v_brake from tenant where tenant_id = p_tenant;
    select k.lane = 1 or j.is_urgent, k.adds_up and j.transaction = pg_current_xact_id(), k.kind
        into v_is_urgent, v_adds_up, v_kind from job j join kind k using (kind)
        where j.tenant_id = p_tenant and j.job_id = p_job and not j.is_released;
    if not found then
        return;
    end if;
    v_count := brake_count(p_tenant, case when v_is_urgent then 'urgent' else 'all' end, p_more);
    if v_count > v_brake then
        perform hold_jobs(p_tenant, array[p_job]);
        if v_count - p_more <= v_brake then -- it is passed just now: those before are held too
            perform hold_jobs(p_tenant, array(select j.job_id from job j join kind k using (kind)
                where j.tenant_id = p_tenant and j.created_at = now()
                  and j.transaction = pg_current_xact_id() and not j.is_released
                  and (k.lane = 1 or j.is_urgent) = v_is_urgent));
        end if;
    end if;
    if not v_adds_up then
        return;
    end if;
    v_count := brake_count(p_tenant, v_kind, p_more);
    v_recent := recent_mails(p_tenant, v_kind);
    if v_recent > 0 and v_recent + v_count > v_brake then
        perform hold_jobs(p_tenant, array[p_job]);
        if v_count = p_more or v_recent + v_count - p_more <= v_brake then
            perform hold_recent(p_tenant, v_kind);
        end if;
    end if;
end $$;

create or replace function hold_jobs(p_tenant bigint, p_jobs bigint[]) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    update job set state = 'held'
        where tenant_id = p_tenant and job_id = any (p_jobs) and state = 'queued';
    update message set state = 'held'
        where tenant_id = p_tenant and job_id = any (p_jobs) and state = 'ready';
end $$;

-- What the calls before queued and no worker has taken yet. Nobody is waited for: rows that another
-- session holds are being sent, released or cancelled.
create or replace function hold_recent(p_tenant bigint, p_kind text) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_jobs bigint[] := array(select j.job_id from job j
        where j.tenant_id = p_tenant and j.created_at > now() - interval '10 minutes'
          and j.kind = p_kind and j.state = 'queued' and not j.is_released
          and exists (select from message m where m.tenant_id = p_tenant and m.job_id = j.job_id
                      and m.state = 'ready')
        order by j.job_id for no key update skip locked);
begin
    update job set state = 'held' where tenant_id = p_tenant and job_id = any (v_jobs);
    update message set state = 'held'
        where tenant_id = p_tenant and message_id in (
            select m.message_id from message m
            where m.tenant_id = p_tenant and m.job_id = any (v_jobs) and m.state = 'ready'
            order by m.message_id for update skip locked);
end $$;

create or replace function add_job(
    p_tenant bigint, p_kind text, p_course bigint, p_booking bigint, p_occasion integer)
returns bigint
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_job bigint;
begin
    insert into job (tenant_id, kind, course_id, booking_id, occasion, state, actor, reason)
        values (p_tenant, p_kind, p_course, p_booking, p_occasion,
                case when p_kind = 'course_alert' then 'matching' else 'queued' end,
                left(nullif(current_setting('handbell.actor', true), ''), 200),
                left(nullif(current_setting('handbell.reason', true), ''), 500))
        returning job_id into v_job;
    if p_kind = 'course_alert' then
        perform wake(now());
    end if;
    return v_job;
end $$;

-- Makes a message for each recipient who has none of this job yet; returns how many were made.
create or replace function add_recipients(
    p_tenant bigint, p_job bigint, p_people bigint[], p_establishments bigint[],
    p_expires_at timestamptz)
returns integer
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_job job;
    v_lane smallint;
    v_relays smallint[] := relay_wheel(p_tenant);
    v_made integer;
begin
    -- Locked, for it may be released just now: what joins it then must not stay held behind.
    select * into strict v_job from job
        where tenant_id = p_tenant and job_id = p_job for no key update;
    select case when v_job.is_urgent then 1 else lane end into strict v_lane
        from kind where kind = v_job.kind;
    with wanted as (
        select person_id, 0::bigint as establishment_id from unnest(p_people) as person_id
        union
        select 0, establishment_id from unnest(p_establishments) as establishment_id
    ), fresh as (
        insert into job_recipient (tenant_id, job_id, person_id, establishment_id, message_id)
        select p_tenant, p_job, person_id, establishment_id,
               nextval('handbell.message_message_id_seq')
        from wanted where person_id is not null and establishment_id is not null
        order by person_id, establishment_id
        on conflict do nothing
        returning person_id, establishment_id, message_id
    )
    insert into message (tenant_id, message_id, person_id, establishment_id, job_id, due, expires_at,
                         lane, relay, kind, state)
    select p_tenant, message_id, nullif(person_id, 0), nullif(establishment_id, 0), p_job, now(),
           p_expires_at, v_lane, relay_of(v_relays, message_id), v_job.kind,
           case when v_job.state = 'held' then 'held' else 'ready' end::message_state
    from fresh;
    get diagnostics v_made = row_count;
    if v_made > 0 then
        update job set recipients = recipients + v_made
            where tenant_id = p_tenant and job_id = p_job;
        perform apply_brake(p_tenant, p_job, v_made);
        perform wake(now());
    end if;
    return v_made;
end $$;

-- Ends messages that are still waiting (ready or held) as skipped. What a worker has claimed already
-- is looked at again when it is marked.
create or replace function revoke_messages(p_tenant bigint, p_messages bigint[], p_reason text)
returns integer
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_count integer;
begin
    with locked as (
        select message_id from message
        where tenant_id = p_tenant and message_id = any (p_messages) and state in ('ready', 'held')
        order by message_id for update
    ), gone as (
        delete from message m using locked l
        where m.tenant_id = p_tenant and m.message_id = l.message_id
        returning m.*
    )
    insert into message_record (tenant_id, message_id, person_id, establishment_id, job_id,
                                created_at, epoch, lane, relay, attempts, state, kind, reason)
    select tenant_id, message_id, person_id, establishment_id, job_id, created_at, epoch, lane, relay,
           attempts, 'skipped', kind, p_reason
    from gone;
    get diagnostics v_count = row_count;
    return v_count;
end $$;

-- The matches of a course that nobody was told of yet. Their alerts are locked first: what a worker has
-- sealed meanwhile is told, and stays. Returns how many there were. (Arrays, not joins, and planned by
-- their true lengths: as many alerts wait as the statistics know nothing of, and a join compared each
-- with each; a minute for 20,000.)
create or replace function drop_waiting_matches(p_tenant bigint, p_course bigint) returns integer
language plpgsql security definer set search_path = handbell, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
    v_alerts bigint[] := array(select x.message_id from match x
        where x.tenant_id = p_tenant and x.course_id = p_course and x.message_id > 0);
    v_count integer;
begin
    v_alerts := array(select m.message_id from message m
        where m.tenant_id = p_tenant and m.message_id = any (v_alerts) and not m.is_sealed
        order by m.message_id for update);
    update message set courses = array_remove(courses, p_course)
        where tenant_id = p_tenant and message_id = any (v_alerts);
    delete from match
        where tenant_id = p_tenant and course_id = p_course and message_id = any (v_alerts);
    get diagnostics v_count = row_count;
    return v_count;
end $$;

-- One job's: nothing of it that still waits goes out.
create or replace function revoke_job_as(p_tenant bigint, p_job bigint, p_reason text)
returns integer
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_job job;
begin
    update job set state = 'revoked' where tenant_id = p_tenant and job_id = p_job
        returning * into v_job;
    if v_job.kind = 'course_alert' then
        perform drop_waiting_matches(p_tenant, v_job.course_id);
    end if;
    return revoke_messages(p_tenant, array(select message_id from message
        where tenant_id = p_tenant and job_id = p_job), p_reason);
end $$;

create or replace function revoke_job(p_tenant bigint, p_job bigint) returns integer
language sql security definer set search_path = handbell, pg_temp as $$
    select handbell.revoke_job_as(p_tenant, p_job, 'revoked')
$$;

-- Who was to hear of this course, and so of no other of its series, may hear of those after all.
create or replace function match_series_again(p_tenant bigint, p_course bigint) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    perform add_job(p_tenant, 'course_alert', s.course_id, null, 0)
        from course c
        join course s on s.tenant_id = p_tenant and s.series = c.series and s.course_id <> p_course
        join tenant t on t.tenant_id = p_tenant and (t.rules ->> 'once_per_series')::boolean
        where c.tenant_id = p_tenant and c.course_id = p_course and takes_alerts(s, now());
end $$;

-- A course that is full, say, before it was told leaves its readers to the others of its series. (Not
-- one that is put off: it is on again soon.)
create or replace function leave_to_series(p_tenant bigint, c course) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    if c.series is not null
       and exists (select from tenant t where t.tenant_id = p_tenant
                   and (t.rules ->> 'once_per_series')::boolean)
       and drop_waiting_matches(p_tenant, c.course_id) > 0 then
        perform match_series_again(p_tenant, c.course_id);
    end if;
end $$;

-- All that is pending for a course: its matches not told yet, its jobs, its rules. The caller holds
-- the course row FOR UPDATE. Jobs are locked before messages, as cancel_job and fan_out lock them.
create or replace function revoke_course_mail(p_tenant bigint, p_course bigint, p_reason text)
returns integer
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_jobs bigint[];
begin
    -- Should the course be on again, what has fired is not told anew, and what has not is owed.
    update course_rule
        set job_id = case when job_id is not null then 0 end,
            due = case when job_id is null then 'infinity' else due end
        where tenant_id = p_tenant and course_id = p_course;
    v_jobs := array(select job_id from job where tenant_id = p_tenant and course_id = p_course
                    and state <> 'revoked' order by job_id for update);
    update job set state = 'revoked'
        where tenant_id = p_tenant and job_id = any (v_jobs);
    if drop_waiting_matches(p_tenant, p_course) > 0 then
        perform match_series_again(p_tenant, p_course);
    end if;
    return revoke_messages(p_tenant, array(select message_id from message
        where tenant_id = p_tenant and job_id = any (v_jobs)), p_reason);
end $$;

create or replace function revoke_person_mail(p_tenant bigint, p_person bigint, p_reason text)
returns integer
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_count integer;
    v_alert bigint;
    v_courses bigint[];
begin
    select m.message_id, m.courses into v_alert, v_courses from message m
        where m.tenant_id = p_tenant and m.person_id = p_person and not m.is_sealed for update;
    v_count := revoke_messages(p_tenant, array(
        select v_alert where v_alert is not null
        union
        select r.message_id from booking b
            join job j on j.tenant_id = p_tenant and j.course_id = b.course_id
            join job_recipient r on r.tenant_id = p_tenant and r.job_id = j.job_id
                and r.person_id = p_person
            where b.tenant_id = p_tenant and (b.person_id = p_person or b.booked_by = p_person)
    ), p_reason);
    delete from match
        where tenant_id = p_tenant and course_id = any (v_courses) and person_id = p_person;
    return v_count;
end $$;

-- The booking's own jobs are revoked too, for what a worker has claimed of them; and what a rule tells,
-- unless another booking of the person is told it as well. Not what tells somebody else that they lost this
-- place to the person who has it now.
create or replace function revoke_booking_mail(p_tenant bigint, p_booking bigint, p_reason text)
returns integer
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    b booking;
begin
    select * into strict b from booking where tenant_id = p_tenant and booking_id = p_booking;
    update job j set state = 'revoked'
        where j.tenant_id = p_tenant and j.booking_id = p_booking and j.course_id = b.course_id
          and j.state <> 'revoked'
          and exists (select from job_recipient x where x.tenant_id = p_tenant
                      and x.job_id = j.job_id and x.person_id = b.person_id);
    return revoke_messages(p_tenant, array(
        select x.message_id from job j
            join job_recipient x on x.tenant_id = p_tenant and x.job_id = j.job_id
                and x.person_id = b.person_id
            where j.tenant_id = p_tenant and j.booking_id = p_booking and j.course_id = b.course_id
        union all
        select x.message_id from rule r
            cross join lateral (select y.job_id from job y where y.tenant_id = p_tenant
                and y.course_id = b.course_id and y.kind = r.kind offset 0) j -- see look_at
            join job_recipient x on x.tenant_id = p_tenant and x.job_id = j.job_id
                and x.person_id = b.person_id
            where not exists (select from booking o where o.tenant_id = p_tenant
                and o.course_id = b.course_id and o.person_id = b.person_id
                and o.booking_id <> p_booking and o.status = any (r.statuses))
    ), p_reason);
end $$;

-- Lets a held job go. False: it was not held.
create or replace function release_held(p_tenant bigint, p_job bigint) returns boolean
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_kind text;
begin
    update job set is_released = true,
            state = case when kind = 'course_alert' then 'matching' else 'queued' end
        where tenant_id = p_tenant and job_id = p_job and state = 'held'
        returning kind into v_kind;
    if not found then
        return false;
    end if;
    update message set state = 'ready'
        where tenant_id = p_tenant and job_id = p_job and state = 'held';
    perform wake(now());
    return true;
end $$;
