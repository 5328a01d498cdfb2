-- Views for the portal: what became of it, per recipient, course and job. Each shows a login the
-- tenants granted to it and no other, names people by the portal's own refs, and holds no address.
-- "sent" means that the recipient's mail system, or the relay in front of it, accepted the mail. It
-- never means read.

-- Every message there is, waiting or ended, in one shape.
create or replace view any_message with (security_barrier) as
    select m.tenant_id, m.message_id, m.kind, m.lane, m.job_id, m.person_id, m.establishment_id,
           case when m.state = 'ready' and m.due > now() then 'waiting' else m.state::text end as state,
           null::text as reason, m.attempts, m.last_code as code, null::text as enhanced,
           m.last_text as words, m.created_at, m.due, null::timestamptz as ended_at
    from message m
    union all
    select r.tenant_id, r.message_id, r.kind, r.lane, r.job_id, r.person_id, r.establishment_id,
           r.state, r.reason, r.attempts, r.code, r.enhanced, r.words, r.created_at, null, r.ended_at
    from message_record r;

create or replace view message_report with (security_barrier) as
    select s.slug as tenant, a.message_id as message, a.kind, a.job_id as job, c.ref as course,
           p.ref as person, e.ref as establishment, a.state, a.reason, a.attempts, a.code, a.enhanced,
           a.words, a.created_at, a.due, a.ended_at
    from any_message a
    join tenant_slug s on s.tenant_id = a.tenant_id
    left join job j on j.tenant_id = a.tenant_id and j.job_id = a.job_id
    left join course c on c.tenant_id = a.tenant_id and c.course_id = j.course_id
    left join person p on p.tenant_id = a.tenant_id and p.person_id = a.person_id
    left join establishment e on e.tenant_id = a.tenant_id
        and e.establishment_id = a.establishment_id
    where a.tenant_id in (select my_tenants());

-- Per course: how many people matched, and how many mails of each kind are in which state.
create or replace view course_report with (security_barrier) as
    select s.slug as tenant, c.ref as course, x.kind, x.state, x.reason, x.recipients
    from tenant_slug s
    join course c on c.tenant_id = s.tenant_id
    cross join lateral (
        select a.kind, a.state, a.reason, count(*) as recipients
        from job j join any_message a on a.tenant_id = s.tenant_id and a.job_id = j.job_id
        where j.tenant_id = s.tenant_id and j.course_id = c.course_id
        group by a.kind, a.state, a.reason
        union all
        select 'course_alert',
               case when m.message_id = 0 then 'told before'
                    when not q.is_sealed then 'waiting'
                    else coalesce(r.state, q.state::text, 'no longer kept') end,
               r.reason, count(*)
        from match m
        left join message_record r on r.tenant_id = s.tenant_id and r.message_id = m.message_id
        left join message q on q.tenant_id = s.tenant_id and q.message_id = m.message_id
        where m.tenant_id = s.tenant_id and m.course_id = c.course_id
        group by 2, 3
    ) x
    where s.tenant_id in (select my_tenants()) and c.ref is not null;

-- Per job: its state (held: by the brake, until release), and what became of its messages.
create or replace view job_report with (security_barrier) as
    select s.slug as tenant, j.job_id as job, j.kind, c.ref as course, b.ref as booking, j.state,
           j.recipients, x.waiting, x.sent, x.failed, x.skipped, x.uncertain,
           j.created_at, j.actor, j.reason
    from job j
    join tenant_slug s on s.tenant_id = j.tenant_id
    left join course c on c.tenant_id = j.tenant_id and c.course_id = j.course_id
    left join booking b on b.tenant_id = j.tenant_id and b.booking_id = j.booking_id
    cross join lateral (
        select count(*) filter (where a.ended_at is null) as waiting,
               count(*) filter (where a.state = 'sent') as sent,
               count(*) filter (where a.state = 'failed') as failed,
               count(*) filter (where a.state = 'skipped') as skipped,
               count(*) filter (where a.state = 'uncertain') as uncertain
        from any_message a where a.tenant_id = j.tenant_id and a.job_id = j.job_id
    ) x
    where j.tenant_id in (select my_tenants());

-- Whom an urgent notice did not reach, to be telephoned. Notices overtaken by a later one are left out.
-- What the brake still holds when its time is over reaches nobody either.
create or replace view not_told with (security_barrier) as
    select s.slug as tenant, r.job_id as job, r.kind, c.ref as course, p.ref as person,
           e.ref as establishment, r.state,
           coalesce(r.reason, case r.state when 'failed' then 'refused'
                                           when 'uncertain' then 'uncertain' end) as reason,
           r.words, r.ended_at
    from message_record r
    join tenant_slug s on s.tenant_id = r.tenant_id
    left join job j on j.tenant_id = r.tenant_id and j.job_id = r.job_id
    left join course c on c.tenant_id = r.tenant_id and c.course_id = j.course_id
    left join person p on p.tenant_id = r.tenant_id and p.person_id = r.person_id
    left join establishment e on e.tenant_id = r.tenant_id
        and e.establishment_id = r.establishment_id
    where r.tenant_id in (select my_tenants()) and r.lane = 1 and r.state <> 'sent'
      and coalesce(r.reason, '') not in ('superseded', 'revoked', 'course_cancelled', 'told_before')
    union all
    select s.slug, j.job_id, m.kind, c.ref, p.ref, e.ref, 'held', 'expired', null, m.expires_at
    from job j
    join message m on m.tenant_id = j.tenant_id and m.job_id = j.job_id
    join tenant_slug s on s.tenant_id = j.tenant_id
    left join course c on c.tenant_id = j.tenant_id and c.course_id = j.course_id
    left join person p on p.tenant_id = j.tenant_id and p.person_id = m.person_id
    left join establishment e on e.tenant_id = j.tenant_id
        and e.establishment_id = m.establishment_id
    where j.tenant_id in (select my_tenants()) and j.state = 'held'
      and m.state = 'held' and m.lane = 1 and m.expires_at <= now();
