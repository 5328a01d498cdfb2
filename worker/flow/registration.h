/* Making this worker known to the database, once for each connection: its lock, and what a former
 * life of it left behind. Only then may messages be claimed. */
#ifndef HANDBELL_FLOW_REGISTRATION_H
#define HANDBELL_FLOW_REGISTRATION_H

#include "queue/client/queue.h"
#include "worker/flow/take_over.h"
#include "worker/io/loop.h"

enum {
    REGISTRATION_RETRY_MS = 500,
    /* After a crash the server may take so long to find out that the old session is dead. */
    REGISTRATION_PATIENCE_MS = 60000,
};

struct registration {
    struct loop *loop;
    struct queue *queue;
    const char *owner;
    struct take_over take_over;
    struct loop_timer *timer;
    uint64_t begun_at_ms;
    bool is_under_way;
    bool was_done; /* once in this process's life: what it sends is known to it from then on */
    /* The worker is registered, and nothing of its own is left in flight that it does not know. */
    void (*on_done)(void *context);
    /* It cannot start; fires before the first on_done alone. */
    void (*on_failed)(void *context, const struct error *error);
    void *context;
};

/* `owner` is borrowed. False without memory. */
bool registration_init(struct registration *registration, struct loop *loop, const char *owner,
                       void (*on_done)(void *context),
                       void (*on_failed)(void *context, const struct error *error), void *context);
void registration_free(struct registration *registration);

/* The connection is up: registers, again and again until it is done. */
void registration_begin(struct registration *registration, struct queue *queue);
/* The same after REGISTRATION_RETRY_MS: for what would go wrong at once again. */
void registration_begin_later(struct registration *registration, struct queue *queue);
/* The connection is gone. */
void registration_cancel(struct registration *registration);

#endif
