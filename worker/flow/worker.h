/* `handbell worker`: wires the parts of the flow together, and starts, reloads and stops them. */
#ifndef HANDBELL_FLOW_WORKER_H
#define HANDBELL_FLOW_WORKER_H

#include "worker/base/config.h"
#include "worker/base/error.h"

enum {
    /* After SIGTERM what is on the wire may end for so long; then connections are cut. */
    WORKER_DRAIN_MS = 8000,
    /* And so long, in all, may recording take. */
    WORKER_STOP_MS = 9500,
};

/* Runs until SIGTERM or SIGINT, and then returns 0; SIGHUP loads settings, templates and keys anew.
 * `config_path` (NULL: none) and `tables` are as for config_load. On a failure returns
 * error->exit_status, with `error` filled in: EX_CONFIG, EX_NOINPUT (settings, templates, keys),
 * EX_TEMPFAIL (the state directory or the owner's lock is in use), EX_UNAVAILABLE (the database
 * refuses this worker), EX_OSERR. */
int worker_run(const char *config_path, const struct setting *const *tables, struct error *error);

#endif
