-- Who may call what. Nobody has anything but what is listed here (and in 70_pages.sql, for the pages):
-- no role of Handbell reads or writes a table.

revoke all on all tables in schema handbell from public;
revoke all on all sequences in schema handbell from public;
revoke all on all functions in schema handbell from public;
revoke all on schema handbell from public;
grant usage on schema handbell to handbell_portal, handbell_worker, handbell_web,
    handbell_retention;

-- A portal: the contract (docs/portal.md). Each function looks at session_user's tenants first.
grant execute on function
    put_tenant, put_establishment, put_category, put_person, put_course, put_booking, put_many,
    remove, rename_ref, merge_people, go_live, send, cancel_job, release, resend,
    opt_out, opt_in, withdraw, restrict_person, unrestrict_person, erase_person, export_person,
    lift_suppression, why, preview_facts, changes, api_version, my_tenants, tenant_list
to handbell_portal;
grant select on message_report, course_report, not_told, job_report to handbell_portal;

-- A worker: the queue's verbs, every tenant.
grant execute on function
    worker_start, worker_seen, due_work, claim, mark, record, in_flight_tenants, dead_workers,
    worker_reconciled, resume, own_transmitting, settle, life_report, life_accept,
    take_over, fan_out, fire_rules, housekeep, keep_changes, keep_seen, keep_kept, keep_apply,
    keep_resolve, doubts_lost, lost_doubts, queue_status, mail_domains, safety_status,
    relays_say, relay_allow, misplaced, move_messages
to handbell_worker;

-- The nightly retention: it deletes what is old enough by its tenant's word, and reads nothing else.
grant execute on function retention_plan, retain, retention_due, drop_record_month
to handbell_retention;
