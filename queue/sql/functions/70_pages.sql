-- What the public pages ask and say: the opt-out behind the signed link of a mail. `handbell web` has
-- believed the token's signature; what is looked at here is whether its person and tenant are still
-- there, and whether the page was opened under the host of another tenant. handbell_web may call the
-- page_* functions and nothing else; they run as handbell_page (migrations/0003_pages.sql).

-- The host of an address or of a Host header, comparable: lower case, no default port.
create or replace function host_of(p_text text) returns text
language sql immutable parallel safe as $$
    select regexp_replace(lower(regexp_replace(p_text, '^[A-Za-z]+://|[/?#].*$', '', 'g')),
                          '\.?(:80|:443)?$', '')
$$;

-- Is this the host of some other tenant's pages, and not of this one's? Asked across tenants, which
-- handbell_page cannot; so this one runs as the owner.
create or replace function is_foreign_host(p_tenant bigint, p_host text) returns boolean
language sql stable security definer set search_path = handbell, pg_temp as $$
    select coalesce(bool_or(t.tenant_id <> p_tenant) and not bool_or(t.tenant_id = p_tenant), false)
    from handbell.tenant t where handbell.host_of(t.base_url) = handbell.host_of(p_host)
$$;

-- Is a mail that this opt-out stops on the wire, or may mark() have looked before the opt-out? Call it
-- in a transaction that began after the opt-out was committed. A claimed row that can be locked, and is
-- still claimed, will be looked at later, and then the opt-out is seen. One that cannot be locked is
-- being marked by somebody who may have looked before. Nobody is waited for here: a lock that waits
-- could close a circle with mark(), which locks many rows.
create or replace function is_in_flight(p_tenant bigint, p_person bigint, p_topic text)
returns boolean
language sql volatile security definer set search_path = handbell, pg_temp as $$
    with seen as materialized (
        select m.message_id, m.state
        from handbell.message m join handbell.kind k on k.kind = m.kind
        where m.tenant_id = p_tenant and m.person_id = p_person
          and m.state in ('claimed', 'transmitting')
          and (k.topic = p_topic or (p_topic = 'optional' and k.topic is not null))
    ), still_claimed as materialized (
        select m.message_id from handbell.message m
        where m.tenant_id = p_tenant and m.person_id = p_person and m.state = 'claimed'
        for share skip locked
    )
    select exists (select from seen s where s.state = 'transmitting'
                   or s.message_id not in (select c.message_id from still_claimed c))
$$;

-- Who a token's person is now: records may have been merged since its mail was sent. Asked by number
-- and as the owner, for handbell_page sees no merged record.
create or replace function person_now(p_tenant bigint, p_person bigint) returns bigint
language sql stable security definer set search_path = handbell, pg_temp as $$
    select coalesce(p.merged_into, p.person_id) from handbell.person p
    where p.tenant_id = p_tenant and p.person_id = p_person
$$;

-- May this token's holder act, and for whom? Null: no. And from here on row-level security knows the
-- tenant.
create or replace function page_person(p_tenant bigint, p_person bigint, p_host text) returns bigint
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    perform set_config('handbell.tenant_id', p_tenant::text, true);
    return (select person_id from person
            where tenant_id = p_tenant and person_id = person_now(p_tenant, p_person)
              and status <> 'removed' and not is_foreign_host(p_tenant, p_host));
end $$;

-- What the page shows. No row: the link is refused. is_stopped: the topic is off, by this opt-out or by
-- the one of all optional mail. is_undoable: it was said through a link, and so a link may undo it; what
-- was said to the portal or by mail is not undone by a link in an old mail.
create or replace function page_opt_out_view(
    p_tenant bigint, p_person bigint, p_topic text, p_host text)
returns table (tenant_name text, privacy_url text, contact text, person_name text,
               is_stopped boolean, is_undoable boolean)
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_person bigint := page_person(p_tenant, p_person, p_host);
begin
    return query
    select t.name, t.privacy_url, t.dpo_contact,
           coalesce(nullif(p.display_name, ''), nullif(concat_ws(' ', p.first_name, p.last_name), '')),
           exists (select from opt_out o where o.tenant_id = p_tenant and o.person_id = v_person
                   and o.topic in (p_topic, 'optional')),
           exists (select from opt_out o where o.tenant_id = p_tenant and o.person_id = v_person
                   and o.topic = p_topic and o.how in ('one_click', 'page'))
    from person p join tenant t on t.tenant_id = p_tenant
    where p.tenant_id = p_tenant and p.person_id = v_person;
end $$;

-- 'stopped', 'unchanged' (it was already), or null: refused. p_how: 'one_click' or 'page'.
create or replace function page_opt_out(
    p_tenant bigint, p_person bigint, p_topic text, p_how text, p_host text)
returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_person bigint := page_person(p_tenant, p_person, p_host);
begin
    if p_how not in ('one_click', 'page') or v_person is null then
        return null;
    end if;
    return case when set_opt_out(p_tenant, v_person, p_topic, p_how, null)
                then 'stopped' else 'unchanged' end;
end $$;

-- Takes back what was said through a link about this very topic: 'restored', 'unchanged' (there was
-- no such word), or null: refused.
create or replace function page_opt_in(
    p_tenant bigint, p_person bigint, p_topic text, p_host text)
returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_person bigint := page_person(p_tenant, p_person, p_host);
begin
    if v_person is null then
        return null;
    end if;
    if not exists (select from opt_out where tenant_id = p_tenant and person_id = v_person
                   and topic = p_topic and how in ('one_click', 'page')) then
        return 'unchanged';
    end if;
    return case when clear_opt_out(p_tenant, v_person, p_topic, 'page', null)
                then 'restored' else 'unchanged' end;
end $$;

-- Must the answer to an opt-out that is committed still wait?
create or replace function page_in_flight(p_tenant bigint, p_person bigint, p_topic text)
returns boolean
language sql volatile security definer set search_path = handbell, pg_temp as $$
    select handbell.is_in_flight(p_tenant, handbell.person_now(p_tenant, p_person), p_topic)
$$;

-- The role that runs this file owns the schema, not the page functions: it hands them over. An owner
-- must have CREATE on the schema at that moment, and never again.
do $$
declare
    v_function text;
begin
    if not pg_has_role(current_user, 'handbell_page', 'member') then
        execute format('grant handbell_page to %I', current_user);
    end if;
    grant create on schema handbell to handbell_page;
    foreach v_function in array array[
        'page_person(bigint, bigint, text)',
        'page_opt_out_view(bigint, bigint, text, text)',
        'page_opt_out(bigint, bigint, text, text, text)',
        'page_opt_in(bigint, bigint, text, text)',
        'page_in_flight(bigint, bigint, text)'] loop
        execute format('alter function %s owner to handbell_page', v_function);
    end loop;
    revoke create on schema handbell from handbell_page;
end $$;

grant execute on function
    is_foreign_host(bigint, text),
    person_now(bigint, bigint),
    is_in_flight(bigint, bigint, text),
    set_opt_out(bigint, bigint, text, text, text),
    clear_opt_out(bigint, bigint, text, text, text)
to handbell_page;

grant execute on function
    page_opt_out_view(bigint, bigint, text, text),
    page_opt_out(bigint, bigint, text, text, text),
    page_opt_in(bigint, bigint, text, text),
    page_in_flight(bigint, bigint, text)
to handbell_web;
