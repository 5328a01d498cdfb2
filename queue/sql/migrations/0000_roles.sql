-- The roles that logins are made members of. They belong to the whole cluster, so another database's
-- migration may have made them already, or be making them now.
do $$
declare
    v_role text;
begin
    foreach v_role in array array['handbell_portal', 'handbell_worker', 'handbell_web', 'handbell_page',
                                'handbell_retention']
    loop
        if not exists (select from pg_roles where rolname = v_role) then
            begin
                execute format('create role %I nologin', v_role);
            exception when duplicate_object or unique_violation then
                null; -- made meanwhile
            end;
        end if;
    end loop;
end $$;

comment on schema handbell is 'Handbell: the facts, the queue and the record of course mails';

grant usage on schema handbell to handbell_portal, handbell_worker, handbell_web, handbell_page,
    handbell_retention;
