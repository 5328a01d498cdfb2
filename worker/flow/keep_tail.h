/* Once a second: what people said since goes from the database into this worker's file, and the
 * database learns how far the file has come. Whoever said something by a page or through the portal
 * is in the file within two seconds. */
#ifndef HANDBELL_FLOW_KEEP_TAIL_H
#define HANDBELL_FLOW_KEEP_TAIL_H

#include "queue/client/keep_calls.h"
#include "worker/flow/keep.h"
#include "worker/io/loop.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    KEEP_TAIL_MS = 1000,
    KEEP_TAIL_PLACE_MS = 60000, /* so often where there is nothing else to tell */
};

struct keep_tail {
    struct keep *keep;
    struct queue *queue;
    const char *owner;
    struct loop_timer *timer;
    bool is_open;
    bool is_asking;
    uint64_t told_settled;
    uint64_t told_at_ms; /* 0: not yet */
    /* Changes that went into the file at the last look: acknowledged at the next, when they are on
     * the disk. A tenant's come in order, so its last number stands for all. */
    size_t count;
    int64_t tenant_ids[KEEP_CALLS_LINES_MOST];
    int64_t numbers[KEEP_CALLS_LINES_MOST];
};

/* `keep` and `owner` are borrowed. False without memory. */
bool keep_tail_init(struct keep_tail *tail, struct loop *loop, struct keep *keep,
                    const char *owner);
void keep_tail_free(struct keep_tail *tail);

/* The worker is registered, and the database knows again all that the file held. */
void keep_tail_open(struct keep_tail *tail, struct queue *queue);
/* The database is away. */
void keep_tail_close(struct keep_tail *tail);

#endif
