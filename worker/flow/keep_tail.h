/* What people say, by a page or through the portal, goes from the database into this worker's file:
 * at once where a notification tells of it, and once a second in any case. Once a second, too, the
 * database learns how far the file has come. */
#ifndef HANDBELL_FLOW_KEEP_TAIL_H
#define HANDBELL_FLOW_KEEP_TAIL_H

#include "queue/client/keep_calls.h"
#include "worker/flow/keep.h"
#include "worker/io/loop.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    KEEP_TAIL_MS = 1000,
    KEEP_TAIL_HEAR_MS = 20,     /* what is said meanwhile goes with it */
    KEEP_TAIL_PLACE_MS = 60000, /* so often where there is nothing else to tell */
};

struct keep_tail {
    struct keep *keep;
    struct queue *queue;
    const char *owner;
    struct loop_timer *timer;
    struct loop_timer *hear_timer;
    bool is_open;
    bool is_asking;
    bool
        is_to_hear; /* something was said since, and hear_timer runs, or the answer is waited for */
    uint64_t told_settled;
    uint64_t told_at_ms; /* 0: not yet */
    /* Changes that went into the file and are not acknowledged yet: that is done once a second,
     * when they are on the disk. A tenant's come in order, so its last number stands for all. */
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
/* Something was said. */
void keep_tail_hear(struct keep_tail *tail);
/* The database is away. */
void keep_tail_close(struct keep_tail *tail);

#endif
