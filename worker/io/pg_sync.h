/* The same connection for programs that may wait: subcommands that ask something and end. Each call
 * returns when the server has answered. Not for the loop. */
#ifndef HANDBELL_IO_PG_SYNC_H
#define HANDBELL_IO_PG_SYNC_H

#include "worker/base/error.h"
#include "worker/io/pg.h"

struct pg_sync;

/* `call_timeout_ms` is the server's statement_timeout; 0: none. */
struct pg_sync_options {
    const char *url;
    const char *application_name;
    uint32_t connect_timeout_s;
    uint32_t call_timeout_ms;
};

/* Connects. NULL with `error`: EX_CONFIG (no connection string; server before 15; a pooler),
 * EX_UNAVAILABLE, EX_OSERR. Ended by pg_sync_free. */
struct pg_sync *pg_sync_open(const struct pg_sync_options *options, struct error *error);
void pg_sync_free(struct pg_sync *sync); /* NULL is fine */

/* Runs a statement (which need not outlive the call) in a transaction of its own, or in the one
 * that pg_sync_script began. Returns whether `result` is PG_RESULT_ROWS; in either case the result
 * is the caller's, to be ended by pg_sync_clear. PG_RESULT_UNSENT does not occur. */
bool pg_sync_call(struct pg_sync *sync, const struct pg_statement *statement,
                  const char *const *parameters, struct pg_result *result);
/* Runs a script of several statements without parameters: one transaction, unless it or one before
 * it says otherwise. `result` as above, of the last statement. */
bool pg_sync_script(struct pg_sync *sync, const char *script, struct pg_result *result);
void pg_sync_clear(struct pg_result *result);

#endif
