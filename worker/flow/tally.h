/* What became of messages since the last summary line of the log. Counts alone. */
#ifndef HANDBELL_FLOW_TALLY_H
#define HANDBELL_FLOW_TALLY_H

#include "queue/client/queue.h"

#include <stdint.h>

struct tally {
    uint64_t claimed;
    uint64_t sent;
    uint64_t deferred;
    uint64_t failed;
    uint64_t uncertain;
    uint64_t skipped;
    uint64_t unsent; /* given back untouched */
    uint64_t stale;  /* no longer ours when we came to say so */
};

/* Counts what the database made of one outcome. `is_unsent`: it was given back untouched. */
void tally_count(struct tally *tally, enum queue_recorded_state state, bool is_unsent);
/* Writes one line, where there is anything to tell, and begins anew. */
void tally_log(struct tally *tally, uint32_t in_memory);

#endif
