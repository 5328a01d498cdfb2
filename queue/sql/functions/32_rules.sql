-- Rules: the mails that go so many days before or after a course (table rule). One stored row a course
-- and rule, fanned out when it is due, so that late bookers and moved courses come right.

-- When a rule is due for a course: so many days from its first start or its last end, at the local time
-- of day; infinity while no date is known. Null: there is no rule.
create or replace function rule_due(p_tenant bigint, c course, r rule) returns timestamptz
language sql stable security definer set search_path = handbell, pg_temp as $$
    select case when base is null then 'infinity' else
               ((base at time zone t.time_zone) + make_interval(days => r.direction * days))
               at time zone t.time_zone end
    from tenant t,
         lateral (select case r.anchor when 'start' then c.starts_at else c.ends_at end,
                         case when c.rules ? r.key then (c.rules ->> r.key)::integer
                              else tenant_rule(t.rules, r.key, r.standard_days) end) x (base, days)
    where t.tenant_id = p_tenant and days is not null
$$;

-- Until when its mail is of use.
create or replace function rule_expires_at(c course, r rule) returns timestamptz
language sql stable security definer set search_path = handbell, pg_temp as $$
    select case r.worthless_from
        when 'start' then c.starts_at
        when 'end' then coalesce(c.ends_at, c.starts_at)
        else now() + (select k.expires_after from kind k where k.kind = r.kind) end
$$;

-- Null: nobody knows yet, for there is no date.
create or replace function may_fire(c course, r rule) returns boolean
language sql stable as $$
    select case r.anchor
        when 'start' then c.status = 'published' and c.starts_at > now()
        else c.status in ('published', 'finished') end
$$;

create or replace function schedule_rules(p_tenant bigint, p_course bigint, p_has_moved boolean)
returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    c course;
    r rule;
begin
    select * into strict c from course where tenant_id = p_tenant and course_id = p_course;
    for r in select * from rule order by kind loop
        perform schedule_rule(p_tenant, c, r, rule_due(p_tenant, c, r), p_has_moved);
    end loop;
end $$;

-- Brings one rule in line with the course's dates. A rule that is past when it is first known does not
-- fire (job_id 0), yet late bookers get its mail where the rule says so; one whose course moves fires
-- again for the new date, and what still waits for the old one is overtaken. While the course is not on,
-- or has no date, the rule is owed: due at no time, and when the course is on again, at once where its
-- time has passed; but not where it is nothing but a reminder of the date, for the notice that the
-- course is on, or has moved, tells everybody.
create or replace function schedule_rule(
    p_tenant bigint, c course, r rule, p_due timestamptz, p_has_moved boolean)
returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    if p_has_moved then
        update course_rule set job_id = null, occasion = occasion + 1, due = 'infinity'
            where tenant_id = p_tenant and course_id = c.course_id and kind = r.kind
              and job_id is not null and due is distinct from p_due;
        if found then
            perform revoke_job_as(p_tenant, job_id, 'superseded') from job
                where tenant_id = p_tenant and course_id = c.course_id
                  and kind = r.kind and state <> 'revoked';
        end if;
    end if;
    if p_due is null or r.anchor = 'start' and c.starts_at <= now() then
        delete from course_rule where tenant_id = p_tenant and course_id = c.course_id
            and kind = r.kind and job_id is null and (p_due is null or due < 'infinity');
        return;
    elsif may_fire(c, r) is false then
        update course_rule set due = 'infinity' where tenant_id = p_tenant
            and course_id = c.course_id and kind = r.kind and job_id is null and due <> 'infinity';
        return;
    end if;
    insert into course_rule (tenant_id, course_id, kind, due, job_id)
        values (p_tenant, c.course_id, r.kind, p_due, case when p_due <= now() then 0 end)
        on conflict (tenant_id, course_id, kind) do nothing;
    update course_rule set due = p_due, job_id = case when p_due <= now() and not r.tells_late then 0 end
        where tenant_id = p_tenant and course_id = c.course_id and kind = r.kind
          and due <> p_due and job_id is null;
    perform wake(p_due);
end $$;

-- The course is on again: whom a rule has passed over meanwhile is told now.
create or replace function tell_missed(p_tenant bigint, c course) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    r rule;
    v_job bigint;
begin
    for r in select * from rule where tells_late order by kind loop
        select job_id into v_job from course_rule
            where tenant_id = p_tenant and course_id = c.course_id and kind = r.kind and job_id > 0
            for update;
        if found and may_fire(c, r) then
            perform forget_untold(p_tenant, v_job, null);
            perform add_recipients(p_tenant, v_job, rule_people(p_tenant, c, r), '{}',
                                   rule_expires_at(c, r));
        end if;
    end loop;
end $$;

-- What was taken back, with a place given up or a course put off meanwhile, was not told. p_person null:
-- to nobody.
create or replace function forget_untold(p_tenant bigint, p_job bigint, p_person bigint) returns void
language sql security definer set search_path = handbell, pg_temp as $$
    delete from job_recipient x
        where x.tenant_id = p_tenant and x.job_id = p_job
          and x.person_id = coalesce(p_person, x.person_id)
          and exists (select from message_record m where m.tenant_id = p_tenant
                      and m.message_id = x.message_id and m.state = 'skipped'
                      and m.reason in ('superseded', 'removed'))
$$;

-- One person whose booking came to its status after the rules for it had fired.
create or replace function tell_late(p_tenant bigint, c course, p_person bigint, p_status text)
returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    r rule;
    v_fired course_rule;
begin
    for r in select * from rule where tells_late and p_status = any (statuses) order by kind loop
        select * into v_fired from course_rule
            where tenant_id = p_tenant and course_id = c.course_id and kind = r.kind
              and job_id is not null
            for update;
        if not found or may_fire(c, r) is not true then
            continue;
        end if;
        if v_fired.job_id = 0 then
            v_fired.job_id := add_job(p_tenant, r.kind, c.course_id, null, v_fired.occasion);
            update course_rule set job_id = v_fired.job_id
                where tenant_id = p_tenant and course_id = c.course_id and kind = r.kind;
        end if;
        perform forget_untold(p_tenant, v_fired.job_id, p_person);
        perform add_recipients(p_tenant, v_fired.job_id, array[p_person], '{}',
                               rule_expires_at(c, r));
    end loop;
end $$;

-- Whom a rule tells when it fires. What reminds of a date is no use to those who had a mail with it, the
-- confirmation or the joining instructions, within the last twelve hours.
create or replace function rule_people(p_tenant bigint, c course, r rule) returns bigint[]
language sql stable security definer set search_path = handbell, pg_temp as $$
    with fresh as (
        select x.person_id from job j
        join job_recipient x on x.tenant_id = p_tenant and x.job_id = j.job_id
        where not r.tells_late and j.tenant_id = p_tenant and j.course_id = c.course_id
          and j.kind in ('booking_confirmed', 'joining_instructions')
          and (exists (select from message m where m.tenant_id = p_tenant
                       and m.message_id = x.message_id
                       and m.created_at > now() - interval '12 hours')
               or exists (select from message_record m where m.tenant_id = p_tenant
                          and m.message_id = x.message_id and m.state <> 'skipped'
                          and m.created_at > now() - interval '12 hours'))
    )
    select array(
        select b.person_id from booking b
        where b.tenant_id = p_tenant and b.course_id = c.course_id and b.status = any (r.statuses)
          and b.person_id not in (select f.person_id from fresh f))
$$;

-- Fires one rule that is due: one job, to the people of the bookings as they are by then. Returns how
-- many fired: 0 means that there is no more, but for courses that are being changed now. One a
-- transaction, for the brake counts what a transaction would mail. The course is locked against
-- put_booking: a place is either seen here, or confirmed when the rule has fired, and told by tell_late.
create or replace function fire_rules(p_tenant bigint) returns integer
language plpgsql security definer set search_path = handbell, pg_temp set lock_timeout = '1s' as $$
declare
    c course;
    x course_rule;
    r rule;
    v_job bigint := 0;
begin
    -- The tenant before its rules: the order in which put_tenant takes them.
    perform from tenant where tenant_id = p_tenant for key share;
    select k.* into c from course_rule d
        join course k on k.tenant_id = p_tenant and k.course_id = d.course_id
        where d.tenant_id = p_tenant and d.job_id is null and d.due <= now()
        order by d.due limit 1 for no key update of k skip locked;
    if not found then
        return 0;
    end if;
    select * into x from course_rule where tenant_id = p_tenant and course_id = c.course_id
        and job_id is null and due <= now() order by due, kind limit 1 for update;
    if not found then
        return 0;
    end if;
    select * into strict r from rule where kind = x.kind;
    if may_fire(c, r) and rule_expires_at(c, r) > now() then
        v_job := add_job(p_tenant, r.kind, c.course_id, null, x.occasion);
        perform add_recipients(p_tenant, v_job, rule_people(p_tenant, c, r), '{}',
                               rule_expires_at(c, r));
    end if;
    update course_rule set job_id = v_job
        where tenant_id = p_tenant and course_id = x.course_id and kind = x.kind;
    return 1;
end $$;
