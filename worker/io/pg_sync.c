/* A connection that waits. What it sends and receives is pg_connection.c's. */
#include "worker/io/pg_sync.h"

#include "worker/io/pg_connection.h"
#include "worker/io/pg_session.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

struct pg_sync {
    struct pg_connection *connection;
};

/* Connects and begins the session. Where that is not done (`is_begun`) a pooler answered. */
static bool session_open(struct pg_sync *sync, const struct pg_sync_options *options,
                         bool is_session_kept, bool *is_begun, struct error *error)
{
    char timeout[16], process[16];
    const char *parameters[] = {timeout, process, is_session_kept ? "t" : "f"};
    struct pg_result result;
    *is_begun = false;
    sync->connection = pg_connection_open(options->url, options->application_name,
                                          options->connect_timeout_s, error);
    if (sync->connection == NULL)
        return false;
    if (!pg_session_is_new_enough(sync->connection))
        return error_set(error, EX_CONFIG, "database: %s", PG_SESSION_TOO_OLD);
    snprintf(timeout, sizeof timeout, "%" PRIu32, options->call_timeout_ms);
    snprintf(process, sizeof process, "%d", pg_connection_process(sync->connection));
    bool is_done = pg_sync_call(sync, &pg_session_statement, parameters, &result);
    if (is_done)
        *is_begun = pg_session_is_begun(&result);
    else
        error_set(error, EX_UNAVAILABLE, "database: %s", result.text);
    pg_sync_clear(&result);
    return is_done;
}

/* Behind a pooler: whether this session has ended when it was told to. */
static bool session_is_kept(struct pg_sync *sync)
{
    struct pollfd socket = {.fd = pg_connection_socket(sync->connection), .events = POLLIN};
    struct pg_result result;
    bool is_told = pg_sync_call(sync, &pg_session_proof, NULL, &result);
    pg_sync_clear(&result);
    if (!is_told || poll(&socket, 1, PG_SESSION_PROOF_MS) <= 0)
        return false;
    (void)pg_connection_read(sync->connection); /* false at its end, which is what is hoped for */
    return pg_connection_was_ended_idle(sync->connection);
}

struct pg_sync *pg_sync_open(const struct pg_sync_options *options, struct error *error)
{
    bool is_begun = false;
    if (!pg_connection_check_url(options->url, error))
        return NULL;
    struct pg_sync *sync = calloc(1, sizeof *sync);
    if (sync == NULL) {
        error_set(error, EX_OSERR, "database: no memory");
        return NULL;
    }
    bool is_open = session_open(sync, options, false, &is_begun, error);
    if (is_open && !is_begun) {
        is_open = session_is_kept(sync) ||
                  error_set(error, EX_CONFIG, "database: %s", PG_SESSION_NOT_KEPT);
        pg_connection_free(sync->connection);
        sync->connection = NULL;
        is_open = is_open && session_open(sync, options, true, &is_begun, error);
    }
    if (is_open)
        return sync;
    pg_sync_free(sync);
    return NULL;
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
