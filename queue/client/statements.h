/* Every statement that the program sends, by name. The SQL behind them is in queue/sql/functions.
 */
#ifndef HANDBELL_QUEUE_CLIENT_STATEMENTS_H
#define HANDBELL_QUEUE_CLIENT_STATEMENTS_H

#include "worker/io/pg.h"

enum queue_statement {
    /* the worker's */
    QUEUE_LISTEN,
    QUEUE_WORKER_SEEN,
    QUEUE_DUE_WORK,
    QUEUE_CLAIM,
    QUEUE_MARK,
    QUEUE_RECORD,
    QUEUE_IN_FLIGHT_TENANTS,
    QUEUE_DEAD_WORKERS,
    QUEUE_TAKE_OVER,
    QUEUE_FAN_OUT,
    QUEUE_FIRE_RULES,
    QUEUE_HOUSEKEEP,
    /* the command line's */
    QUEUE_STATUS,
    QUEUE_WHY,
    QUEUE_PREVIEW_FACTS,
    QUEUE_TENANT_LIST,
    QUEUE_MAIL_DOMAINS,
    QUEUE_LIFE_REPORT,
    QUEUE_LIFE_ACCEPT,
    QUEUE_GRANT_TENANT,
    QUEUE_REVOKE_TENANT,
    QUEUE_GO_LIVE,
    QUEUE_RESTRICT_PERSON,
    QUEUE_UNRESTRICT_PERSON,
    QUEUE_CANCEL_JOB,
    QUEUE_RETRY_TENANTS,
    QUEUE_RETRY_COUNT,
    QUEUE_RETRY,
    QUEUE_RETENTION_PLAN,
    QUEUE_RETENTION_DUE,
    QUEUE_RETAIN,
    QUEUE_DROP_RECORD_MONTH,
    QUEUE_SET_ACTOR,
    /* migrate's */
    QUEUE_MIGRATION_LOCK,
    QUEUE_MIGRATION_HAS_SCHEMA,
    QUEUE_MIGRATION_LIST,
    QUEUE_MIGRATION_ADD,
    QUEUE_STATEMENTS,
};

const struct pg_statement *queue_statement(enum queue_statement statement);

#endif
