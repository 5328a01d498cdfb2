-- Establishments and categories, and how refs in facts are found. What put_* of 20_put_tenant.sql and
-- put_many call; the tenant and the login are checked by then.

create or replace function store_establishment(p_tenant bigint, p_ref text, p_facts jsonb)
returns text
language plpgsql as $$
declare
    v_facts jsonb := check_facts('put_establishment', 'establishment', p_ref, p_facts,
                                contract_of('establishment'));
    v_old establishment;
    v_new establishment;
    v_as_of timestamptz;
    v_changed text[];
begin
    loop
        select * into v_old from establishment
            where tenant_id = p_tenant and ref = p_ref for no key update;
        exit when found;
        v_new := jsonb_populate_record(null::establishment,
                                       contract_standard('establishment') || v_facts);
        insert into establishment (tenant_id, ref, name, urgent_email, status, as_of)
            values (p_tenant, p_ref, v_new.name, v_new.urgent_email, v_new.status,
                    stated_as_of('put_establishment', p_ref, v_facts))
            on conflict (tenant_id, ref) do nothing;
        if found then
            perform add_audit(p_tenant, 'put_establishment', p_ref, stated_keys(v_facts));
            return 'created';
        end if;
    end loop;
    v_as_of := stated_as_of('put_establishment', p_ref, v_facts, v_old.as_of);
    if v_as_of < v_old.as_of then
        return 'stale';
    end if;
    v_new := jsonb_populate_record(v_old, v_facts);
    v_changed := changed_columns(to_jsonb(v_old), to_jsonb(v_new));
    if v_changed <> '{}' or v_facts ? 'as_of' then
        update establishment
            set name = v_new.name, urgent_email = v_new.urgent_email, status = v_new.status,
                as_of = v_as_of
            where tenant_id = p_tenant and establishment_id = v_old.establishment_id;
    end if;
    if v_changed = '{}' then
        return 'unchanged';
    end if;
    perform add_audit(p_tenant, 'put_establishment', p_ref, v_changed);
    return 'changed';
end $$;

create or replace function store_category(p_tenant bigint, p_ref text, p_facts jsonb) returns text
language plpgsql as $$
declare
    v_facts jsonb := check_facts('put_category', 'category', p_ref, p_facts,
                                contract_of('category'));
    v_old category;
    v_new category;
    v_as_of timestamptz;
    v_changed text[];
begin
    loop
        select * into v_old from category
            where tenant_id = p_tenant and ref = p_ref for no key update;
        exit when found;
        v_new := jsonb_populate_record(null::category, contract_standard('category') || v_facts);
        if v_new.kind is null then
            perform refuse('HB001', 'put_category', p_ref, 'kind', 'must be given at first sight');
        end if;
        insert into category (tenant_id, ref, kind, name, status, as_of)
            values (p_tenant, p_ref, v_new.kind, v_new.name, v_new.status,
                    stated_as_of('put_category', p_ref, v_facts))
            on conflict (tenant_id, ref) do nothing;
        if found then
            perform add_audit(p_tenant, 'put_category', p_ref, stated_keys(v_facts));
            return 'created';
        end if;
    end loop;
    v_as_of := stated_as_of('put_category', p_ref, v_facts, v_old.as_of);
    if v_as_of < v_old.as_of then
        return 'stale';
    end if;
    v_new := jsonb_populate_record(v_old, v_facts);
    v_changed := changed_columns(to_jsonb(v_old), to_jsonb(v_new));
    if v_changed <> '{}' or v_facts ? 'as_of' then
        update category
            set kind = v_new.kind, name = v_new.name, status = v_new.status, as_of = v_as_of
            where tenant_id = p_tenant and category_id = v_old.category_id;
    end if;
    if v_changed = '{}' then
        return 'unchanged';
    end if;
    perform add_audit(p_tenant, 'put_category', p_ref, v_changed);
    return 'changed';
end $$;

-- The keys that were stated about something new. (plpgsql: a function of SQL with a query inside is
-- planned at each call, 60 us of it.)
create or replace function stated_keys(p_facts jsonb) returns text[]
language plpgsql immutable parallel safe as $$
begin
    return array(select k from jsonb_object_keys(p_facts) k where k not in ('as_of', 'quiet')
                 order by k);
end $$;

-- The ids behind a list of refs, sorted, each once. One look-up a ref: whatever the planner believes of
-- a table's size, it has a unique index to go by.
create or replace function category_ids(
    p_tenant bigint, p_function text, p_ref text, p_key text, p_list jsonb)
returns bigint[]
language plpgsql as $$
declare
    v_ids bigint[] := '{}';
    v_id bigint;
    v_wanted text;
begin
    for v_wanted in select e from jsonb_array_elements_text(p_list) e loop
        select category_id into v_id from category where tenant_id = p_tenant and ref = v_wanted;
        if not found then
            perform refuse_missing(p_function, p_ref, p_key, 'category', v_wanted);
        end if;
        v_ids := v_ids || v_id;
    end loop;
    return sorted_ids(v_ids);
end $$;

create or replace function establishment_ids(
    p_tenant bigint, p_function text, p_ref text, p_key text, p_list jsonb)
returns bigint[]
language plpgsql as $$
declare
    v_ids bigint[] := '{}';
    v_id bigint;
    v_wanted text;
begin
    for v_wanted in select e from jsonb_array_elements_text(p_list) e loop
        select establishment_id into v_id from establishment
            where tenant_id = p_tenant and ref = v_wanted;
        if not found then
            perform refuse_missing(p_function, p_ref, p_key, 'establishment', v_wanted);
        end if;
        v_ids := v_ids || v_id;
    end loop;
    return sorted_ids(v_ids);
end $$;

create or replace function person_ids(
    p_tenant bigint, p_function text, p_ref text, p_key text, p_list jsonb)
returns bigint[]
language plpgsql as $$
declare
    v_ids bigint[] := '{}';
    v_id bigint;
    v_wanted text;
begin
    for v_wanted in select e from jsonb_array_elements_text(p_list) e loop
        select person_id into v_id from person
            where tenant_id = p_tenant and ref = v_wanted and status <> 'removed';
        if not found then
            perform refuse_missing(p_function, p_ref, p_key, 'person', v_wanted);
        end if;
        v_ids := v_ids || v_id;
    end loop;
    return sorted_ids(v_ids);
end $$;

create or replace function sorted_ids(p_ids bigint[]) returns bigint[]
language plpgsql immutable parallel safe as $$
begin
    return case when cardinality(p_ids) < 2 then p_ids
                else array(select distinct i from unnest(p_ids) i order by i) end;
end $$;

create or replace function refuse_missing(
    p_function text, p_ref text, p_key text, p_what text, p_wanted text)
returns void
language plpgsql as $$
begin
    perform refuse('HB002', p_function, p_ref, p_key,
                   'no ' || p_what || ' has the ref "' || p_wanted || '"');
end $$;
