/* A connection that waits. What it sends and receives is pg_connection.c's. */
#include "worker/io/pg_sync.h"

#include "worker/io/pg_connection.h"
#include "worker/io/pg_session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

struct pg_sync {
    struct pg_connection *connection;
};

static bool session_begin(struct pg_sync *sync, uint32_t timeout_ms, struct error *error)
{
    char timeout[16];
    const char *parameters[] = {timeout};
    struct pg_result result;
    snprintf(timeout, sizeof timeout, "%" PRIu32, timeout_ms);
    const char *unfit = pg_session_unfit(sync->connection, NULL);
    if (unfit != NULL)
        return error_set(error, EX_CONFIG, "database: %s", unfit);
    bool is_done = pg_sync_call(sync, &pg_session_statement, parameters, &result);
    unfit = pg_session_unfit(sync->connection, &result);
    if (!is_done)
        error_set(error, EX_UNAVAILABLE, "database: %s", result.text);
    else if (unfit != NULL)
        is_done = error_set(error, EX_CONFIG, "database: %s", unfit);
    pg_sync_clear(&result);
    return is_done;
}

struct pg_sync *pg_sync_open(const struct pg_sync_options *options, struct error *error)
{
    if (!pg_connection_check_url(options->url, error))
        return NULL;
    struct pg_sync *sync = calloc(1, sizeof *sync);
    if (sync == NULL) {
        error_set(error, EX_OSERR, "database: no memory");
        return NULL;
    }
    sync->connection = pg_connection_open(options->url, options->application_name,
                                          options->connect_timeout_s, error);
    if (sync->connection == NULL || !session_begin(sync, options->call_timeout_ms, error)) {
        pg_sync_free(sync);
        return NULL;
    }
    return sync;
}

void pg_sync_free(struct pg_sync *sync)
{
    if (sync == NULL)
        return;
    pg_connection_free(sync->connection);
    free(sync);
}

bool pg_sync_call(struct pg_sync *sync, const struct pg_statement *statement,
                  const char *const *parameters, struct pg_result *result)
{
    pg_connection_execute(sync->connection, statement->sql, parameters, statement->parameter_count,
                          result);
    return result->kind == PG_RESULT_ROWS;
}

bool pg_sync_script(struct pg_sync *sync, const char *script, struct pg_result *result)
{
    pg_connection_script(sync->connection, script, result);
    return result->kind == PG_RESULT_ROWS;
}

void pg_sync_clear(struct pg_result *result)
{
    pg_connection_clear(result);
}
