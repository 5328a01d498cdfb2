-- Marking: the last look before a mail goes on the wire. What is no longer wanted becomes skipped.

-- This function and those behind it have neither SET nor SECURITY DEFINER, so that the planner puts
-- them in line: called a row, each cost a good part of a millisecond (measured).

-- Delegate, whoever booked, or tutor; an establishment (null) is the provider.
create or replace function has_part(p_tenant bigint, p_course bigint, p_person bigint)
returns boolean
language sql stable as $$
    select p_person is null
        or exists (select from handbell.booking b where b.tenant_id = p_tenant
                   and b.course_id = p_course and b.person_id = p_person
                   and handbell.holds_a_place(b.status))
        or exists (select from handbell.course_tutor t where t.tenant_id = p_tenant
                   and t.course_id = p_course and t.person_id = p_person)
        or exists (select from handbell.booking b where b.tenant_id = p_tenant
                   and b.course_id = p_course and b.booked_by = p_person
                   and handbell.holds_a_place(b.status))
$$;

-- A notice that came back from the wire tells of all that has changed since, this notice's news too: if
-- it is no slower, and will not be over much sooner.
create or replace function earlier_notice_waits(
    p_tenant bigint, p_course bigint, p_job bigint, p_person bigint)
returns boolean
language sql stable as $$
    select exists (
        select from handbell.job o
        join handbell.message m on m.tenant_id = p_tenant and m.job_id = o.job_id
        where o.tenant_id = p_tenant and o.course_id = p_course and o.kind = 'course_changed'
          and o.job_id < p_job and m.person_id = p_person
          and m.state in ('ready', 'held', 'claimed')
          and exists (select from handbell.message own
              where own.tenant_id = p_tenant and own.job_id = p_job and own.person_id = p_person
                and m.lane <= own.lane and m.expires_at > own.expires_at - interval '1 day'))
$$;

-- Does the thing that this job's mail tells still hold? Null: yes. Otherwise why not.
create or replace function job_objection(p_tenant bigint, p_job bigint, p_person bigint)
returns table (why text)
language sql stable as $$
    select case
        when j.state = 'revoked' then 'superseded'
        when j.kind = 'course_cancelled' then
            case when c.status not in ('cancelled', 'finished') or c.cancellations <> j.occasion
                 then 'superseded' end
        when c.status = 'cancelled' then 'course_cancelled'
        when j.kind = 'course_changed' then
            case when not handbell.has_part(p_tenant, j.course_id, p_person)
                   or handbell.earlier_notice_waits(p_tenant, j.course_id, j.job_id, p_person)
                 then 'superseded' end
        when j.kind = 'booking_cancelled' then
            case when handbell.has_place(p_tenant, j.course_id, p_person) then 'superseded' end
        when j.booking_id is not null then
            case when not exists (select from handbell.booking b where b.tenant_id = p_tenant
                    and b.booking_id = j.booking_id and b.person_id = p_person
                    and b.course_id = j.course_id
                    and handbell.booking_kind(b.status) = j.kind) then 'superseded' end
        when r.kind is not null then
            case when r.anchor = 'start' and c.status <> 'published'
                   or not exists (select from handbell.booking b where b.tenant_id = p_tenant
                        and b.course_id = j.course_id and b.person_id = p_person
                        and b.status = any (r.statuses)) then 'superseded' end
        end
    from handbell.job j
    left join handbell.course c on c.tenant_id = p_tenant and c.course_id = j.course_id
    left join handbell.rule r on r.kind = j.kind
    where j.tenant_id = p_tenant and j.job_id = p_job
$$;

-- Do the person's ticks meet the course? As find_matches() asks it.
create or replace function ticks_meet(p_tenant bigint, p_course bigint, p_person bigint)
returns boolean
language plpgsql stable as $$
declare
    v_course record := course_ticks(p_tenant, p_course);
    v_own bigint[] := array(select t.category_id from tick t
                            where t.tenant_id = p_tenant and t.person_id = p_person);
begin
    return coalesce(v_own && v_course.interests, false)
        or (v_course.subjects is not null or v_course.audiences is not null)
            and coalesce(v_own && v_course.subjects, true)
            and coalesce(v_own && v_course.audiences, true);
end $$;

-- The courses of these alerts, soonest first. is_plain: it may be told to all whom it was matched with,
-- but for those who lost a tick. unticked_at: when it lost a category itself; a removed one it keeps, and
-- nobody ticks that.
create or replace function courses_to_tell(p_tenant bigint, p_ids bigint[])
returns table (course_id bigint, may_be_told boolean, is_restricted_to_some boolean,
               unticked_at timestamptz, is_plain boolean)
language sql stable as $$
    select c.course_id, handbell.takes_alerts(c, now()), c.is_restricted_to_some, lost.unticked_at,
           handbell.takes_alerts(c, now()) and not c.is_restricted_to_some
               and lost.unticked_at is null
               and not exists (select from handbell.booking b where b.tenant_id = p_tenant
                   and b.course_id = c.course_id)
               and not exists (select from handbell.course_tutor t where t.tenant_id = p_tenant
                   and t.course_id = c.course_id)
    from (select distinct unnest(m.courses) as course_id from handbell.message m
          where m.tenant_id = p_tenant and m.message_id = any (p_ids)) d
    join handbell.course c on c.tenant_id = p_tenant and c.course_id = d.course_id
    cross join lateral (select case when exists (
            select from handbell.course_category x join handbell.category k
                on k.tenant_id = p_tenant and k.category_id = x.category_id
            where x.tenant_id = p_tenant and x.course_id = c.course_id and k.status = 'removed')
        then 'infinity' else c.unticked_at end) lost (unticked_at)
    order by c.starts_at, c.course_id
$$;

create or replace function is_suppressed(p_tenant bigint, p_address text) returns boolean
language sql stable security definer set search_path = handbell, pg_temp as $$
    select exists (select from handbell.suppression s where s.tenant_id = p_tenant
                   and s.address_hash = sha256(convert_to(lower(p_address), 'UTF8')))
$$;

-- Null: this person may have this kind of mail. Otherwise why not.
create or replace function person_objection(p person, p_topic text, p_basis text)
returns table (why text)
language sql stable as $$
    select case
        when p.status = 'removed' then 'removed'
        when p.is_restricted then 'restricted'
        when p.status <> 'active' then 'deactivated'
        when p.email is null then 'no_address'
        when p_topic is not null and exists (select from handbell.opt_out o
                where o.tenant_id = p.tenant_id and o.person_id = p.person_id
                  and o.topic in (p_topic, 'optional')) then 'opted_out'
        when p_topic = 'alerts' and not p.alerts then 'alerts_off'
        when p_topic is not null and p_basis = 'consent' and not p.consent then 'withdrawn'
        when exists (select from handbell.suppression s where s.tenant_id = p.tenant_id
                and s.address_hash = sha256(convert_to(lower(p.email), 'UTF8'))) then 'suppressed'
        end
$$;

-- What the last look finds: where each mail would go, and what speaks against its recipient or its job.
-- In line, as the above. (OFFSET 0 keeps owner and state out of the choice of the index: by them the
-- planner would read all that is in flight for each message, since it believes that to be next to
-- nothing.)
-- p_told: those whose recipients knew it before a restore (49_told_before.sql).
create or replace function look_at_notices(
    p_tenant bigint, p_owner uuid, p_ids bigint[], p_epochs integer[], p_basis text, p_told bigint[])
returns table (message_id bigint, person_id bigint, address text, courses bigint[],
               untold bigint[], verdict text)
language sql stable as $$
    select m.message_id, m.person_id, coalesce(p.email, e.urgent_email), m.courses, '{}'::bigint[],
           coalesce(jo.why,
                case when m.expires_at <= now() then 'expired'
                     when m.person_id is not null then po.why
                     when e.status is distinct from 'active' then 'removed'
                     when e.urgent_email is null then 'no_address'
                     when handbell.is_suppressed(p_tenant, e.urgent_email) then 'suppressed' end,
                case when m.message_id = any (p_told) then 'told_before' end, 'go')
    from unnest(p_ids, p_epochs) as u (message_id, epoch)
    cross join lateral (select * from handbell.message x
        where x.tenant_id = p_tenant and x.message_id = u.message_id offset 0) m
    join handbell.kind k on k.kind = m.kind
    left join handbell.person p on p.tenant_id = p_tenant and p.person_id = m.person_id
    left join handbell.establishment e on e.tenant_id = p_tenant
        and e.establishment_id = m.establishment_id
    left join lateral handbell.person_objection(p, k.topic, p_basis) po on true
    left join lateral handbell.job_objection(p_tenant, m.job_id, m.person_id) jo on true
    where m.epoch = u.epoch and m.owner = p_owner and m.state = 'claimed' and m.kind <> 'course_alert'
$$;

-- The same of alerts, with the courses that each may still tell of. p_is_plain: its courses are all
-- is_plain, and are not asked again.
--
-- A tick is read again where it, or the course's category, may have gone since the match. A fan-out does
-- not see what another transaction is about to commit, so that is asked of the day before as well:
-- longer than a portal's transaction. (Not of everybody: what was on its way to a record that was merged
-- into this one arrives, whose ticks are its own.)
create or replace function look_at_alerts(
    p_tenant bigint, p_owner uuid, p_ids bigint[], p_epochs integer[], p_basis text,
    p_is_plain boolean)
returns table (message_id bigint, person_id bigint, address text, courses bigint[],
               untold bigint[], verdict text)
language sql stable as $$
    with course_now as materialized (select * from handbell.courses_to_tell(p_tenant, p_ids))
    select m.message_id, m.person_id, p.email, a.courses,
           case when m.courses <@ a.courses then '{}' else m.courses end,
           case when m.expires_at <= now() then 'expired'
                else coalesce(po.why, case when a.courses = '{}' then 'superseded' end, 'go') end
    from unnest(p_ids, p_epochs) as u (message_id, epoch)
    cross join lateral (select * from handbell.message x
        where x.tenant_id = p_tenant and x.message_id = u.message_id offset 0) m
    join handbell.person p on p.tenant_id = p_tenant and p.person_id = m.person_id
    cross join lateral handbell.person_objection(p, 'alerts', p_basis) po
    cross join lateral (select case when p_is_plain and p.unticked_at is null then m.courses
        else array(
            select c.course_id from course_now c
            where c.course_id = any (m.courses) and c.may_be_told
              and not exists (select from handbell.booking b where b.tenant_id = p_tenant
                  and b.course_id = c.course_id and b.person_id = p.person_id
                  and (handbell.holds_a_place(b.status) or b.status in ('attended', 'absent')))
              and not exists (select from handbell.course_tutor t where t.tenant_id = p_tenant
                  and t.course_id = c.course_id and t.person_id = p.person_id)
              and (not c.is_restricted_to_some or exists (
                  select from handbell.course_open_to o join handbell.person_establishment e
                      on e.tenant_id = p_tenant and e.establishment_id = o.establishment_id
                  where o.tenant_id = p_tenant and o.course_id = c.course_id
                    and e.person_id = p.person_id))
              and (greatest(c.unticked_at, p.unticked_at) > m.created_at - interval '1 day'
                   and not handbell.ticks_meet(p_tenant, c.course_id, p.person_id)) is not true)
        end offset 0) a (courses)
    where m.epoch = u.epoch and m.owner = p_owner and m.state = 'claimed' and m.kind = 'course_alert'
$$;

-- Courses that may not be told to all: locked, so that none opens, and is matched again, between the
-- look that finds it shut and the commit that says it was not told. Returns those that another session
-- holds: nothing here waits for them.
create or replace function lock_shut_courses(p_tenant bigint, p_shut bigint[]) returns bigint[]
language plpgsql as $$
declare
    v_locked bigint[];
begin
    if p_shut = '{}' then
        return p_shut;
    end if;
    v_locked := array(select c.course_id from course c
        where c.tenant_id = p_tenant and c.course_id = any (p_shut)
        order by c.course_id for share skip locked);
    return array(select unnest(p_shut) except select unnest(v_locked));
end $$;

-- Whoever held these courses while they were looked at may be opening them.
create or replace function match_again(p_tenant bigint, p_courses bigint[]) returns void
language plpgsql as $$
begin
    perform add_job(p_tenant, 'course_alert', u.course_id, null, 0)
        from unnest(p_courses) u (course_id)
        where not exists (select from job j where j.tenant_id = p_tenant
            and j.course_id = u.course_id and j.kind = 'course_alert'
            and (j.state = 'held' or j.state = 'matching' and j.progress = 0));
end $$;

-- What is not wanted any more ends as skipped; and of what could not be told the match goes: should the
-- course open again, or to this person, it matches anew. (OFFSET 0: see look_at_notices.)
create or replace function drop_unwanted(p_tenant bigint, p_looked looked_at[]) returns void
language plpgsql as $$
begin
    delete from match x
        using unnest(p_looked) l cross join lateral (
            select m.course_id, m.person_id from unnest(l.untold) u (course_id), match m
            where m.tenant_id = p_tenant and m.course_id = u.course_id
              and m.person_id = l.person_id offset 0) told
        where l.verdict in ('go', 'superseded') and told.course_id <> all (l.courses)
          and x.tenant_id = p_tenant and x.course_id = told.course_id
          and x.person_id = told.person_id;
    with gone as (
        delete from message m using unnest(p_looked) l
        where m.tenant_id = p_tenant and m.message_id = l.message_id and l.verdict <> 'go'
        returning m.*, l.verdict
    )
    insert into message_record (tenant_id, message_id, person_id, establishment_id, job_id, created_at,
                                epoch, lane, relay, attempts, state, kind, reason)
        select g.tenant_id, g.message_id, g.person_id, g.establishment_id, g.job_id, g.created_at,
               g.epoch, g.lane, g.relay, g.attempts, 'skipped', g.kind, g.verdict
        from gone g;
end $$;

create or replace function mark(
    p_tenant bigint, p_owner uuid, p_ids bigint[], p_epochs integer[])
returns table (message_id bigint, verdict text, address text, courses bigint[])
language plpgsql security definer set search_path = handbell, pg_temp
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan
set lock_timeout = '500ms' as $$ -- see claim()
declare
    v_basis text;
    v_has_alerts boolean;
    v_has_notices boolean;
    v_is_plain boolean;
    v_shut bigint[];
    v_unsure bigint[] := '{}';
    v_told bigint[];
    v_looked looked_at[] := '{}';
begin
    perform pg_advisory_xact_lock_shared(calls_key(p_owner));
    -- First the lock, then, in a statement with a younger snapshot, the look: whoever commits an
    -- opt-out and then finds no such lock knows that this look will see it (page_in_flight). With the
    -- gate closed all are stale: who claimed them before has not heard of it yet.
    select bool_or(l.kind = 'course_alert'), bool_or(l.kind <> 'course_alert')
        into v_has_alerts, v_has_notices
        from (select m.kind from message m
              where m.tenant_id = p_tenant and m.message_id = any (p_ids) and (select gate_is_open())
              order by m.message_id for update) l;
    select t.basis into strict v_basis from tenant t where t.tenant_id = p_tenant;
    if v_has_alerts then
        select bool_and(c.is_plain), coalesce(array_agg(c.course_id) filter (where
                not c.may_be_told or c.is_restricted_to_some or c.unticked_at is not null), '{}')
            into v_is_plain, v_shut from courses_to_tell(p_tenant, p_ids) c;
        v_unsure := lock_shut_courses(p_tenant, v_shut);
        v_looked := array(select l::looked_at from look_at_alerts(
            p_tenant, p_owner, p_ids, p_epochs, v_basis, v_is_plain) l);
    end if;
    if v_has_notices then
        v_told := told_already(p_tenant, p_ids);
        v_looked := v_looked || array(select l::looked_at from look_at_notices(
            p_tenant, p_owner, p_ids, p_epochs, v_basis, v_told) l);
    end if;
    update message m set state = 'transmitting', courses = l.courses from unnest(v_looked) l
        where m.tenant_id = p_tenant and m.message_id = l.message_id and l.verdict = 'go';
    if exists (select from unnest(v_looked) l where l.verdict <> 'go' or l.untold <> '{}') then
        perform drop_unwanted(p_tenant, v_looked);
    end if;
    return query
    select l.message_id, l.verdict, case when l.verdict = 'go' then l.address end,
           nullif(l.courses, '{}')
        from unnest(v_looked) l;
    if cardinality(v_looked) < cardinality(p_ids) then
        return query
        select u.message_id, 'stale', null::text, null::bigint[] from unnest(p_ids) u (message_id)
            where u.message_id not in (select l.message_id from unnest(v_looked) l);
    end if;
    if v_unsure <> '{}' then
        perform match_again(p_tenant, v_unsure);
    end if;
    if v_told is not null then
        perform told_anew(p_tenant, p_ids);
    end if;
end $$;
