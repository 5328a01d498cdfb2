/* What `handbell check` says of a restore: whether anything may be sent, whom the gate waits for,
 * and where this worker keeps what outlives the database. */
#ifndef HANDBELL_CLI_CHECK_LIFE_H
#define HANDBELL_CLI_CHECK_LIFE_H

#include "worker/base/json.h"
#include "worker/cli/cli.h"
#include "worker/io/pg_sync.h"

#include <stdbool.h>

/* `gate` and `kept` are objects for --json; `gate` is NULL where the database was not asked. */
struct check_life {
    struct json *gate;
    struct json *kept;
    bool is_closed;
};

/* Looks; `sync` may be NULL. False without memory. Ended by check_life_free. */
bool check_life_look(struct check_life *life, const struct cli_arguments *arguments,
                     struct pg_sync *sync);
void check_life_free(struct check_life *life);
/* Writes it as people read it. */
void check_life_write(const struct check_life *life);
/* --accept-restored: opens the gate in the operator's name. The exit status. */
int check_life_accept(const struct cli_arguments *arguments);

#endif
