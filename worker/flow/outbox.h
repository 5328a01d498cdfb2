/* Telling the database what became of messages: outcomes wait here until there are enough of them,
 * or they have waited long enough, and stay until the database has said that it has them. */
#ifndef HANDBELL_FLOW_OUTBOX_H
#define HANDBELL_FLOW_OUTBOX_H

#include "queue/client/queue.h"
#include "worker/base/log_pause.h"
#include "worker/flow/message.h"
#include "worker/io/loop.h"

enum {
    OUTBOX_BATCH = 100,     /* so many are recorded at once */
    OUTBOX_WAIT_MS = 10,    /* or as many as there are, after this */
    OUTBOX_RETRY_MS = 1000, /* the pause after the database has refused a batch */
};

/* `lists` is the flow's: the outbox serves its `done` and `recording`. */
struct outbox {
    struct loop *loop;
    struct queue *queue;
    struct message_lists *lists;
    struct loop_timer *timer;
    struct log_pause trouble;
    bool is_open;
    /* Called for each message whose outcome the database has; it frees the message. */
    void (*on_recorded)(void *context, struct message *message, enum queue_recorded_state state);
    void *context;
};

/* False without memory. `queue` may be NULL until outbox_open. */
bool outbox_init(struct outbox *outbox, struct loop *loop, struct message_lists *lists,
                 void (*on_recorded)(void *context, struct message *message,
                                     enum queue_recorded_state state),
                 void *context);
void outbox_free(struct outbox *outbox);

/* From now on outcomes are recorded, also those that waited. */
void outbox_open(struct outbox *outbox, struct queue *queue);
/* The database is away: outcomes wait. */
void outbox_close(struct outbox *outbox);

/* Takes a message whose outcome is in it; it becomes MESSAGE_DONE. What is urgent is recorded in
 * the next turn of the loop, with all that waits then. */
void outbox_put(struct outbox *outbox, struct message *message);

#endif
