-- What a portal does about jobs, and what it reads back; with the functions of the contract that are
-- not available yet, which say so.

-- Urgent mail and all else alike: what still waits is not sent.
create or replace function cancel_job(p_tenant text, p_job bigint) returns integer
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint := tenant_to_change(p_tenant);
    v_revoked integer;
begin
    perform check_job(v_tenant, 'cancel_job', p_job);
    v_revoked := revoke_job(v_tenant, p_job);
    perform add_audit(v_tenant, 'cancel_job', p_job::text, '{}');
    return v_revoked;
end $$;

-- Lets go what the brake held. False: it was not held.
create or replace function release(p_tenant text, p_job bigint) returns boolean
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint := tenant_to_change(p_tenant);
begin
    perform check_job(v_tenant, 'release', p_job);
    if not release_held(v_tenant, p_job) then
        return false;
    end if;
    perform add_audit(v_tenant, 'release', p_job::text, '{}');
    return true;
end $$;

create or replace function check_job(p_tenant bigint, p_function text, p_job bigint) returns void
language plpgsql stable as $$
begin
    if not exists (select from job where tenant_id = p_tenant and job_id = p_job) then
        perform refuse('HB002', p_function, p_job::text, null, 'there is no such job');
    end if;
end $$;

-- What people changed here, in the order in which it became visible: the portal remembers the last
-- number that it has seen. At most 1,000 a call.
create or replace function changes(p_tenant text, p_after bigint)
returns table (number bigint, at timestamptz, what text, person text, topic text, how text)
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint := tenant_id_for(p_tenant);
begin
    return query
        select c.number, c.at, c.what, c.person_ref, c.topic, c.how from change c
        where c.tenant_id = v_tenant and c.number > coalesce(p_after, 0)
          and c.what not in ('alert_doubt', 'name') -- keep_doubts(), keep_name(): for the workers' files alone
        order by c.number limit 1000;
end $$;

create or replace function api_version() returns integer
language sql immutable parallel safe as $$
    select 1
$$;

create or replace function refuse_function(p_tenant text, p_function text, p_ref text) returns void
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    perform check_login(p_tenant);
    perform refuse('HB004', p_function, case when ref_problem(p_ref) is null then p_ref end, null,
                   'not available yet');
end $$;

create or replace function send(p_tenant text, p_kind text, p_key text, p_facts jsonb) returns bigint
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    perform refuse_function(p_tenant, 'send', p_key);
end $$;

create or replace function resend(p_tenant text, p_message bigint) returns bigint
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    perform refuse_function(p_tenant, 'resend', p_message::text);
end $$;

create or replace function withdraw(p_tenant text, p_person text, p_evidence text default null)
returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    perform refuse_function(p_tenant, 'withdraw', p_person);
end $$;

create or replace function erase_person(p_tenant text, p_person text) returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    perform refuse_function(p_tenant, 'erase_person', p_person);
end $$;

create or replace function export_person(p_tenant text, p_person text) returns jsonb
language plpgsql security definer set search_path = handbell, pg_temp as $$
begin
    perform refuse_function(p_tenant, 'export_person', p_person);
end $$;
