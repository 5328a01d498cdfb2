-- Whose words a caller may state, and the two trails that every change leaves: the numbered changes
-- that a portal follows, and the audit. Knows tenants and logins; nothing of mail.

-- The one way in which a fact is refused. The message names function, ref and key, never the value: it
-- may end in a log. HB001 bad fact, HB002 unknown ref, HB003 not this login's tenant, HB004 not
-- available yet, HB005 a transaction that is isolated too far.
create or replace function refuse(
    p_code text, p_function text, p_ref text, p_key text, p_problem text)
returns void
language plpgsql as $$
begin
    raise exception using errcode = p_code, message =
        p_function || coalesce(' "' || p_ref || '"', '') || ': '
        || coalesce('key "' || p_key || '": ', '') || p_problem;
end $$;

-- What is wrong with a ref; null: nothing.
create or replace function ref_problem(p_ref text) returns text
language sql immutable parallel safe as $$
    select case
        when p_ref is null or p_ref = '' then 'a ref must be given'
        when length(p_ref) > 200 then 'a ref has at most 200 characters'
        when p_ref ~ '[\u0001-\u001f\u007f-\u009f]' then 'a ref holds no control characters'
    end
$$;

create or replace function check_ref(p_function text, p_ref text) returns void
language plpgsql immutable as $$
begin
    if ref_problem(p_ref) is not null then
        perform refuse('HB001', p_function, null, null, ref_problem(p_ref));
    end if;
end $$;

create or replace function check_slug(p_tenant text) returns void
language plpgsql immutable as $$
begin
    if p_tenant is null or p_tenant !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$' then
        perform refuse('HB001', 'tenant', null, null,
            'a tenant''s name has 1 to 63 letters, digits, dots, hyphens and underscores');
    end if;
end $$;

-- May this session act for the tenant? Granted logins, and members of the role that owns the schema.
-- One answer for a foreign tenant and one that does not exist, so that names cannot be probed.
create or replace function check_login(p_tenant text) returns void
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
begin
    if not exists (select from login_tenant where login = session_user and slug = p_tenant)
       and not pg_has_role(session_user, current_user, 'member') then
        perform refuse('HB003', 'tenant', null, null, 'unknown, or not granted to this login');
    end if;
end $$;

create or replace function tenant_id_for(p_tenant text) returns bigint
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint;
begin
    perform check_login(p_tenant);
    select tenant_id into v_tenant from tenant_slug where slug = p_tenant;
    if not found then
        perform refuse('HB002', 'tenant', null, null, 'not stated yet: put_tenant comes first');
    end if;
    return v_tenant;
end $$;

-- Facts are changed at READ COMMITTED alone. A transaction with a snapshot of its own would cancel a course
-- without seeing a place that was booked meanwhile, though it waited for that: nobody would be told.
create or replace function check_isolation() returns void
language plpgsql stable as $$
begin
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        perform refuse('HB005', 'transaction', null, null,
            'facts are changed in a READ COMMITTED transaction, so that none is overlooked');
    end if;
end $$;

-- The same for a call that changes facts: go_live and put_tenant lock the row against these, so that
-- no fact slips between "is the tenant live?" and the answer's being used.
create or replace function tenant_to_change(p_tenant text) returns bigint
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint := tenant_id_for(p_tenant);
begin
    perform check_isolation();
    perform from tenant where tenant_id = v_tenant for key share;
    return v_tenant;
end $$;

-- For the owner alone (90_grants.sql). A grant may come before the tenant itself.
create or replace function grant_tenant(p_login name, p_tenant text) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    perform check_slug(p_tenant);
    if not exists (select from pg_roles where rolname = p_login) then
        perform refuse('HB002', 'grant_tenant', null, null, 'there is no such login');
    end if;
    insert into login_tenant (login, slug) values (p_login, p_tenant) on conflict do nothing;
end $$;

create or replace function revoke_tenant(p_login name, p_tenant text) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    delete from login_tenant where login = p_login and slug = p_tenant;
end $$;

-- A setting that the caller made with set_config, as a short text.
create or replace function stated_setting(p_name text, p_limit integer) returns text
language sql stable as $$
    select left(nullif(current_setting(p_name, true), ''), p_limit)
$$;

-- Who, when and why; evidence that came with the call stands as the reason.
create or replace function add_audit(
    p_tenant bigint, p_what text, p_ref text, p_keys text[], p_evidence text default null)
returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    insert into audit (tenant_id, login, actor, reason, what, ref, keys)
        values (p_tenant, session_user, stated_setting('handbell.actor', 200),
                coalesce(p_evidence, stated_setting('handbell.reason', 500)), p_what, p_ref,
                coalesce(p_keys, '{}'));
end $$;

-- The counter's row stays locked until the end of the transaction: numbers become visible in their
-- order, and a reader who asks for what comes after N never skips one that commits late.
create or replace function add_change(
    p_tenant bigint, p_what text, p_person bigint, p_topic text, p_how text)
returns bigint
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_number bigint;
begin
    insert into change_counter as c (tenant_id, last_number) values (p_tenant, 1)
        on conflict (tenant_id) do update set last_number = c.last_number + 1
        returning last_number into v_number;
    insert into change (tenant_id, number, what, person_ref, topic, how)
        values (p_tenant, v_number, p_what,
                (select ref from person where tenant_id = p_tenant and person_id = p_person),
                p_topic, p_how);
    perform pg_notify('handbell_word', ''); -- into the workers' files at once
    return v_number;
end $$;
