-- What people say for themselves, by a link, a page, a mail or the telephone. No put_* touches it.

-- The words of a tenant take turns by its counter of changes (add_change), which is locked before their
-- people: a click then waits for a portal's transaction with nothing in its hands that this may want.
create or replace function take_turn(p_tenant bigint) returns void
language plpgsql as $$
begin
    perform from change_counter where tenant_id = p_tenant for no key update;
    if not found then
        insert into change_counter (tenant_id) values (p_tenant) on conflict do nothing;
        perform from change_counter where tenant_id = p_tenant for no key update;
    end if;
end $$;

-- As whom a person is known now: whoever merges or removes them is kept off, and with p_is_changed whoever
-- states them. Does not wait for such: lock_not_available.
create or replace function person_kept(p_tenant bigint, p_person bigint, p_is_changed boolean)
returns bigint
language plpgsql as $$
declare
    v_person bigint := p_person;
    v_into bigint;
begin
    loop
        select merged_into into v_into from person
            where tenant_id = p_tenant and person_id = v_person for key share nowait;
        exit when v_into is null;
        v_person := v_into;
    end loop;
    if p_is_changed then
        perform from person
            where tenant_id = p_tenant and person_id = v_person for no key update nowait;
    end if;
    return v_person;
end $$;

-- Waits for those, and holds nothing of it afterwards: what raises an error in a block gives its locks back.
create or replace function await_person(p_tenant bigint, p_person bigint, p_is_changed boolean) returns void
language plpgsql as $$
declare
    v_person bigint := person_now(p_tenant, p_person);
begin
    if p_is_changed then
        perform from person where tenant_id = p_tenant and person_id = v_person for no key update;
    else
        perform from person where tenant_id = p_tenant and person_id = v_person for key share;
    end if;
    raise sqlstate 'HB900';
exception when sqlstate 'HB900' then
    null;
end $$;

-- The turn, and the person as person_kept() has them. Whoever merges or removes people holds these, and
-- may want the turn next: it is given back while they are waited for, and no circle is closed.
create or replace function take_turn_for(p_tenant bigint, p_person bigint, p_is_changed boolean)
returns bigint
language plpgsql as $$
declare
    v_has_turn boolean;
begin
    loop
        v_has_turn := false;
        begin
            perform take_turn(p_tenant);
            v_has_turn := true;
            return person_kept(p_tenant, p_person, p_is_changed);
        exception when lock_not_available then
            if not v_has_turn then
                raise; -- the caller's own patience is over
            end if;
        end;
        perform await_person(p_tenant, p_person, p_is_changed);
    end loop;
end $$;

-- Every door ends here. False: it was said already. The person's row is locked as put_person locks it, so
-- that the copies in tick follow the last word of both. But a portal may hold the row for as long as its
-- import takes, and most mail programs click once: a click does not wait for it. The copies then stay as
-- they are, and mark() reads the word itself.
create or replace function set_opt_out(
    p_tenant bigint, p_person bigint, p_topic text, p_how text, p_evidence text)
returns boolean
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_is_click boolean := p_how in ('one_click', 'page');
    v_person bigint := take_turn_for(p_tenant, p_person, not v_is_click);
begin
    insert into opt_out (tenant_id, person_id, topic, how, evidence)
        values (p_tenant, v_person, p_topic, p_how, p_evidence)
        on conflict (tenant_id, person_id, topic) do nothing;
    if not found then
        return false;
    end if;
    perform from person
        where tenant_id = p_tenant and person_id = v_person for no key update skip locked;
    if found then
        perform refresh_ticks(p_tenant, v_person);
    end if;
    perform note_word(p_tenant, v_person, 'opt_out', p_topic, p_how, p_evidence);
    return true;
end $$;

-- The person's row is locked as put_person locks it, so that the copies in tick follow the last word of
-- both: nothing else would make them right.
create or replace function clear_opt_out(
    p_tenant bigint, p_person bigint, p_topic text, p_how text, p_evidence text)
returns boolean
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_person bigint := take_turn_for(p_tenant, p_person, true);
begin
    delete from opt_out
        where tenant_id = p_tenant and person_id = v_person and topic = p_topic;
    if not found then
        return false;
    end if;
    perform refresh_ticks(p_tenant, v_person);
    perform note_word(p_tenant, v_person, 'opt_in', p_topic, p_how, p_evidence);
    return true;
end $$;

-- Both trails of a person's word: the numbered change and the audit.
create or replace function note_word(
    p_tenant bigint, p_person bigint, p_what text, p_topic text, p_how text, p_evidence text)
returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    perform add_change(p_tenant, p_what, p_person, p_topic, p_how);
    perform add_audit(p_tenant, p_what,
        (select ref from person where tenant_id = p_tenant and person_id = p_person),
        array_remove(array[p_topic], null), p_evidence);
end $$;

-- The person whom a call of the portal names.
create or replace function person_id_for(p_tenant bigint, p_function text, p_ref text)
returns bigint
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
declare
    v_person bigint;
begin
    perform check_ref(p_function, p_ref);
    select person_id into v_person from person
        where tenant_id = p_tenant and ref = p_ref and status <> 'removed';
    if not found then
        perform refuse('HB002', p_function, p_ref, null, 'no person has this ref');
    end if;
    return v_person;
end $$;

create or replace function check_evidence(p_function text, p_ref text, p_evidence text)
returns void
language plpgsql immutable as $$
begin
    if length(p_evidence) > 2000 then
        perform refuse('HB001', p_function, p_ref, 'evidence', 'longer than 2000 characters');
    end if;
end $$;

create or replace function check_topic(p_function text, p_ref text, p_topic text) returns void
language plpgsql immutable as $$
begin
    if p_topic is null or p_topic not in ('alerts', 'bulletin', 'optional') then
        perform refuse('HB001', p_function, p_ref, 'topic', 'must be alerts, bulletin or optional');
    end if;
end $$;

create or replace function opt_out(
    p_tenant text, p_person text, p_topic text, p_evidence text default null)
returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint := tenant_to_change(p_tenant);
    v_person bigint := person_id_for(v_tenant, 'opt_out', p_person);
begin
    perform check_topic('opt_out', p_person, p_topic);
    perform check_evidence('opt_out', p_person, p_evidence);
    return case when set_opt_out(v_tenant, v_person, p_topic, 'portal', p_evidence)
                then 'changed' else 'unchanged' end;
end $$;

create or replace function opt_in(
    p_tenant text, p_person text, p_topic text, p_evidence text default null)
returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint := tenant_to_change(p_tenant);
    v_person bigint := person_id_for(v_tenant, 'opt_in', p_person);
begin
    perform check_topic('opt_in', p_person, p_topic);
    perform check_evidence('opt_in', p_person, p_evidence);
    return case when clear_opt_out(v_tenant, v_person, p_topic, 'portal', p_evidence)
                then 'changed' else 'unchanged' end;
end $$;

-- GDPR article 18: a restricted person gets no mail at all; the record stays as it is.
create or replace function set_restriction(
    p_tenant bigint, p_function text, p_person text, p_is_restricted boolean, p_evidence text)
returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_person bigint := person_id_for(p_tenant, p_function, p_person);
begin
    perform check_evidence(p_function, p_person, p_evidence);
    v_person := take_turn_for(p_tenant, v_person, true);
    update person set is_restricted = p_is_restricted
        where tenant_id = p_tenant and person_id = v_person and is_restricted <> p_is_restricted;
    if not found then
        return 'unchanged';
    end if;
    perform refresh_ticks(p_tenant, v_person);
    perform note_word(p_tenant, v_person, p_function, null, 'portal', p_evidence);
    return 'changed';
end $$;

create or replace function restrict_person(
    p_tenant text, p_person text, p_evidence text default null)
returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    return set_restriction(tenant_to_change(p_tenant), 'restrict_person', p_person, true,
                           p_evidence);
end $$;

create or replace function unrestrict_person(
    p_tenant text, p_person text, p_evidence text default null)
returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    return set_restriction(tenant_to_change(p_tenant), 'unrestrict_person', p_person,
                           false, p_evidence);
end $$;

-- How a dead address is kept: so that the table of them can be read without learning one.
create or replace function address_hash(p_address text) returns bytea
language sql immutable parallel safe as $$
    select sha256(convert_to(lower(p_address), 'UTF8'))
$$;

-- The person's present address may be tried again.
create or replace function lift_suppression(
    p_tenant text, p_person text, p_evidence text default null)
returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint := tenant_to_change(p_tenant);
    v_person bigint := person_id_for(v_tenant, 'lift_suppression', p_person);
begin
    perform check_evidence('lift_suppression', p_person, p_evidence);
    delete from suppression where tenant_id = v_tenant and address_hash = (
        select address_hash(email) from person where tenant_id = v_tenant and person_id = v_person);
    if not found then
        return 'unchanged';
    end if;
    perform note_word(v_tenant, v_person, 'lift_suppression', null, 'portal', p_evidence);
    return 'changed';
end $$;
