-- Claiming: which tenants have work that is due, and a batch of one tenant's messages with all that
-- their mails need.

-- One index probe a tenant, lane and relay (of those that the worker asks for): no row is stepped over,
-- whatever waits behind it. Tenants come after p_after first and then round again, so that a caller who
-- moves p_after on is fair to all. Each relay has an even share of p_limit, lest the rows of one that
-- stalls, on which nothing moves, crowd out the others'. Jobs and rules, which wait for the chores, have
-- p_limit rows of their own: they crowd out no message.
-- (Here and below without sequential scans: statistics lag behind a table that fills and empties within
-- minutes, and by stale ones the planner expects the first row to be a wanted one. And in plpgsql, which
-- keeps the plan: planned at each call it cost five times as much.)
create or replace function due_work(
    p_after bigint, p_limit integer, p_relays smallint[] default '{1}')
returns table (tenant_id bigint, what text, lane smallint, relay smallint)
language plpgsql stable security definer set search_path = handbell, pg_temp
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
    return query
    (select w.tenant_id, 'messages', w.lane, r.relay
    from unnest(p_relays) as r (relay) cross join lateral (
        select t.tenant_id, l.lane
        from handbell.tenant t
        cross join (values (1::smallint), (2::smallint), (3::smallint), (4::smallint), (5::smallint),
                           (6::smallint)) l (lane)
        cross join lateral (
            select from handbell.message m
            where m.tenant_id = t.tenant_id and m.lane = l.lane and m.relay = r.relay
              and m.state = 'ready' and m.due <= now()
            order by m.due desc limit 1) one -- from the end where less has been claimed
        where t.is_live and (select handbell.gate_is_open())
        order by l.lane, t.tenant_id <= p_after, t.tenant_id
        limit p_limit / cardinality(p_relays)
    ) w
    order by w.lane, w.tenant_id <= p_after, w.tenant_id)
    union all
    (select w.tenant_id, w.what, 0::smallint, 0::smallint
    from (
        select t.tenant_id, 'job' as what
        from handbell.tenant t
        where exists (select from handbell.job j
                      where j.tenant_id = t.tenant_id and j.state = 'matching')
        union all
        select t.tenant_id, 'rule'
        from handbell.tenant t
        where exists (select from handbell.course_rule r where r.tenant_id = t.tenant_id
                      and r.job_id is null and r.due <= now())
    ) w
    where (select handbell.gate_is_open())
    order by w.tenant_id <= p_after, w.tenant_id
    limit p_limit);
end $$;

create or replace function tenant_json(t tenant) returns json
language sql stable as $$
    select json_build_object('slug', t.slug, 'name', t.name, 'from_name', t.from_name,
        'from_address', t.from_address, 'reply_to', t.reply_to, 'dpo_contact', t.dpo_contact,
        'privacy_url', t.privacy_url, 'postal_address', t.postal_address, 'base_url', t.base_url,
        'bounce_domain', t.bounce_domain, 'language', t.language, 'time_zone', t.time_zone,
        'brand', t.brand)
$$;

-- A moment as the tenant's clock on the wall shows it, and the word for that zone then (GMT, BST). The
-- caller has set TimeZone to the tenant's.
create or replace function wall_clock(p_at timestamptz) returns text
language sql stable as $$
    select to_char(p_at, 'YYYY-MM-DD"T"HH24:MI')
$$;

-- (As stable as extract() is of a timestamptz: said to be immutable it would not be put in line.)
create or replace function unix_time(p_at timestamptz) returns bigint
language sql stable parallel safe as $$
    select floor(extract(epoch from p_at))::bigint
$$;

-- When a message was made, as claim() tells it and journals keep it.
create or replace function made_unix(p_created_at timestamptz) returns bigint
language sql stable parallel safe as $$
    select extract(epoch from p_created_at)::bigint
$$;

-- A session as mails show it, by the clock of the session's TimeZone; a calendar goes by key and unix.
create or replace function session_json(s course_session) returns json
language sql stable as $$
    select json_build_object('key', s.key, 'ref', s.ref,
        'starts_local', handbell.wall_clock(s.starts_at), 'ends_local', handbell.wall_clock(s.ends_at),
        'zone', to_char(s.starts_at, 'TZ'), 'ends_zone', to_char(s.ends_at, 'TZ'),
        'starts_unix', handbell.unix_time(s.starts_at),
        'ends_unix', handbell.unix_time(s.ends_at), 'venue', s.venue,
        'venue_address', s.venue_address, 'online_url', s.online_url)
$$;

-- A course as its mails show it: once a batch, whoever of the batch hears of it. While it is put off its
-- dates do not hold: mails show none, and its entries in calendars go.
create or replace function courses_json(p_tenant bigint, p_courses bigint[], p_zone text)
returns table (course_id bigint, data json)
language plpgsql stable security definer set search_path = handbell, pg_temp set timezone = 'UTC' as $$
begin
    perform set_config('timezone', p_zone, true); -- until this function returns
    return query
    select c.course_id, json_build_object('id', c.course_id, 'ref', c.ref, 'title', c.title,
        'keep', keep_course(kk.key, kt.slug, c),
        'summary', c.summary, 'booking_url', c.booking_url, 'contact', c.contact,
        'arrival_notes', c.arrival_notes, 'bring', c.bring, 'access_contact', c.access_contact,
        'cost', c.cost, 'cancellation_terms', c.cancellation_terms,
        'cancel_by_local', wall_clock(c.cancel_by),
        'joining_instructions', c.joining_instructions, 'resources', c.resources,
        'cancel_reason', c.cancel_reason, 'status', c.status, 'sequence', c.sequence,
        'categories', array(select x.category_id from course_category x
            where x.tenant_id = p_tenant and x.course_id = c.course_id order by x.category_id),
        'sessions', (
            select coalesce(json_agg(session_json(s) order by s.position), '[]')
            from course_session s
            where s.tenant_id = p_tenant and s.course_id = c.course_id and c.status <> 'postponed'),
        'gone_sessions', (
            select coalesce(json_agg(json_build_object('key', s.key,
                'starts_unix', unix_time(s.starts_at), 'ends_unix', unix_time(s.ends_at))
                order by s.key), '[]')
            from (select g.key, g.starts_at, g.ends_at from course_session_gone g
                  where g.tenant_id = p_tenant and g.course_id = c.course_id
                  union all
                  select l.key, l.starts_at, l.ends_at from course_session l
                  where l.tenant_id = p_tenant and l.course_id = c.course_id
                    and c.status = 'postponed') s))
    from course c cross join keep_key kk join tenant kt on kt.tenant_id = p_tenant
    where c.tenant_id = p_tenant and c.course_id = any (p_courses);
end $$;

-- Why this person hears of this course: delegate, whoever booked, tutor. (This and booking_json keep
-- their plans, as plpgsql does: a function of SQL that is called is planned at each call.)
create or replace function roles_json(p_tenant bigint, p_course bigint, p_person bigint) returns json
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
begin
    return (select json_build_object(
        'delegate', exists (select from handbell.booking b where b.tenant_id = p_tenant
            and b.course_id = p_course and b.person_id = p_person and b.status <> 'removed'),
        'tutor', exists (select from handbell.course_tutor t where t.tenant_id = p_tenant
            and t.course_id = p_course and t.person_id = p_person),
        'booker', booked.names is not null,
        'booked_for', coalesce(booked.names, '[]'))
    from (select json_agg(coalesce(d.display_name, concat_ws(' ', d.first_name, d.last_name))
                          order by d.last_name, d.first_name, d.person_id) as names
          from handbell.booking b join handbell.person d
              on d.tenant_id = p_tenant and d.person_id = b.person_id
          where b.tenant_id = p_tenant and b.course_id = p_course and b.booked_by = p_person
            and b.person_id <> p_person and b.status <> 'removed') booked);
end $$;

-- Does somebody else who is active read the same mailbox? By the index person_address.
create or replace function shares_address(p person) returns boolean
language sql stable as $$
    select exists (select from handbell.person o
                   where o.tenant_id = p.tenant_id and lower(o.email) = lower(p.email)
                     and o.person_id <> p.person_id and o.status = 'active')
$$;

-- The booking that a mail is about: the job's own, or the better of those that the person has.
create or replace function booking_json(
    p_tenant bigint, p_course bigint, p person, p_booking bigint)
returns json
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
begin
    return (select json_build_object('ref', b.ref, 'status', b.status, 'online_url', b.online_url,
        'offer_expires_local', to_char(b.offer_expires_at at time zone t.time_zone,
                                       'YYYY-MM-DD"T"HH24:MI'),
        'delegate_name', coalesce(p.display_name, nullif(concat_ws(' ', p.first_name, p.last_name), '')))
    from booking b join tenant t on t.tenant_id = p_tenant
    where b.tenant_id = p_tenant and b.course_id = p_course and b.person_id = p.person_id
      and (p_booking is null or b.booking_id = p_booking)
    order by b.status = 'confirmed' desc, handbell.holds_a_place(b.status) desc, b.booking_id limit 1);
end $$;

-- The course as it was, in the shape of courses_json.
create or replace function change_json(p_tenant bigint, p_before jsonb) returns json
language plpgsql stable security definer set search_path = handbell, pg_temp set timezone = 'UTC' as $$
declare
    v_sessions course_session[];
begin
    -- Read by UTC, shown by the tenant's clock.
    v_sessions := array(select s from jsonb_populate_recordset(null::course_session,
                                                              p_before -> 'sessions') s);
    perform set_config('timezone', time_zone, true) from tenant where tenant_id = p_tenant;
    return json_build_object('title', p_before ->> 'title', 'status', p_before ->> 'status',
        'sessions', (select coalesce(json_agg(session_json(s) order by s.starts_at, s.key), '[]')
                     from unnest(v_sessions) s));
end $$;

create or replace function categories_json(p_tenant bigint, p_categories bigint[]) returns json
language plpgsql stable as $$
begin
    return (select json_object_agg(k.category_id,
                                   json_build_object('kind', k.kind, 'name', k.name)
                                   order by k.category_id)
        from handbell.category k where k.tenant_id = p_tenant and k.category_id = any (p_categories));
end $$;

-- Alerts: the courses that each tells of, in the order of p_courses, and the recipient's ticks among the
-- categories of these; their names come once a batch.
-- This and messages_json have neither SET nor SECURITY DEFINER, so that the planner puts them in
-- line: called a row, each cost a millisecond (measured). No role but the owner may call them.
create or replace function alerts_json(
    p_tenant bigint, p_ids bigint[], p_courses bigint[], p_ticks bigint[])
returns table (message_id bigint, epoch integer, due timestamptz, data json)
language sql stable as $$
    select m.message_id, m.epoch, m.due,
        json_build_object('id', m.message_id, 'kind', m.kind, 'link_topic', k.link_topic,
        'created_unix', extract(epoch from m.created_at)::bigint, 'attempt', m.attempts,
        'keep', handbell.keep_line(kk.key, kt.slug, m.kind, p.ref, null, null, m.message_id,
                                   m.created_at),
        'person', json_build_object('id', p.person_id, 'email', p.email, 'title', p.title,
            'first_name', p.first_name, 'last_name', p.last_name, 'display_name', p.display_name,
            'language', p.language, 'shares_address', exists (
                select from handbell.person o where o.tenant_id = p_tenant -- as shares_address(), in line
                    and lower(o.email) = lower(p.email) and o.person_id <> p.person_id
                    and o.status = 'active')),
        'courses', array(
            select x from unnest(m.courses) x order by array_position(p_courses, x)),
        'ticks', array(
            select t.category_id from handbell.tick t
            where t.tenant_id = p_tenant and t.person_id = m.person_id
              and t.category_id = any (p_ticks)))
    from handbell.message m
    join handbell.kind k on k.kind = m.kind
    join handbell.person p on p.tenant_id = p_tenant and p.person_id = m.person_id
    cross join handbell.keep_key kk
    join handbell.tenant kt on kt.tenant_id = p_tenant
    where m.tenant_id = p_tenant and m.message_id = any (p_ids)
$$;

create or replace function messages_json(p_tenant bigint, p_ids bigint[])
returns table (message_id bigint, epoch integer, due timestamptz, data json)
language sql stable as $$
    select m.message_id, m.epoch, m.due,
        json_build_object('id', m.message_id, 'kind', m.kind, 'link_topic', k.link_topic,
        'created_unix', extract(epoch from m.created_at)::bigint, 'attempt', m.attempts,
        'keep', handbell.keep_line(kk.key, kt.slug, m.kind, p.ref, e.ref, (
            select b.ref from handbell.booking b
            where b.tenant_id = p_tenant and b.booking_id = j.booking_id), m.message_id, m.created_at),
        'person', case when p.person_id is not null then json_build_object('id', p.person_id,
            'email', p.email, 'title', p.title, 'first_name', p.first_name,
            'last_name', p.last_name, 'display_name', p.display_name, 'language', p.language,
            'shares_address', case when j.job_id is not null
                then handbell.shares_address(p) end) end,
        'establishment', case when e.establishment_id is not null then
            json_build_object('id', e.establishment_id, 'name', e.name, 'email', e.urgent_email) end,
        'courses', json_build_array(j.course_id),
        'is_urgent', m.lane = 1,
        'booking', case when m.person_id is not null and j.course_id is not null
            then handbell.booking_json(p_tenant, j.course_id, p, j.booking_id) end,
        'change', case when j.before is not null then handbell.change_json(p_tenant, j.before) end,
        'roles', case when m.kind in ('course_cancelled', 'course_changed') then case
            when m.person_id is null then json_build_object('provider', true)
            else handbell.roles_json(p_tenant, j.course_id, m.person_id) end end)
    from handbell.message m
    join handbell.kind k on k.kind = m.kind
    left join handbell.person p on p.tenant_id = p_tenant and p.person_id = m.person_id
    left join handbell.establishment e on e.tenant_id = p_tenant
        and e.establishment_id = m.establishment_id
    left join handbell.job j on j.tenant_id = p_tenant and j.job_id = m.job_id
    cross join handbell.keep_key kk
    join handbell.tenant kt on kt.tenant_id = p_tenant
    where m.tenant_id = p_tenant and m.message_id = any (p_ids)
$$;

-- The courses that these messages tell of, soonest first, and (of alerts) their categories.
create or replace function courses_of(
    p_tenant bigint, p_ids bigint[], p_is_alert boolean, out courses bigint[], out ticks bigint[])
language plpgsql stable as $$
begin
    if not p_is_alert then
        courses := array(
            select distinct j.course_id from message m
            join job j on j.tenant_id = p_tenant and j.job_id = m.job_id
            where m.tenant_id = p_tenant and m.message_id = any (p_ids) and j.course_id is not null);
        return;
    end if;
    courses := array(
        select c.course_id from (
            select distinct unnest(m.courses) as course_id from message m
            where m.tenant_id = p_tenant and m.message_id = any (p_ids)) d
        join course c on c.tenant_id = p_tenant and c.course_id = d.course_id
        order by c.starts_at, c.course_id);
    ticks := array(
        select distinct x.category_id from course_category x
        where x.tenant_id = p_tenant and x.course_id = any (courses));
end $$;

-- Takes up to p_limit due messages of one tenant, lane and relay, in the order of due and id, from
-- p_from and p_from_id on: whoever asks again and again goes on where the last answer ended. For while
-- an old snapshot is held somewhere, what was claimed before cannot be cleared out of the index
-- (measured: claiming 100 then cost seven times as much). An unsealed alert is sealed: what is matched
-- from now on gets an alert of its own. One that comes late, or was deferred, waits for the tenant's
-- next window.
-- Nothing waits long for a lock here: what a portal's open transaction holds would hold up all that this
-- connection has to do, for every tenant. Who is refused asks again.
create or replace function claim(
    p_tenant bigint, p_owner uuid, p_lane smallint, p_relay smallint, p_limit integer,
    p_from timestamptz, p_from_id bigint)
returns table (what text, id bigint, epoch integer, due timestamptz, data text)
language plpgsql security definer set search_path = handbell, pg_temp set synchronous_commit = off
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan
set lock_timeout = '500ms' as $$
declare
    v_now timestamptz := now();
    v_open timestamptz := case when p_lane < 5 then v_now else into_send_window(p_tenant, v_now) end;
    v_ids bigint[];
    v_courses bigint[];
    v_ticks bigint[];
    t tenant;
begin
    if not gate_is_open() then
        return; -- 44_life.sql
    end if;
    perform pg_advisory_xact_lock_shared(calls_key(p_owner));
    select array_agg(k.message_id) into v_ids
        from (select m.message_id from message m
              where m.tenant_id = p_tenant and m.lane = p_lane and m.relay = p_relay
                and m.state = 'ready' and (m.due, m.message_id) > (p_from, p_from_id)
                and m.due <= v_now
              order by m.due, m.message_id limit p_limit
              for update skip locked) k;
    if v_ids is null then
        return;
    elsif v_open > v_now then
        update message m set due = v_open
            where m.tenant_id = p_tenant and m.message_id = any (v_ids);
        return;
    end if;
    update message m
        set state = 'claimed', owner = p_owner, claimed_at = v_now, epoch = m.epoch + 1,
            is_sealed = true
        where m.tenant_id = p_tenant and m.message_id = any (v_ids);
    select * into strict t from tenant where tenant_id = p_tenant;
    select o.courses, o.ticks into v_courses, v_ticks
        from courses_of(p_tenant, v_ids, p_lane = 5) o;
    return query select 'tenant'::text, p_tenant, 0, v_now, tenant_json(t)::text;
    return query select 'categories'::text, p_tenant, 0, v_now, categories_json(p_tenant, v_ticks)::text
        where v_ticks <> '{}';
    return query select 'course'::text, c.course_id, 0, v_now, c.data::text
        from courses_json(p_tenant, v_courses, t.time_zone) c;
    if p_lane <> 5 then
        return query select 'message'::text, m.message_id, m.epoch, m.due, m.data::text
            from messages_json(p_tenant, v_ids) m order by m.due, m.message_id;
    else
        return query select 'message'::text, m.message_id, m.epoch, m.due, m.data::text
            from alerts_json(p_tenant, v_ids, v_courses, v_ticks) m order by m.due, m.message_id;
    end if;
end $$;
