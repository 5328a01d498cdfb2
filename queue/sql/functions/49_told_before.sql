-- Was it told before the database was restored? Asked by mark() for each batch, and answered at once
-- where no restore was: then told_before is empty.

-- What these messages would say, and by which facts. Alerts are matches, and not asked about.
create or replace function told_parts(p_tenant bigint, p_ids bigint[])
returns table (message_id bigint, class text, subject text, recipient text, said text,
               stated_at timestamptz, created_at timestamptz, is_on_its_way boolean)
language sql stable as $$
    select x.message_id, handbell.keep_class(x.kind, x.booking),
           coalesce(x.booking, split_part(x.course, '.', 1), ''), x.recipient,
           handbell.keep_said(x.kind, x.course), x.stated_at, x.created_at,
           x.state = 'transmitting'
    from (
        select m.message_id, m.kind, m.created_at, m.state,
               handbell.keep_digest(kk.key, t.slug, 'booking', b.ref) as booking,
               handbell.keep_course(kk.key, t.slug, c) as course,
               coalesce(handbell.keep_digest(kk.key, t.slug, 'person', p.ref),
                        handbell.keep_digest(kk.key, t.slug, 'establishment', e.ref)) as recipient,
               coalesce(b.as_of, c.as_of) as stated_at
        from handbell.message m
        cross join handbell.keep_key kk
        join handbell.tenant t on t.tenant_id = p_tenant
        join handbell.job j on j.tenant_id = p_tenant and j.job_id = m.job_id
        left join handbell.course c on c.tenant_id = p_tenant and c.course_id = j.course_id
        left join handbell.booking b on b.tenant_id = p_tenant and b.booking_id = j.booking_id
        left join handbell.person p on p.tenant_id = p_tenant and p.person_id = m.person_id
        left join handbell.establishment e on e.tenant_id = p_tenant
            and e.establishment_id = m.establishment_id
        where m.tenant_id = p_tenant and m.message_id = any (p_ids)) x
$$;

-- Those of them whose recipients know it. Null: nothing is known of any. A message that is older than
-- something told later of the same matter is old news; else it must say the same, and either be what was
-- told last, or follow from a fact that was stated before then (a portal that states its history again).
create or replace function told_already(p_tenant bigint, p_ids bigint[]) returns bigint[]
language plpgsql stable as $$
begin
    if not exists (select from told_before where tenant_id = p_tenant) then
        return null;
    end if;
    return array(
        select m.message_id from told_parts(p_tenant, p_ids) m
        where exists (
            select from told_before b
            where b.tenant_id = p_tenant and b.class = m.class and b.subject = m.subject
              and b.recipient = m.recipient and b.expires_at > now()
              and (m.created_at < b.told_at
                   or b.said = m.said and (m.stated_at <= b.told_at
                        or not b.has_moved_on and not exists (
                            select from told_before l
                            where l.tenant_id = p_tenant and l.class = m.class
                              and l.subject = m.subject and l.recipient = m.recipient
                              and l.told_at > b.told_at)))));
end $$;

-- Of these, those that are being sent are what their recipients know from now on: the same as before the
-- restore is news again.
create or replace function told_anew(p_tenant bigint, p_ids bigint[]) returns void
language sql as $$
    update told_before b set has_moved_on = true
        from told_parts(p_tenant, p_ids) m
        where m.is_on_its_way and b.tenant_id = p_tenant and b.class = m.class
          and b.subject = m.subject and b.recipient = m.recipient and not b.has_moved_on
$$;

-- What is past its time is of no use.
create or replace function told_forget() returns void
language sql security definer set search_path = handbell, pg_temp as $$
    delete from handbell.told_before where expires_at <= now();
    delete from handbell.lost_doubt where noted_at < now() - interval '60 days'
$$;
