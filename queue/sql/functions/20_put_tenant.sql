-- What a portal states about its tenant, its establishments and its categories.
--
-- Every put_* goes the same way: check the facts, lock the row (or make it), leave it alone when newer
-- facts are there, lay the facts over it, store only what differs, write the audit, tell what follows
-- from it. The answer is 'created', 'changed', 'unchanged' or 'stale'.

create or replace function put_tenant(p_tenant text, p_facts jsonb) returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_facts jsonb;
    v_old tenant;
    v_new tenant;
    v_as_of timestamptz;
    v_is_new boolean;
    v_changed text[];
begin
    perform check_slug(p_tenant);
    perform check_login(p_tenant);
    perform check_isolation();
    v_facts := check_facts('put_tenant', 'tenant', p_tenant, p_facts,
                                contract_of('tenant'));
    v_is_new := make_tenant(p_tenant);
    select t.* into strict v_old
        from tenant_slug s join tenant t on t.tenant_id = s.tenant_id
        where s.slug = p_tenant for update of t;
    v_as_of := stated_as_of('put_tenant', p_tenant, v_facts, v_old.as_of);
    if v_as_of < v_old.as_of then
        return 'stale';
    end if;
    v_new := jsonb_populate_record(v_old, v_facts);
    v_new.as_of := v_as_of;
    perform check_tenant_can_mail('put_tenant', v_new);
    if v_facts ? 'relay' then
        perform check_tenant_relay('put_tenant', v_new);
    end if;
    v_changed := changed_columns(to_jsonb(v_old), to_jsonb(v_new));
    if v_changed <> '{}' or v_is_new or v_facts ? 'as_of' then
        perform write_tenant(v_new);
    end if;
    if v_is_new then
        perform add_audit(v_new.tenant_id, 'put_tenant', p_tenant, v_changed);
        return 'created';
    elsif v_changed = '{}' then
        return 'unchanged';
    end if;
    perform add_audit(v_new.tenant_id, 'put_tenant', p_tenant, v_changed);
    perform imply_tenant(v_new.tenant_id, v_changed);
    return 'changed';
end $$;

-- True: this call made it. Two at once both get one and the same tenant.
create or replace function make_tenant(p_tenant text) returns boolean
language plpgsql as $$
declare
    v_tenant bigint;
begin
    if exists (select from tenant_slug where slug = p_tenant) then
        return false;
    end if;
    insert into tenant_slug (slug) values (p_tenant)
        on conflict (slug) do nothing returning tenant_id into v_tenant;
    if not found then
        return false;
    end if;
    insert into tenant (tenant_id, slug, as_of) values (v_tenant, p_tenant, '-infinity');
    perform keep_greet_tenant(v_tenant, p_tenant);
    return true;
end $$;

create or replace function write_tenant(t tenant) returns void
language sql as $$
    update tenant set
        name = t.name, from_name = t.from_name, from_address = t.from_address,
        reply_to = t.reply_to, dpo_contact = t.dpo_contact, privacy_url = t.privacy_url,
        postal_address = t.postal_address, base_url = t.base_url, bounce_domain = t.bounce_domain,
        language = t.language, time_zone = t.time_zone, basis = t.basis, settle = t.settle,
        send_window = t.send_window, holidays = t.holidays, rules = t.rules, brand = t.brand,
        retention = t.retention, relay = t.relay, as_of = t.as_of
        where tenant_id = t.tenant_id
$$;

-- A live tenant keeps what no mail can do without.
create or replace function check_tenant_can_mail(p_function text, t tenant) returns void
language plpgsql immutable as $$
declare
    v_missing text := case when t.name is null then 'name'
                           when t.from_address is null then 'from_address'
                           when t.base_url is null then 'base_url' end;
begin
    if t.is_live and v_missing is not null then
        perform refuse('HB001', p_function, t.slug, v_missing,
                       'a tenant that is live cannot do without it');
    end if;
end $$;

-- All its mail would wait for a relay whose name is misspelt.
create or replace function check_tenant_relay(p_function text, t tenant) returns void
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
begin
    if t.relay is not null and not exists (select from relay r where r.name = t.relay) then
        perform refuse('HB001', p_function, t.slug, 'relay', 'no worker has told of a relay of this name');
    end if;
end $$;

-- All that is present counts as told; from now on facts have consequences.
create or replace function go_live(p_tenant text) returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint := tenant_id_for(p_tenant);
    t tenant;
begin
    perform check_isolation();
    -- FOR UPDATE waits for every put_* that has seen the tenant as not live.
    select * into strict t from tenant where tenant_id = v_tenant for update;
    if t.is_live then
        return 'unchanged';
    end if;
    t.is_live := true;
    perform check_tenant_can_mail('go_live', t);
    update tenant set is_live = true where tenant_id = v_tenant;
    perform tenant_went_live(v_tenant);
    perform add_audit(v_tenant, 'go_live', p_tenant, '{}');
    return 'changed';
end $$;

create or replace function put_establishment(p_tenant text, p_ref text, p_facts jsonb) returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    return store_establishment(tenant_to_change(p_tenant), p_ref, p_facts);
end $$;

create or replace function put_category(p_tenant text, p_ref text, p_facts jsonb) returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    return store_category(tenant_to_change(p_tenant), p_ref, p_facts);
end $$;
