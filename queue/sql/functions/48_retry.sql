-- Putting ended mails back into the queue, for `handbell retry`: what failed (a relay that refused
-- everything for an hour, say), or what an operator knows not to have arrived though its end was
-- uncertain. A message keeps its id, and so its Message-ID; its epoch goes on with the next claim, so a
-- late word of the attempt before still finds it. Whether it is wanted any more is asked by the mark, as
-- always. Nothing goes back whose time is over: a mail is never late.
--
-- These are for the schema's owner alone: to send what may have arrived is the operator's decision, not
-- a portal's.

-- What a call names, looked up: the course, or null for all.
create or replace function retry_course(p_tenant bigint, p_state text, p_kind text, p_course text)
returns bigint
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
declare
    v_course bigint;
begin
    if p_state is null or p_state not in ('failed', 'uncertain') then
        perform refuse('HB001', 'retry', null, 'state', 'must be failed or uncertain');
    end if;
    if p_kind is not null and not exists (select from kind where kind = p_kind) then
        perform refuse('HB002', 'retry', null, 'kind', 'there is no such kind');
    end if;
    if p_course is null then
        return null;
    end if;
    perform check_ref('retry', p_course);
    select course_id into v_course from course where tenant_id = p_tenant and ref = p_course;
    if not found then
        perform refuse('HB002', 'retry', p_course, 'course', 'there is no such course');
    end if;
    return v_course;
end $$;

-- The ended messages that a call means. `is_late`: its time is over, it stays where it is.
create or replace function retry_candidates(
    p_tenant bigint, p_state text, p_kind text, p_course bigint, p_since timestamptz,
    p_until timestamptz)
returns table (message_id bigint, ended_at timestamptz, kind text, is_late boolean)
language sql stable as $$
    select r.message_id, r.ended_at, r.kind,
           coalesce(r.expires_at, r.created_at + k.expires_after) <= now() as is_late
    from handbell.message_record r
    join handbell.kind k on k.kind = r.kind
    where r.tenant_id = p_tenant and r.state = p_state
      and r.ended_at >= coalesce(p_since, '-infinity') and r.ended_at <= p_until
      and (p_kind is null or r.kind = p_kind)
      and (p_course is null
           or exists (select from handbell.job j where j.tenant_id = p_tenant
                      and j.job_id = r.job_id and j.course_id = p_course)
           or exists (select from handbell.match m where m.tenant_id = p_tenant
                      and m.course_id = p_course and m.person_id = r.person_id
                      and m.message_id = r.message_id))
$$;

create or replace function retry_since(p_since text) returns timestamptz
language plpgsql stable as $$
begin
    if p_since is not null and time_problem(p_since) is not null then
        perform refuse('HB001', 'retry', null, 'since', time_problem(p_since));
    end if;
    return p_since::timestamptz;
end $$;

-- The tenants to look at (all with anything ended so, where none is named), and the moment up to which a run looks: what fails again while it
-- goes on is not taken up a second time.
create or replace function retry_tenants(
    p_state text, p_tenant text, p_kind text, p_since text)
returns table (slug text, until timestamptz)
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
declare
    v_since timestamptz := retry_since(p_since);
begin
    perform retry_course(null, p_state, p_kind, null);
    if p_tenant is not null then
        return query select p_tenant, now() from tenant_id_for(p_tenant);
        return;
    end if;
    return query
        select s.slug, now()
        from tenant_slug s
        where s.tenant_id in (select my_tenants())
          and s.tenant_id in (select distinct r.tenant_id from message_record r
                              where r.state = p_state and r.state in ('failed', 'uncertain')
                                and r.ended_at >= coalesce(v_since, '-infinity'))
        order by s.slug;
end $$;

-- How many of each kind would go back, and how many are too late for it.
create or replace function retry_count(
    p_tenant text, p_state text, p_kind text, p_course text, p_since text, p_until timestamptz)
returns table (kind text, messages bigint, too_late bigint)
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint := tenant_id_for(p_tenant);
    v_course bigint := retry_course(v_tenant, p_state, p_kind, p_course);
begin
    return query
        select c.kind, count(*) filter (where not c.is_late), count(*) filter (where c.is_late)
        from retry_candidates(v_tenant, p_state, p_kind, v_course, retry_since(p_since), p_until) c
        group by c.kind order by c.kind;
end $$;

-- The courses that these alerts tell of: in the record an alert has none, but its matches name it. (One
-- look at the tenant's matches for all of them.)
create or replace function alerted_courses(p_tenant bigint, p_messages bigint[])
returns table (message_id bigint, courses bigint[])
language sql stable as $$
    select m.message_id, array_agg(m.course_id order by m.course_id)
    from handbell.match m
    where m.tenant_id = p_tenant and m.message_id = any (p_messages)
    group by m.message_id
$$;

-- Puts up to p_limit back, and says how many of each kind; fewer than p_limit in all: there is no more.
-- What another call or a late outcome has taken meanwhile is left out.
create or replace function retry(
    p_tenant text, p_state text, p_kind text, p_course text, p_since text, p_until timestamptz,
    p_limit integer default 1000)
returns table (kind text, messages bigint)
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint := tenant_to_change(p_tenant);
    v_course bigint := retry_course(v_tenant, p_state, p_kind, p_course);
    v_since timestamptz := retry_since(p_since);
    v_now timestamptz := now();
    v_ids bigint[];
    v_taken bigint[];
begin
    v_ids := array(
        select r.message_id
        from retry_candidates(v_tenant, p_state, p_kind, v_course, v_since, p_until) c
        join message_record r on r.tenant_id = v_tenant and r.message_id = c.message_id
            and r.ended_at = c.ended_at
        where not c.is_late and r.state = p_state
        order by r.message_id
        limit least(greatest(p_limit, 1), 10000)
        for update of r skip locked);
    with gone as (
        delete from message_record r
        where r.tenant_id = v_tenant and r.message_id = any (v_ids) and r.state = p_state
          and r.ended_at <= p_until
        returning r.*
    ), back as (
        insert into message (tenant_id, message_id, person_id, establishment_id, job_id, courses, due,
            expires_at, created_at, epoch, lane, relay, attempts, kind, last_code, last_text)
        select g.tenant_id, g.message_id, g.person_id, g.establishment_id, g.job_id,
               case when g.kind = 'course_alert' then coalesce(a.courses, '{}') end, v_now,
               coalesce(g.expires_at, g.created_at + k.expires_after), g.created_at, g.epoch, g.lane,
               g.relay, g.attempts, g.kind, g.code, g.words
        from gone g
        join kind k on k.kind = g.kind
        left join alerted_courses(v_tenant, v_ids) a on a.message_id = g.message_id
        returning message.message_id
    )
    select array_agg(b.message_id) into v_taken from back b;
    perform add_audit(v_tenant, 'retry', p_state || ' ' || x.kind || ' ' || x.count, '{}')
        from (select m.kind, count(*) from message m
              where m.tenant_id = v_tenant and m.message_id = any (v_taken)
              group by m.kind order by m.kind) x;
    perform wake(v_now) where v_taken is not null;
    return query
        select m.kind, count(*) from message m
        where m.tenant_id = v_tenant and m.message_id = any (v_taken)
        group by m.kind order by m.kind;
end $$;
