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

-- Those that ended so, in the order of time and id: p_limit of them (null: all) from behind a place on.
-- is_meant: by kind and course. is_late: its time is over, it stays where it is.
create or replace function retry_candidates(
    p_tenant bigint, p_state text, p_kind text, p_course bigint, p_until timestamptz,
    p_after timestamptz, p_after_id bigint, p_limit integer)
returns table (message_id bigint, ended_at timestamptz, kind text, is_meant boolean, is_late boolean)
language sql stable as $$
    select r.message_id, r.ended_at, r.kind,
           (p_kind is null or r.kind = p_kind)
           and (p_course is null
                or exists (select from handbell.job j where j.tenant_id = p_tenant
                           and j.job_id = r.job_id and j.course_id = p_course)
                or exists (select from handbell.match m where m.tenant_id = p_tenant
                           and m.course_id = p_course and m.person_id = r.person_id
                           and m.message_id = r.message_id)),
           coalesce(r.expires_at, r.created_at + k.expires_after) <= now()
    from (select * from handbell.message_record e
          where e.tenant_id = p_tenant and e.state = p_state and e.state in ('failed', 'uncertain')
            and (e.ended_at, e.message_id) > (p_after, p_after_id) and e.ended_at <= p_until
          order by e.ended_at, e.message_id limit p_limit) r
    join handbell.kind k on k.kind = r.kind
$$;

create or replace function retry_since(p_since text) returns timestamptz
language plpgsql stable as $$
begin
    if p_since is not null and time_problem(p_since) is not null then
        perform refuse('HB001', 'retry', null, 'since', time_problem(p_since));
    end if;
    return p_since::timestamptz;
end $$;

-- The tenants to look at (all with anything ended so, where none is named), and the moment up to which a
-- run looks: what fails again while it goes on is not taken up a second time.
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
          and exists (select from message_record r
                      where r.tenant_id = s.tenant_id and r.state = p_state
                        and r.state in ('failed', 'uncertain')
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
        from retry_candidates(v_tenant, p_state, p_kind, v_course, p_until,
            coalesce(retry_since(p_since), '-infinity'), 0, null) c
        where c.is_meant
        group by c.kind order by c.kind;
end $$;

-- Looks at the next p_limit behind a place (nulls: the first ones), puts back those that are meant, and
-- says how many of each kind (null: none) and the place to go on from; no row: there is no more. What
-- another call or a late outcome has taken meanwhile is left out. So a million are as many short
-- transactions as their number says, and none looks again at what the last one saw.
create or replace function retry(
    p_tenant text, p_state text, p_kind text, p_course text, p_since text, p_until timestamptz,
    p_after timestamptz default null, p_after_id bigint default null, p_limit integer default 1000)
returns table (kind text, messages bigint, after timestamptz, after_id bigint)
language plpgsql security definer set search_path = handbell, pg_temp
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$ -- see due_work
declare
    v_tenant bigint := tenant_to_change(p_tenant);
    v_course bigint := retry_course(v_tenant, p_state, p_kind, p_course);
    v_since timestamptz := coalesce(retry_since(p_since), '-infinity');
    v_now timestamptz := now();
    v_ids bigint[];
    v_ended timestamptz[];
    v_due timestamptz[];
begin
    select array_agg(c.message_id) filter (where c.is_meant and not c.is_late),
           array_agg(c.ended_at) filter (where c.is_meant and not c.is_late),
           max(c.ended_at), (array_agg(c.message_id order by c.ended_at desc, c.message_id desc))[1]
        into v_ids, v_ended, after, after_id
        from retry_candidates(v_tenant, p_state, p_kind, v_course, p_until, coalesce(p_after, v_since),
            coalesce(p_after_id, 0), least(greatest(p_limit, 1), 10000)) c;
    if after is null then
        return;
    end if;
    select array_agg(r.message_id), array_agg(r.ended_at), array_agg(v_now)
        into v_ids, v_ended, v_due from (
        select u.message_id, u.ended_at
        from unnest(v_ids, v_ended) as u (message_id, ended_at)
        cross join lateral (select x.state from message_record x -- OFFSET 0: see put_back
            where x.tenant_id = v_tenant and x.message_id = u.message_id and x.ended_at = u.ended_at
            offset 0 for update skip locked) l
        where l.state = p_state) r;
    for kind, messages in
        select b.kind, count(*) from put_back(v_tenant, p_state, v_ids, v_ended, v_due) b
        group by b.kind order by b.kind
    loop
        perform add_audit(v_tenant, 'retry', p_state || ' ' || kind || ' ' || messages, '{}');
        return next;
    end loop;
    if not found then
        kind := null;
        messages := 0;
        return next;
        return;
    end if;
    perform wake(v_now);
end $$;
