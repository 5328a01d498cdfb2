/* The subcommands' connection to the database, and what they do alike with it. */
#ifndef HANDBELL_CLI_DATABASE_H
#define HANDBELL_CLI_DATABASE_H

#include "queue/client/statements.h"
#include "worker/base/error.h"
#include "worker/cli/cli.h"
#include "worker/io/pg_sync.h"

/* Connects as section [database] says, with its time limits; `is_patient`: calls may take any time.
 * NULL with `error`. Ended by pg_sync_free. */
struct pg_sync *cli_database_open(const struct cli_arguments *arguments, bool is_patient,
                                  struct error *error);

/* Calls; `result` is the caller's, to be ended by pg_sync_clear, and `error` is set when false. */
bool cli_database_call(struct pg_sync *sync, enum queue_statement statement,
                       const char *const *parameters, struct pg_result *result,
                       struct error *error);

/* Says who acts (the account of this machine) and why (`reason`, or NULL), for what the session
 * changes from now on. */
bool cli_database_state_actor(struct pg_sync *sync, const char *reason, struct error *error);

/* Connects, says who acts (the account of this machine) and why (`reason`, or NULL), calls
 * `statement`, writes `before`, the one value that it answers and `after` as a line, and ends. The
 * exit status. */
int cli_database_act(const struct cli_arguments *arguments, enum queue_statement statement,
                     const char *const *parameters, const char *reason, const char *before,
                     const char *after);

#endif
