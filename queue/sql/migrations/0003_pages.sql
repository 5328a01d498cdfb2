-- What the pages may see: the functions that serve them belong to handbell_page, a role nobody can log
-- in as, and this is all it can reach. It owns no table, so row-level security always holds for it: a
-- page function that named the wrong tenant, or none, would find nothing.

grant usage on schema handbell to handbell_page, handbell_web;

grant select (tenant_id, name, base_url, privacy_url, dpo_contact) on tenant to handbell_page;
grant select (tenant_id, person_id, status, title, first_name, last_name, display_name)
    on person to handbell_page;
grant select (tenant_id, person_id, topic, how) on opt_out to handbell_page;

create policy page_tenant on tenant for select to handbell_page
    using (tenant_id = nullif(current_setting('handbell.tenant_id', true), '')::bigint);
create policy page_person on person for select to handbell_page
    using (tenant_id = nullif(current_setting('handbell.tenant_id', true), '')::bigint);
create policy page_opt_out on opt_out for select to handbell_page
    using (tenant_id = nullif(current_setting('handbell.tenant_id', true), '')::bigint);

alter table tenant enable row level security;
alter table person enable row level security;
alter table opt_out enable row level security;
