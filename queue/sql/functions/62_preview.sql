-- A mail that nobody is sent: the rows that claim() would give for one message of this kind, to this
-- person, about this course, so that it can be rendered and looked at. Reads alone; queues nothing.
-- The message's id is 0. Without course and person: the tenant alone, for a mail of made-up facts.

create or replace function preview_facts(p_tenant text, p_kind text, p_course text, p_person text)
returns table (what text, id bigint, epoch integer, data text)
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint := tenant_id_for(p_tenant);
    k kind;
    t tenant;
    c course;
    p person;
begin
    k := kind_for('preview_facts', p_kind);
    select * into strict t from tenant where tenant_id = v_tenant;
    if p_course is null and p_person is null then
        return query select 'tenant'::text, v_tenant, 0, tenant_json(t)::text;
        return;
    end if;
    select * into c from course where tenant_id = v_tenant and ref = p_course;
    if not found then
        perform refuse_missing('preview_facts', null, 'course', 'course', p_course);
    end if;
    select * into p from person
        where tenant_id = v_tenant and ref = p_person and status <> 'removed';
    if not found then
        perform refuse_missing('preview_facts', null, 'person', 'person', p_person);
    end if;
    return query select 'tenant'::text, v_tenant, 0, tenant_json(t)::text;
    return query select 'course'::text, x.course_id, 0, x.data::text
        from courses_json(v_tenant, array[c.course_id], t.time_zone) x;
    if p_kind = 'course_alert' then
        return query select 'categories'::text, v_tenant, 0, categories_json(v_tenant, array(
            select x.category_id from course_category x
            where x.tenant_id = v_tenant and x.course_id = c.course_id))::text;
    end if;
    return query select 'message'::text, 0::bigint, 0, preview_json(t, k, c, p)::text;
end $$;

create or replace function kind_for(p_function text, p_kind text) returns kind
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
declare
    k kind;
begin
    select * into k from kind where kind = p_kind;
    if not found then
        perform refuse('HB001', p_function, null, 'kind', 'must be one of '
            || (select string_agg(o.kind, ', ' order by o.kind) from kind o where o.is_available));
    elsif not k.is_available then
        perform refuse('HB004', p_function, null, 'kind', 'not available yet');
    end if;
    return k;
end $$;

-- The course before its latest change that was told; else as it is.
create or replace function preview_before(c course) returns jsonb
language sql stable security definer set search_path = handbell, pg_temp as $$
    select coalesce(
        (select j.before from job j where j.tenant_id = c.tenant_id and j.course_id = c.course_id
             and j.kind = 'course_changed' order by j.job_id desc limit 1),
        course_state(c))
$$;

-- In the shape of messages_json. A course that did not change shows as it is, before and after.
create or replace function preview_json(t tenant, k kind, c course, p person) returns json
language sql stable security definer set search_path = handbell, pg_temp as $$
    select json_build_object('id', 0, 'kind', k.kind, 'link_topic', k.link_topic, 'lane', k.lane,
        'created_unix', extract(epoch from now())::bigint, 'attempt', 0,
        'person', json_build_object('id', p.person_id,
            'email', p.email, 'title', p.title, 'first_name', p.first_name,
            'last_name', p.last_name, 'display_name', p.display_name, 'language', p.language,
            'shares_address', shares_address(p)),
        'establishment', null,
        'courses', json_build_array(c.course_id),
        'ticks', case when k.kind = 'course_alert' then array(
            select i.category_id from tick i
            join course_category x on x.tenant_id = t.tenant_id and x.course_id = c.course_id
                and x.category_id = i.category_id
            where i.tenant_id = t.tenant_id and i.person_id = p.person_id) end,
        'is_urgent', k.lane = 1,
        'booking', case when k.kind <> 'course_alert'
            then booking_json(t.tenant_id, c.course_id, p, null) end,
        'change', case when k.kind = 'course_changed'
            then change_json(t.tenant_id, preview_before(c)) end,
        'roles', case when k.kind in ('course_cancelled', 'course_changed')
            then roles_json(t.tenant_id, c.course_id, p.person_id) end)
$$;
