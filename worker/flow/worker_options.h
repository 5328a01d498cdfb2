/* The settings of the worker itself: section [worker]. */
#ifndef HANDBELL_FLOW_WORKER_OPTIONS_H
#define HANDBELL_FLOW_WORKER_OPTIONS_H

#include "worker/base/config.h"
#include "worker/base/log.h"
#include "worker/model/journal_record.h"

#include <stdint.h>

/* Ended by a row whose section is NULL. */
extern const struct setting worker_settings[];

/* Texts belong to the config. */
struct worker_options {
    const char *state_dir;
    const char *key_file;
    uint32_t in_memory;
    uint32_t batch;
    uint32_t lease_ms;
    uint32_t takeover_grace_s;
    uint32_t poll_ms;
    enum journal_sync journal_sync;
    uint32_t keep_days;
    uint64_t journal_bytes; /* both files together, as large as in_memory needs */
    enum log_level log_level;
};

/* False with `error` (EX_CONFIG) naming the setting where a value is unknown or two contradict each
 * other. */
bool worker_options_read(const struct config *config, struct worker_options *options,
                         struct error *error);

#endif
