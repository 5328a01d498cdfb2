-- Why a person is, or is not, alerted to a course: each condition of matching, whether it holds, and
-- on what. It reads the same facts as matching and says nothing of behaviour, because none is kept.

create or replace function why_course(p_tenant bigint, c course)
returns table (condition text, holds boolean, detail text)
language sql stable as $$
    values
        ('the tenant is live', handbell.is_live(p_tenant), null),
        ('the course is published', c.status = 'published', c.status),
        ('the course is not private', not c.is_private, null),
        ('the course is not full', not c.is_full, null),
        ('booking is open', coalesce(c.booking_closes_at > now(), true), c.booking_closes_at::text),
        ('the course has not begun', coalesce(c.starts_at > now(), true), c.starts_at::text)
$$;

create or replace function why_ticks(p_tenant bigint, p_course bigint, p_person bigint)
returns table (condition text, holds boolean, detail text)
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
declare
    v_has_subject boolean;
    v_has_audience boolean;
    v_subject text;
    v_audience text;
    v_interest text;
begin
    select coalesce(bool_or(k.kind = 'subject'), false), coalesce(bool_or(k.kind = 'audience'), false),
           string_agg(k.name, ', ' order by k.name) filter (where k.kind = 'subject' and has),
           string_agg(k.name, ', ' order by k.name) filter (where k.kind = 'audience' and has),
           string_agg(k.name, ', ' order by k.name) filter (where k.kind = 'interest' and has)
        into v_has_subject, v_has_audience, v_subject, v_audience, v_interest
        from course_category x
        join category k on k.tenant_id = p_tenant and k.category_id = x.category_id
        cross join lateral (select exists (select from tick i where i.tenant_id = p_tenant
            and i.person_id = p_person and i.category_id = x.category_id)) own (has)
        where x.tenant_id = p_tenant and x.course_id = p_course;
    return query values
        ('a subject is shared', v_subject is not null,
            coalesce(v_subject, case when not v_has_subject then 'the course has no subject' end)),
        ('an audience is shared', v_audience is not null,
            coalesce(v_audience, case when not v_has_audience then 'the course has no audience' end)),
        ('an interest is shared', v_interest is not null, v_interest),
        ('the ticks meet the course',
            v_interest is not null
                or ((v_subject is not null or not v_has_subject)
                    and (v_audience is not null or not v_has_audience)
                    and (v_subject is not null or v_audience is not null)), null);
end $$;

create or replace function why_person(t tenant, p person)
returns table (condition text, holds boolean, detail text)
language sql stable as $$
    values
        ('alerts are on', p.alerts, p.frequency),
        ('the person is active', p.status = 'active', p.status),
        ('the person has an address', p.email is not null, null),
        ('the person is not restricted', not p.is_restricted, null),
        ('the person has not opted out', not exists (select from handbell.opt_out o
            where o.tenant_id = t.tenant_id and o.person_id = p.person_id
              and o.topic in ('alerts', 'optional')),
            (select string_agg(o.topic || ' since ' || o.said_at::date, ', ' order by o.topic)
             from handbell.opt_out o
             where o.tenant_id = t.tenant_id and o.person_id = p.person_id)),
        ('consent is live, or not the basis', t.basis <> 'consent' or p.consent, t.basis),
        ('the address is not suppressed',
            p.email is null or not handbell.is_suppressed(t.tenant_id, p.email), null)
$$;

create or replace function why_both(t tenant, c course, p person)
returns table (condition text, holds boolean, detail text)
language sql stable as $$
    values
        ('the person has no place on the course', not exists (select from handbell.booking b
            where b.tenant_id = t.tenant_id and b.course_id = c.course_id
              and b.person_id = p.person_id
              and (handbell.holds_a_place(b.status) or b.status in ('attended', 'absent'))), null),
        ('the person is not its tutor', not exists (select from handbell.course_tutor u
            where u.tenant_id = t.tenant_id and u.course_id = c.course_id
              and u.person_id = p.person_id), null),
        ('the course is open to the person''s establishment',
            not c.is_restricted_to_some or exists (select from handbell.course_open_to o
                join handbell.person_establishment e on e.tenant_id = t.tenant_id
                    and e.establishment_id = o.establishment_id
                where o.tenant_id = t.tenant_id and o.course_id = c.course_id
                  and e.person_id = p.person_id), null),
        ('no other course of its series was told',
            c.series is null
                or not coalesce((t.rules ->> 'once_per_series')::boolean, false)
                or not exists (select from handbell.match x join handbell.course s
                        on s.tenant_id = t.tenant_id and s.course_id = x.course_id
                    where x.tenant_id = t.tenant_id and x.person_id = p.person_id
                      and s.series = c.series and s.course_id <> c.course_id), c.series)
$$;

-- What became of the match, if there is one.
create or replace function why_matched(p_tenant bigint, p_course bigint, p_person bigint)
returns table (condition text, holds boolean, detail text)
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
declare
    v_match match;
begin
    select * into v_match from match m
        where m.tenant_id = p_tenant and m.course_id = p_course and m.person_id = p_person;
    condition := 'matched';
    holds := v_match.person_id is not null;
    detail := case
        when not holds then null
        when v_match.message_id = 0 then 'told before the tenant went live'
        else coalesce(
            (select concat_ws(': ', r.state, r.reason) || ', message ' || r.message_id
             from message_record r
             where r.tenant_id = p_tenant and r.message_id = v_match.message_id limit 1),
            (select case when m.is_sealed then m.state || ', message ' || m.message_id
                         else 'waiting to be told' end from message m
             where m.tenant_id = p_tenant and m.message_id = v_match.message_id),
            'told; the record of it is no longer kept')
        end;
    return next;
end $$;

create or replace function why(p_tenant text, p_course text, p_person text)
returns table (condition text, holds boolean, detail text)
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint := tenant_id_for(p_tenant);
    t tenant;
    c course;
    p person;
begin
    select * into strict t from tenant where tenant_id = v_tenant;
    select * into c from course where tenant_id = v_tenant and ref = p_course;
    if not found then
        raise exception using errcode = 'HB002', message = format('why: no course "%s"', p_course);
    end if;
    select * into p from person where tenant_id = v_tenant and ref = p_person;
    if not found then
        raise exception using errcode = 'HB002', message = format('why: no person "%s"', p_person);
    end if;
    return query select * from why_course(v_tenant, c);
    return query select * from why_ticks(v_tenant, c.course_id, p.person_id);
    return query select * from why_person(t, p);
    return query select * from why_both(t, c, p);
    return query select * from why_matched(v_tenant, c.course_id, p.person_id);
end $$;
