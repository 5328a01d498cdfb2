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
    KEEP_TAIL_DISK_MS = 750,    /* by then KEEP_SYNC_MS has put it on the disk */
    KEEP_TAIL_PLACE_MS = 60000, /* so often where there is nothing else to tell */
};

/* A tenant's changes that went into the file and are not acknowledged yet. They come in order, so
 * the last number stands for all. */
struct keep_tail_entry {
    int64_t tenant_id;
    int64_t number;
    int64_t safe; /* those there a second ago: on the disk. 0: none */
};

struct keep_tail {
    struct keep *keep;
    struct queue *queue;
    const char *owner;
    struct loop_timer *timer;
    struct loop_timer *hear_timer;
    bool is_open;
    bool is_asking;
    /* Something was said since, and hear_timer runs, or the answer is waited for. */
    bool is_to_hear;
    bool is_full; /* the last answer had no room for more: first some are to be acknowledged */
    uint64_t told_settled;
    uint64_t told_at_ms;  /* 0: not yet */
    uint64_t taken_at_ms; /* when the file got its last change */
    size_t count;
    struct keep_tail_entry entries[KEEP_CALLS_LINES_MOST];
    int64_t told_tenant_ids[KEEP_CALLS_LINES_MOST]; /* for one call */
    int64_t told_numbers[KEEP_CALLS_LINES_MOST];
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
