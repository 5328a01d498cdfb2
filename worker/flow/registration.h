/* Making this worker known to the database, once for each connection: its lock, what its journal
 * says of a former life of its own or of the database, and what is left behind. Only then may
 * messages be claimed.
 *
 * A database that has begun another life (failed over, restored, copied: 44_life.sql) has forgotten
 * things. Then the journal is held, all that it knows is told, other parts tell what they know
 * (registration_set_step), and the worker waits until all workers have done so. */
#ifndef HANDBELL_FLOW_REGISTRATION_H
#define HANDBELL_FLOW_REGISTRATION_H

#include "queue/client/life_calls.h"
#include "worker/base/log_pause.h"
#include "worker/flow/replay.h"
#include "worker/flow/take_over.h"
#include "worker/io/loop.h"

enum {
    REGISTRATION_RETRY_MS = 500,
    /* After a crash the server may take so long to find out that the old session is dead. */
    REGISTRATION_PATIENCE_MS = 60000,
    REGISTRATION_LOG_MS = 10000, /* between two lines about those who are waited for */
    /* What is on the wire in a new life is waited for: if the database has lost its row, only the
     * file outside it can know it, and that is told once. */
    REGISTRATION_REPLIES_MS = 15000,
};

enum registration_state {
    REGISTRATION_IDLE,
    REGISTRATION_STARTING,  /* takes the lock */
    REGISTRATION_REPLAYING, /* the journal */
    REGISTRATION_HEARING,   /* in a new life: what the relays say of what is on the wire */
    REGISTRATION_STEPPING,  /* the other part's step */
    REGISTRATION_WAITING,   /* in a new life: for all other workers */
    REGISTRATION_TAKING,    /* takes back what it had claimed */
};

/* What another part does at each registration after the journal was told, and before the gate opens
 * where it is closed. `begin` starts it on `queue`; it ends by registration_step_done, in a later
 * turn of the loop. `cancel`: the connection is gone, and it does not end. */
struct registration_step {
    void (*begin)(void *context, struct queue *queue, bool is_reconciling);
    void (*cancel)(void *context);
    void *context;
};

struct registration {
    struct loop *loop;
    struct queue *queue;
    struct journal *journal;
    const char *owner;
    struct queue_log_place known; /* where the database was seen last; all zero: nowhere */
    int64_t grace_s;              /* [worker] takeover_grace_s */
    enum registration_state state;
    struct replay replay;
    struct registration_step step;
    struct take_over take_over;
    struct loop_timer *timer;
    struct log_pause trouble;
    struct log_pause waiting;
    uint64_t begun_at_ms;
    uint64_t replayed_at_ms;
    uint64_t logged_at_ms;
    uint64_t asked_at_ms; /* what the last answer, behind which on_done fires, was to */
    bool is_reconciling;
    bool was_done; /* once in this process's life: what it sends is known to it from then on */
    /* The worker is registered, and nothing of its own is left in flight that it does not know. */
    void (*on_done)(void *context);
    /* It has told all that it knows, and waits for others; fires again and again. May be NULL. */
    void (*on_waiting)(void *context);
    /* It cannot start; fires before the first on_done alone. */
    void (*on_failed)(void *context, const struct error *error);
    void *context;
};

/* `owner` and `journal` are borrowed. False without memory. */
bool registration_init(struct registration *registration, struct loop *loop, const char *owner,
                       struct journal *journal, void (*on_done)(void *context),
                       void (*on_failed)(void *context, const struct error *error), void *context);
void registration_free(struct registration *registration);
void registration_set_step(struct registration *registration, const struct registration_step *step);
/* From the next registration on: a database found behind this place was put back. */
void registration_set_known(struct registration *registration, const struct queue_log_place *known);

/* The connection is up: registers, again and again until it is done. */
void registration_begin(struct registration *registration, struct queue *queue);
/* The same after REGISTRATION_RETRY_MS: for what would go wrong at once again. */
void registration_begin_later(struct registration *registration, struct queue *queue);
/* The connection is gone. */
void registration_cancel(struct registration *registration);
bool registration_is_under_way(const struct registration *registration);
/* The step has ended. Not `is_whole`: all is tried again a little later. */
void registration_step_done(struct registration *registration, bool is_whole);

#endif
