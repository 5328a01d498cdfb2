/* Taking over the messages that one owner had in flight, tenant by tenant: a dead worker's, or this
 * worker's own from before a crash or a lost connection. */
#ifndef HANDBELL_FLOW_TAKE_OVER_H
#define HANDBELL_FLOW_TAKE_OVER_H

#include "queue/client/queue.h"
#include "worker/base/log_pause.h"

struct take_over {
    struct queue *queue;
    char owner[QUEUE_UUID_BYTES];
    bool is_transmitting;
    bool is_under_way;
    bool is_lost;
    struct log_pause trouble;
    size_t calls; /* under way */
    int64_t released;
    int64_t uncertain;
    /* Fires once for each take_over_begin. Not `is_whole`: some tenant's answer did not come. */
    void (*on_done)(void *context, bool is_whole);
    void *context;
};

/* Zero it and set on_done and context before the first begin. Takes back what `owner` had claimed
 * and, `is_transmitting`, ends what it may have sent as its kind says. One at a time. */
void take_over_begin(struct take_over *take_over, struct queue *queue, const char *owner,
                     bool is_transmitting);

#endif
