/* The one table of statements. They are calls of functions, not queries: what a function does is to
 * be read in queue/sql/functions, and tried in psql. */
#include "queue/client/statements.h"

static const struct pg_statement statements[QUEUE_STATEMENTS] = {
    [QUEUE_LISTEN] = {"listen", "do $$begin listen handbell; listen handbell_word; end$$", 0},
    [QUEUE_WORKER_SEEN] = {"worker_seen", "select handbell.worker_seen($1)", 1},
    [QUEUE_DUE_WORK] = {"due_work",
                        "select tenant_id, what, lane, relay from handbell.due_work($1, $2, $3)",
                        3},
    [QUEUE_CLAIM] =
        {"claim",
         "select what, id, epoch, data, (extract(epoch from due) * 1000000)::bigint from "
         "handbell.claim($1, $2, $3, $4, $5, timestamptz 'epoch' + $6 * interval "
         "'1 microsecond', $7)",
         7},
    [QUEUE_MARK] = {"mark",
                    "select message_id, verdict, address, courses"
                    " from handbell.mark($1, $2, $3, $4)",
                    4},
    [QUEUE_RECORD] = {"record",
                      "select message_id, state"
                      " from handbell.record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                      10},
    [QUEUE_IN_FLIGHT_TENANTS] = {"in_flight_tenants",
                                 "select * from handbell.in_flight_tenants($1)", 1},
    [QUEUE_DEAD_WORKERS] = {"dead_workers",
                            "select dead, is_grace_over from handbell.dead_workers($1, $2)", 2},
    [QUEUE_TAKE_OVER] = {"take_over",
                         "select released, uncertain from handbell.take_over($1, $2, $3)", 3},
    [QUEUE_FAN_OUT] = {"fan_out", "select handbell.fan_out($1, $2)", 2},
    [QUEUE_FIRE_RULES] = {"fire_rules", "select handbell.fire_rules($1)", 1},
    [QUEUE_HOUSEKEEP] = {"housekeep", "select handbell.housekeep()", 0},

    [QUEUE_STATUS] = {"queue_status", "select handbell.queue_status()", 0},
    [QUEUE_WHY] = {"why", "select condition, holds, detail from handbell.why($1, $2, $3)", 3},
    [QUEUE_PREVIEW_FACTS] = {"preview_facts",
                             "select what, id, data from handbell.preview_facts($1, $2, $3, $4)",
                             4},
    [QUEUE_TENANT_LIST] = {"tenant_list",
                           "select slug, name, is_live, logins from handbell.tenant_list()", 0},
    [QUEUE_MAIL_DOMAINS] = {"mail_domains",
                            "select slug, is_live, from_domain, bounce_domain"
                            " from handbell.mail_domains()",
                            0},
    [QUEUE_SAFETY_STATUS] = {"safety_status",
                             "select standby_names, commit_waits, is_synced, sees_standbys,"
                             " standbys, synchronous from handbell.safety_status()",
                             0},
    [QUEUE_LIFE_REPORT] = {"life_report",
                           "select is_open, coalesce(reason, ''),"
                           " to_char(began_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'),"
                           " array_to_string(awaited, ' '), count, coalesce(newest, '')"
                           " from handbell.life_report() cross join handbell.lost_doubts()",
                           0},
    [QUEUE_LIFE_ACCEPT] =
        {"life_accept",
         "select case when handbell.life_accept()"
         " then 'the gate is open: what the workers that did not come know is lost'"
         " else 'the gate was open already' end",
         0},
    [QUEUE_GRANT_TENANT] = {"grant_tenant", "select handbell.grant_tenant($1, $2)", 2},
    [QUEUE_REVOKE_TENANT] = {"revoke_tenant", "select handbell.revoke_tenant($1, $2)", 2},
    [QUEUE_GO_LIVE] = {"go_live", "select handbell.go_live($1)", 1},
    [QUEUE_RESTRICT_PERSON] = {"restrict_person", "select handbell.restrict_person($1, $2, $3)", 3},
    [QUEUE_UNRESTRICT_PERSON] = {"unrestrict_person",
                                 "select handbell.unrestrict_person($1, $2, $3)", 3},
    [QUEUE_CANCEL_JOB] = {"cancel_job", "select handbell.cancel_job($1, $2)", 2},
    [QUEUE_RETRY_TENANTS] = {"retry_tenants",
                             "select slug, until from handbell.retry_tenants($1, $2, $3, $4)", 4},
    [QUEUE_RETRY_COUNT] = {"retry_count",
                           "select kind, messages, too_late"
                           " from handbell.retry_count($1, $2, $3, $4, $5, $6)",
                           6},
    [QUEUE_RETRY] = {"retry",
                     "select kind, messages, after, after_id"
                     " from handbell.retry($1, $2, $3, $4, $5, $6, $7, $8)",
                     8},

    [QUEUE_RETENTION_PLAN] =
        {"retention_plan",
         "select tenant_id, tenant, kind, kept_since::date from handbell.retention_plan()", 0},
    [QUEUE_RETENTION_DUE] = {"retention_due", "select handbell.retention_due($1, $2)", 2},
    [QUEUE_RETAIN] = {"retain", "select handbell.retain($1, $2, $3)", 3},
    [QUEUE_DROP_RECORD_MONTH] = {"drop_record_month", "select handbell.drop_record_month($1, $2)",
                                 2},
    [QUEUE_SET_ACTOR] = {"set_actor",
                         "select pg_catalog.set_config('handbell.actor', $1, false),"
                         " pg_catalog.set_config('handbell.reason', $2, false)",
                         2},

    [QUEUE_MIGRATION_LOCK] = {"migration_lock",
                              "select pg_catalog.pg_advisory_xact_lock("
                              "pg_catalog.hashtextextended('handbell migrate', 0))",
                              0},
    [QUEUE_MIGRATION_HAS_SCHEMA] = {"migration_has_schema",
                                    "select pg_catalog.to_regnamespace('handbell') is not null,"
                                    " pg_catalog.to_regclass('handbell.migration') is not null",
                                    0},
    [QUEUE_MIGRATION_LIST] = {"migration_list",
                              "select path, checksum from handbell.migration order by path", 0},
    [QUEUE_MIGRATION_ADD] = {"migration_add",
                             "insert into handbell.migration (path, checksum) values ($1, $2)"
                             " on conflict (path) do update set checksum = excluded.checksum,"
                             " applied_at = excluded.applied_at",
                             2},
};

const struct pg_statement *queue_statement(enum queue_statement statement)
{
    return &statements[statement];
}
