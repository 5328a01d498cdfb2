-- The domains that tenants send from, for `handbell check`: no address, and no name of a person.

create or replace function mail_domains()
returns table (slug text, is_live boolean, from_domain text, bounce_domain text)
language sql stable security definer set search_path = handbell, pg_temp as $$
    select t.slug, t.is_live, lower(regexp_replace(t.from_address, '^.*@', '')),
           lower(coalesce(t.bounce_domain, ''))
    from handbell.tenant t
    where t.from_address is not null
    order by 3, 4, 1
$$;
