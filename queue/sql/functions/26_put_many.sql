-- Many facts of one kind in one call. Good ones are stored, bad ones reported: an item that is refused
-- leaves nothing behind. Anything else that goes wrong (a deadlock, a lost connection) undoes the call.

create or replace function put_many(p_tenant text, p_kind text, p_items jsonb)
returns table (ref text, outcome text, problem text)
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint := tenant_to_change(p_tenant);
    v_refs text[];
    v_facts jsonb[];
    v_order integer[];
    v_outcomes text[];
    v_problems text[];
    r record;
begin
    perform check_items(p_kind, p_items);
    select coalesce(array_agg(i.ref order by i.n), '{}'), array_agg(i.facts order by i.n),
           array_agg(i.problem order by i.n),
           coalesce(array_agg(i.n order by i.ref collate "C") filter (where i.problem is null), '{}')
        into v_refs, v_facts, v_problems, v_order
        from read_items(p_kind, p_items) i;
    if p_kind = 'booking' then
        perform lock_courses_of(v_tenant, v_refs, p_items);
    end if;
    v_outcomes := array_fill(null::text, array[cardinality(v_refs)]);
    for v_first in 1 .. cardinality(v_order) by 100 loop
        for r in select * from store_chunk(v_tenant, p_kind, v_order[v_first : v_first + 99],
                                           v_refs, v_facts)
        loop
            v_outcomes[r.n] := r.outcome;
            v_problems[r.n] := r.problem;
        end loop;
    end loop;
    return query select u.ref, coalesce(u.outcome, 'refused'), u.problem
        from unnest(v_refs, v_outcomes, v_problems) as u (ref, outcome, problem);
end $$;

create or replace function check_items(p_kind text, p_items jsonb) returns void
language plpgsql immutable as $$
begin
    perform check_kind('put_many', p_kind);
    if jsonb_typeof(p_items) is distinct from 'array' then
        perform refuse('HB001', 'put_many', null, null, 'the items must be a JSON array');
    elsif jsonb_array_length(p_items) > 10000 then
        perform refuse('HB001', 'put_many', null, null, 'more than 10000 items');
    end if;
end $$;

-- Each item's ref and facts, and what is wrong before any fact is looked at.
create or replace function read_items(p_kind text, p_items jsonb)
returns table (n integer, ref text, facts jsonb, problem text)
language sql immutable as $$
    select i.n, case when i.problem is null then i.ref end,
           case when i.problem is null then i.item - 'ref' end,
           'put_' || p_kind || ': ' || coalesce(i.problem, case
               when row_number() over (partition by i.ref order by i.n) > 1
               then 'the ref of an earlier item of this call' end)
        from (
            select o.ordinality::integer as n, o.value as item, o.value ->> 'ref' as ref,
                   case when jsonb_typeof(o.value) <> 'object' then 'an item must be a JSON object'
                        when jsonb_typeof(o.value -> 'ref') is distinct from 'string'
                            then 'key "ref": must be a JSON string'
                        else ref_problem(o.value ->> 'ref') end as problem
            from jsonb_array_elements(p_items) with ordinality o) i
$$;

-- Courses before bookings, and in one order, whatever the order of the bookings' refs.
create or replace function lock_courses_of(p_tenant bigint, p_refs text[], p_items jsonb)
returns void
language plpgsql as $$
begin
    perform from course
        where tenant_id = p_tenant
          and (ref in (select e.value ->> 'course' from jsonb_array_elements(p_items) e)
               or course_id in (select b.course_id from booking b
                                where b.tenant_id = p_tenant and b.ref = any (p_refs)))
        order by ref collate "C" for share;
end $$;

-- A hundred items share one subtransaction; only when one of them is refused are they stored one by
-- one. Ten thousand subtransactions would cost every other session of the server.
create or replace function store_chunk(
    p_tenant bigint, p_kind text, p_order integer[], p_refs text[], p_facts jsonb[])
returns table (n integer, outcome text, problem text)
language plpgsql as $$
declare
    v_outcomes text[] := '{}';
    v_n integer;
begin
    begin
        foreach v_n in array p_order loop
            v_outcomes := v_outcomes || store_fact(p_tenant, p_kind, p_refs[v_n], p_facts[v_n]);
        end loop;
        return query select u.n, u.outcome, null::text
            from unnest(p_order, v_outcomes) as u (n, outcome);
        return;
    exception when sqlstate 'HB001' or sqlstate 'HB002' or sqlstate 'HB004' then
        null; -- which of them it was is found out below
    end;
    foreach v_n in array p_order loop
        n := v_n;
        problem := null;
        begin
            outcome := store_fact(p_tenant, p_kind, p_refs[v_n], p_facts[v_n]);
        exception when sqlstate 'HB001' or sqlstate 'HB002' or sqlstate 'HB004' then
            outcome := 'refused';
            problem := sqlerrm;
        end;
        return next;
    end loop;
end $$;

create or replace function store_fact(p_tenant bigint, p_kind text, p_ref text, p_facts jsonb)
returns text
language plpgsql as $$
begin
    return case p_kind
        when 'person' then store_person(p_tenant, p_ref, p_facts)
        when 'booking' then store_booking(p_tenant, p_ref, p_facts)
        when 'course' then store_course(p_tenant, p_ref, p_facts)
        when 'establishment' then store_establishment(p_tenant, p_ref, p_facts)
        when 'category' then store_category(p_tenant, p_ref, p_facts)
    end;
end $$;
