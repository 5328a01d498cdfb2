-- What a portal states about people. Called per person by put_person, and by put_many in bulk: it is
-- the one statement of facts whose speed a portal feels (docs/portal.md has the figure).

create or replace function put_person(p_tenant text, p_ref text, p_facts jsonb) returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    return store_person(tenant_to_change(p_tenant), p_ref, p_facts);
end $$;

create or replace function store_person(p_tenant bigint, p_ref text, p_facts jsonb) returns text
language plpgsql as $$
declare
    v_facts jsonb := check_facts('put_person', 'person', p_ref, p_facts,
                                contract_of('person'));
    v_old person;
    v_new person;
    v_as_of timestamptz;
    v_changed text[];
begin
    loop
        select * into v_old from person
            where tenant_id = p_tenant and ref = p_ref for no key update;
        exit when found;
        v_new := make_person(p_tenant, p_ref, v_facts);
        if v_new.person_id is not null then
            perform store_person_lists(v_new, v_facts, false);
            perform keep_greet(p_tenant, v_new.person_id);
            perform add_audit(p_tenant, 'put_person', p_ref, stated_keys(v_facts));
            return 'created';
        end if;
    end loop;
    v_as_of := stated_as_of('put_person', p_ref, v_facts, v_old.as_of);
    if v_as_of < v_old.as_of then
        return 'stale';
    elsif v_old.status = 'removed' then
        v_facts := contract_standard('person') || v_facts;
    end if;
    v_new := jsonb_populate_record(v_old, v_facts);
    v_changed := store_person_lists(v_new, v_facts, true);
    if v_new is distinct from v_old then
        v_changed := v_changed || changed_columns(to_jsonb(v_old), to_jsonb(v_new));
    end if;
    if v_changed <> '{}' or v_facts ? 'as_of' then
        v_new.as_of := v_as_of;
        perform write_person(v_new);
    end if;
    if v_changed = '{}' then
        return 'unchanged';
    end if;
    if v_changed && array['email', 'status', 'consent', 'alerts', 'frequency'] then
        perform refresh_ticks(p_tenant, v_old.person_id);
    end if;
    perform add_audit(p_tenant, 'put_person', p_ref, v_changed);
    return case when v_old.status = 'removed' then 'created' else 'changed' end;
end $$;

-- A new row, whole at once; null when another session made it meanwhile.
create or replace function make_person(p_tenant bigint, p_ref text, p_facts jsonb) returns person
language plpgsql as $$
declare
    v_new person := jsonb_populate_record(null::person, contract_standard('person') || p_facts);
begin
    v_new.tenant_id := p_tenant;
    v_new.ref := p_ref;
    v_new.is_restricted := false;
    v_new.as_of := stated_as_of('put_person', p_ref, p_facts);
    v_new.person_id := nextval('handbell.person_person_id_seq');
    insert into person values (v_new.*) on conflict (tenant_id, ref) do nothing;
    if not found then
        return null;
    end if;
    return v_new;
end $$;

create or replace function write_person(p person) returns void
language sql as $$
    update person set
        email = p.email, title = p.title, first_name = p.first_name, last_name = p.last_name,
        display_name = p.display_name, language = p.language, status = p.status,
        consent = p.consent, consented_at = p.consented_at, consent_evidence = p.consent_evidence,
        alerts = p.alerts, frequency = p.frequency, as_of = p.as_of
        where tenant_id = p.tenant_id and person_id = p.person_id
$$;

-- The lists that were stated replace the whole list. Returns the keys that differed.
create or replace function store_person_lists(p person, p_facts jsonb, p_is_known boolean)
returns text[]
language plpgsql as $$
declare
    v_changed text[] := '{}';
    v_ids bigint[];
begin
    if p_facts ? 'establishments' then
        v_ids := establishment_ids(p.tenant_id, 'put_person', p.ref, 'establishments',
                                   p_facts -> 'establishments');
        if store_person_establishments(p.tenant_id, p.person_id, v_ids, p_is_known) then
            v_changed := v_changed || 'establishments'::text;
        end if;
    end if;
    if p_facts ? 'interests' then
        v_ids := category_ids(p.tenant_id, 'put_person', p.ref, 'interests', p_facts -> 'interests');
        if store_ticks(p, v_ids, p_is_known) then
            v_changed := v_changed || 'interests'::text;
        end if;
    end if;
    return v_changed;
end $$;

create or replace function store_person_establishments(
    p_tenant bigint, p_person bigint, p_ids bigint[], p_is_known boolean)
returns boolean
language plpgsql as $$
declare
    v_had bigint[] := '{}';
begin
    if p_is_known then
        v_had := array(select establishment_id from person_establishment
            where tenant_id = p_tenant and person_id = p_person order by establishment_id);
        delete from person_establishment
            where tenant_id = p_tenant and person_id = p_person and establishment_id <> all (p_ids);
    end if;
    insert into person_establishment (tenant_id, person_id, establishment_id)
        select p_tenant, p_person, e from unnest(p_ids) e where e <> all (v_had);
    return v_had <> p_ids;
end $$;

create or replace function store_ticks(p person, p_ids bigint[], p_is_known boolean)
returns boolean
language plpgsql as $$
declare
    v_had bigint[] := '{}';
    v_is_live boolean;
    v_now timestamptz := clock_timestamp();
begin
    if p_is_known then
        v_had := array(select category_id from tick
            where tenant_id = p.tenant_id and person_id = p.person_id order by category_id);
        if v_had = p_ids then
            return false;
        end if;
        delete from tick
            where tenant_id = p.tenant_id and person_id = p.person_id
              and category_id <> all (p_ids);
        if found then
            update person set unticked_at = v_now
                where tenant_id = p.tenant_id and person_id = p.person_id;
        end if;
    end if;
    if p_ids <> '{}' then
        select may_be_alerted(p, basis) into v_is_live from tenant where tenant_id = p.tenant_id;
        insert into tick (tenant_id, category_id, person_id, is_live, frequency)
            select p.tenant_id, c, p.person_id, v_is_live, p.frequency
            from unnest(p_ids) c where c <> all (v_had);
    end if;
    return v_had <> p_ids;
end $$;
