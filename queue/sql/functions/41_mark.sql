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

-- A notice that came back from the wire tells of all that has changed since, this notice's news too.
create or replace function earlier_notice_waits(
    p_tenant bigint, p_course bigint, p_job bigint, p_person bigint)
returns boolean
language sql stable as $$
    select exists (
        select from handbell.job o
        join handbell.message m on m.tenant_id = p_tenant and m.job_id = o.job_id
        where o.tenant_id = p_tenant and o.course_id = p_course and o.kind = 'course_changed'
          and o.job_id < p_job and m.person_id = p_person
          and m.state in ('ready', 'held', 'claimed'))
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

-- The courses of an alert that this person may still be told of.
create or replace function alert_courses(p_tenant bigint, p_courses bigint[], p_person bigint)
returns table (courses bigint[])
language sql stable as $$
    select array_agg(c.course_id order by c.starts_at, c.course_id)
    from unnest(p_courses) u (course_id)
    join handbell.course c on c.tenant_id = p_tenant and c.course_id = u.course_id
    where handbell.takes_alerts(c, now())
      and not exists (select from handbell.booking b where b.tenant_id = p_tenant
          and b.course_id = c.course_id and b.person_id = p_person
          and (handbell.holds_a_place(b.status) or b.status in ('attended', 'absent')))
      and not exists (select from handbell.course_tutor t where t.tenant_id = p_tenant
          and t.course_id = c.course_id and t.person_id = p_person)
      and (not c.is_restricted_to_some or exists (
          select from handbell.course_open_to o join handbell.person_establishment e
              on e.tenant_id = p_tenant and e.establishment_id = o.establishment_id
          where o.tenant_id = p_tenant and o.course_id = c.course_id and e.person_id = p_person))
$$;

create or replace function is_suppressed(p_tenant bigint, p_address text) returns boolean
language sql stable security definer set search_path = handbell, pg_temp as $$
    select exists (select from handbell.suppression s where s.tenant_id = p_tenant
                   and s.address_hash = sha256(convert_to(lower(p_address), 'UTF8')))
$$;

-- Null: this person may have this kind of mail. Otherwise why not.
create or replace function person_objection(
    p_tenant bigint, p_person bigint, p_topic text, p_basis text)
returns table (why text)
language sql stable as $$
    select case
        when p.status = 'removed' then 'removed'
        when p.is_restricted then 'restricted'
        when p.status <> 'active' then 'deactivated'
        when p.email is null then 'no_address'
        when p_topic is not null and exists (select from handbell.opt_out o
                where o.tenant_id = p_tenant and o.person_id = p_person
                  and o.topic in (p_topic, 'optional')) then 'opted_out'
        when p_topic = 'alerts' and not p.alerts then 'alerts_off'
        when p_topic is not null and p_basis = 'consent' and not p.consent then 'withdrawn'
        when exists (select from handbell.suppression s where s.tenant_id = p_tenant
                and s.address_hash = sha256(convert_to(lower(p.email), 'UTF8'))) then 'suppressed'
        end
    from handbell.person p where p.tenant_id = p_tenant and p.person_id = p_person
$$;

-- What the last look finds, message by message: where the mail would go, which courses an alert may
-- still tell of, and what speaks against the recipient or against the job. In line, as the above.
-- (OFFSET 0 keeps owner and state out of the choice of the index: by them the planner would read all
-- that is in flight for each message, since it believes that to be next to nothing.)
create or replace function look_at(
    p_tenant bigint, p_owner uuid, p_ids bigint[], p_epochs integer[], p_basis text)
returns table (message_id bigint, kind text, person_id bigint, address text, courses bigint[],
               untold bigint[], objection text, job_objection text)
language sql stable as $$
    select m.message_id, m.kind, m.person_id, coalesce(p.email, e.urgent_email) as address, a.courses,
           case when m.courses <@ a.courses then '{}' else m.courses end as untold,
           case when m.expires_at <= now() then 'expired'
                when m.person_id is not null then po.why
                when e.status is distinct from 'active' then 'removed'
                when e.urgent_email is null then 'no_address'
                when handbell.is_suppressed(p_tenant, e.urgent_email) then 'suppressed'
           end as objection,
           jo.why as job_objection
    from unnest(p_ids, p_epochs) as u (message_id, epoch)
    cross join lateral (select * from handbell.message x
        where x.tenant_id = p_tenant and x.message_id = u.message_id offset 0) m
    join handbell.kind k on k.kind = m.kind
    left join handbell.person p on p.tenant_id = p_tenant and p.person_id = m.person_id
    left join handbell.establishment e on e.tenant_id = p_tenant
        and e.establishment_id = m.establishment_id
    left join lateral handbell.person_objection(p_tenant, m.person_id, k.topic, p_basis) po on true
    left join lateral handbell.job_objection(p_tenant, m.job_id, m.person_id) jo on true
    left join lateral handbell.alert_courses(p_tenant, m.courses, m.person_id) a
        on m.kind = 'course_alert'
    where m.epoch = u.epoch and m.owner = p_owner and m.state = 'claimed'
$$;

-- The courses of these alerts that may not be told to all: locked, so that none opens, and is matched
-- again, between the look that finds it shut and the commit that says it was not told. Returns those
-- that another session holds: nothing here waits for them.
create or replace function lock_shut_courses(p_tenant bigint, p_ids bigint[]) returns bigint[]
language plpgsql as $$
declare
    v_shut bigint[] := array(
        select c.course_id from (
            select distinct unnest(m.courses) as course_id from message m
            where m.tenant_id = p_tenant and m.message_id = any (p_ids)) d
        join course c on c.tenant_id = p_tenant and c.course_id = d.course_id
        where not takes_alerts(c, now()) or c.is_restricted_to_some);
    v_locked bigint[];
begin
    if v_shut = '{}' then
        return v_shut;
    end if;
    v_locked := array(select c.course_id from course c
        where c.tenant_id = p_tenant and c.course_id = any (v_shut)
        order by c.course_id for share skip locked);
    return array(select unnest(v_shut) except select unnest(v_locked));
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

create or replace function mark(
    p_tenant bigint, p_owner uuid, p_ids bigint[], p_epochs integer[])
returns table (message_id bigint, verdict text, address text, courses bigint[])
language plpgsql security definer set search_path = handbell, pg_temp
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan
set lock_timeout = '500ms' as $$ -- see claim()
declare
    v_basis text;
    v_unsure bigint[];
    v_told bigint[]; -- before a restore (49_told_before.sql)
begin
    -- First the lock, then, in a statement with a younger snapshot, the look: whoever commits an
    -- opt-out and then finds no such lock knows that this look will see it (page_in_flight).
    perform from message m
        where m.tenant_id = p_tenant and m.message_id = any (p_ids)
        order by m.message_id for update;
    select t.basis into strict v_basis from tenant t where t.tenant_id = p_tenant;
    v_unsure := lock_shut_courses(p_tenant, p_ids);
    v_told := told_already(p_tenant, p_ids);
    return query
    with looked as (
        select * from look_at(p_tenant, p_owner, p_ids, p_epochs, v_basis)
    ), judged as (
        select l.message_id, l.kind, l.person_id, l.address, l.courses, l.untold,
               coalesce(l.job_objection, l.objection,
                        case when l.message_id = any (v_told) then 'told_before' end,
                        case when l.kind = 'course_alert' and l.courses is null then 'superseded' end,
                        'go') as verdict
        from looked l
    ), dropped as (
        -- What cannot be booked any more, or not by this person, was not told: should it open again, it
        -- matches anew.
        -- (OFFSET 0: message by message, by the index, whatever the statistics of match say.)
        delete from match x
        using judged j cross join lateral (
            select m.course_id, m.person_id from unnest(j.untold) u (course_id), match m
            where m.tenant_id = p_tenant and m.course_id = u.course_id
              and m.person_id = j.person_id offset 0) told
        where j.verdict in ('go', 'superseded') and j.kind = 'course_alert' and j.untold <> '{}'
          and not (told.course_id = any (coalesce(j.courses, '{}')))
          and x.tenant_id = p_tenant and x.course_id = told.course_id
          and x.person_id = told.person_id
    ), going as (
        update message m set state = 'transmitting', courses = j.courses from judged j
        where m.tenant_id = p_tenant and m.message_id = j.message_id and j.verdict = 'go'
    ), gone as (
        delete from message m using judged j
        where m.tenant_id = p_tenant and m.message_id = j.message_id and j.verdict <> 'go'
        returning m.*, j.verdict
    ), kept as (
        insert into message_record (tenant_id, message_id, person_id, establishment_id, job_id,
            created_at, epoch, lane, relay, attempts, state, kind, reason)
        select g.tenant_id, g.message_id, g.person_id, g.establishment_id, g.job_id, g.created_at,
               g.epoch, g.lane, g.relay, g.attempts, 'skipped', g.kind, g.verdict
        from gone g
    )
    select u.message_id, coalesce(j.verdict, 'stale'), case when j.verdict = 'go' then j.address end,
           j.courses
    from unnest(p_ids) with ordinality as u (message_id, position)
    left join judged j on j.message_id = u.message_id
    order by u.position;
    if v_unsure <> '{}' then
        perform match_again(p_tenant, v_unsure);
    end if;
    if v_told is not null then
        perform told_anew(p_tenant, p_ids);
    end if;
end $$;
