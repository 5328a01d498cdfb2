-- Two records of one person become one. What the two said themselves adds up, the stricter word wins;
-- what was on its way to either still arrives, once.

create or replace function merge_people(p_tenant text, p_keep text, p_gone text) returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint := tenant_to_change(p_tenant);
    v_keep bigint := person_id_for(v_tenant, 'merge_people', p_keep);
    v_gone bigint := person_id_for(v_tenant, 'merge_people', p_gone);
begin
    if v_keep = v_gone then
        perform refuse('HB001', 'merge_people', p_keep, null, 'one ref named twice');
    end if;
    -- As fan_out does: it must not store a match or an alert of the one while the other's become theirs.
    perform from tenant where tenant_id = v_tenant for no key update;
    perform lock_courses_of_person(v_tenant, v_gone);
    -- FOR UPDATE waits for whoever gives one of them a place now; and that may be on another course.
    perform from person where tenant_id = v_tenant and person_id in (v_keep, v_gone)
        order by person_id for update;
    perform check_still_kept(v_tenant, v_keep, p_keep);
    perform check_still_kept(v_tenant, v_gone, p_gone);
    perform lock_courses_of_person(v_tenant, v_gone);
    perform merge_word(v_tenant, v_keep, v_gone);
    perform merge_places(v_tenant, v_keep, v_gone);
    perform merge_mail(v_tenant, v_keep, v_gone);
    perform clear_person(v_tenant, v_gone, null);
    update person set merged_into = v_keep
        where tenant_id = v_tenant and (person_id = v_gone or merged_into = v_gone);
    perform refresh_ticks(v_tenant, v_keep);
    perform keep_name(v_tenant, 'person', p_gone, p_keep, true);
    perform add_audit(v_tenant, 'merge_people', p_keep, '{}');
    perform add_audit(v_tenant, 'merged_away', p_gone, '{}');
    return 'changed';
end $$;

-- Somebody may have been removed, renamed or merged away since their ref was looked up.
create or replace function check_still_kept(p_tenant bigint, p_person bigint, p_ref text) returns void
language plpgsql as $$
begin
    if not exists (select from person where tenant_id = p_tenant and person_id = p_person
                   and ref = p_ref and status <> 'removed') then
        perform refuse('HB002', 'merge_people', p_ref, null, 'no person has this ref');
    end if;
end $$;

-- A cancellation either finds the place under the old name or under the new one, never neither.
create or replace function lock_courses_of_person(p_tenant bigint, p_person bigint) returns void
language plpgsql as $$
begin
    perform from course where tenant_id = p_tenant and course_id in (
            select course_id from booking where tenant_id = p_tenant and person_id = p_person
            union
            select course_id from booking where tenant_id = p_tenant and booked_by = p_person
            union
            select course_id from course_tutor where tenant_id = p_tenant and person_id = p_person)
        order by ref collate "C" for share;
end $$;

create or replace function merge_word(p_tenant bigint, p_keep bigint, p_gone bigint) returns void
language plpgsql as $$
begin
    insert into opt_out (tenant_id, person_id, topic, said_at, how, evidence)
        select p_tenant, p_keep, topic, said_at, how, evidence
        from opt_out where tenant_id = p_tenant and person_id = p_gone
        on conflict (tenant_id, person_id, topic) do nothing;
    delete from opt_out where tenant_id = p_tenant and person_id = p_gone;
    update person set is_restricted = true
        where tenant_id = p_tenant and person_id = p_keep and not is_restricted
          and exists (select from person g
                      where g.tenant_id = p_tenant and g.person_id = p_gone and g.is_restricted);
end $$;

create or replace function merge_places(p_tenant bigint, p_keep bigint, p_gone bigint) returns void
language plpgsql as $$
begin
    update booking set person_id = p_keep where tenant_id = p_tenant and person_id = p_gone;
    update booking set booked_by = p_keep where tenant_id = p_tenant and booked_by = p_gone;
    insert into course_tutor (tenant_id, course_id, person_id)
        select p_tenant, course_id, p_keep
        from course_tutor where tenant_id = p_tenant and person_id = p_gone
        on conflict do nothing;
    delete from course_tutor where tenant_id = p_tenant and person_id = p_gone;
    insert into person_establishment (tenant_id, person_id, establishment_id)
        select p_tenant, p_keep, establishment_id
        from person_establishment where tenant_id = p_tenant and person_id = p_gone
        on conflict do nothing;
end $$;

-- Of the two alerts that wait, where each has one, the first takes over what the second tells.
create or replace function merge_alerts(p_tenant bigint, p_keep bigint, p_gone bigint) returns void
language plpgsql as $$
declare
    v_kept message;
    v_lost message;
begin
    perform from message m where m.tenant_id = p_tenant and m.person_id in (p_keep, p_gone)
        and not m.is_sealed order by m.message_id for update;
    select * into v_kept from message m
        where m.tenant_id = p_tenant and m.person_id = p_keep and not m.is_sealed;
    if not found then
        return;
    end if;
    select * into v_lost from message m
        where m.tenant_id = p_tenant and m.person_id = p_gone and not m.is_sealed;
    if found then
        perform revoke_messages(p_tenant, array[v_lost.message_id], 'merged');
        update match set message_id = v_kept.message_id
            where tenant_id = p_tenant and course_id = any (v_lost.courses) and person_id = p_gone;
    end if;
    -- Whoever is kept is not told anew of what the other was told.
    delete from match k
        where k.tenant_id = p_tenant and k.course_id = any (v_kept.courses)
          and k.person_id = p_keep
          and exists (select from match g where g.tenant_id = p_tenant
                      and g.course_id = k.course_id and g.person_id = p_gone
                      and g.message_id <> v_kept.message_id);
    update message set courses = v_kept.courses || v_lost.courses
        where tenant_id = p_tenant and message_id = v_kept.message_id;
end $$;

create or replace function merge_mail(p_tenant bigint, p_keep bigint, p_gone bigint) returns void
language plpgsql as $$
begin
    -- Of what both were to hear, the one that is kept hears it.
    perform revoke_messages(p_tenant, array(
        select g.message_id from job_recipient g join job_recipient k
                on k.tenant_id = p_tenant and k.job_id = g.job_id and k.person_id = p_keep
            where g.tenant_id = p_tenant and g.person_id = p_gone
              and g.job_id in (select m.job_id from message m
                               where m.tenant_id = p_tenant and m.person_id in (p_keep, p_gone))
        union -- unless the other was told already
        select k.message_id from job_recipient g join job_recipient k
                on k.tenant_id = p_tenant and k.job_id = g.job_id and k.person_id = p_keep
            where g.tenant_id = p_tenant and g.person_id = p_gone
              and exists (select from message_record r where r.tenant_id = p_tenant
                          and r.message_id = g.message_id and r.state = 'sent')), 'merged');
    perform merge_alerts(p_tenant, p_keep, p_gone);
    -- What is on the wire too: it may come back to be tried again.
    update message set person_id = p_keep
        where tenant_id = p_tenant and person_id = p_gone;
    update job_recipient g set person_id = p_keep
        where g.tenant_id = p_tenant and g.person_id = p_gone
          and not exists (select from job_recipient k where k.tenant_id = p_tenant
                          and k.job_id = g.job_id and k.person_id = p_keep);
    update match g set person_id = p_keep
        where g.tenant_id = p_tenant and g.person_id = p_gone
          and not exists (select from match k where k.tenant_id = p_tenant
                          and k.course_id = g.course_id and k.person_id = p_keep);
    delete from match where tenant_id = p_tenant and person_id = p_gone;
    -- An alert tells what is matched for it, and no longer what another told.
    update message m
        set courses = array(
            select x.course_id from match x where x.tenant_id = p_tenant
                and x.course_id = any (m.courses) and x.person_id = p_keep
                and x.message_id = m.message_id
            order by x.course_id)
        where m.tenant_id = p_tenant and m.person_id = p_keep and m.job_id is null;
    update message_record set person_id = p_keep
        where tenant_id = p_tenant and person_id = p_gone;
end $$;
