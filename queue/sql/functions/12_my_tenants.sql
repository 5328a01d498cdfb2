-- The tenants that the session's login may see: those granted to it, or all for the schema's owner.

create or replace function my_tenants() returns setof bigint
language sql stable security definer set search_path = handbell, pg_temp as $$
    select s.tenant_id from handbell.tenant_slug s
    where exists (select from handbell.login_tenant l
                  where l.login = session_user and l.slug = s.slug)
       or pg_has_role(session_user,
            (select n.nspowner from pg_namespace n where n.nspname = 'handbell'), 'member')
$$;
