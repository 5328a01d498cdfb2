/* The life of a message in this worker, from the claim to the record: one flow a relay, so that one
 * that stalls holds up its own mail alone. It asks the database, through queue/client, and sends,
 * through the relay's client; where work comes from is intake's business. */
#ifndef HANDBELL_FLOW_MESSAGE_FLOW_H
#define HANDBELL_FLOW_MESSAGE_FLOW_H

#include "queue/client/queue.h"
#include "worker/base/log_pause.h"
#include "worker/flow/journal.h"
#include "worker/flow/keep.h"
#include "worker/flow/mail_writer.h"
#include "worker/flow/message.h"
#include "worker/flow/outbox.h"
#include "worker/flow/relay.h"
#include "worker/flow/signing.h"
#include "worker/flow/tally.h"
#include "worker/io/loop.h"
#include "worker/model/domain_pauses.h"

enum {
    /* The most in one mark. */
    MESSAGE_FLOW_MARK_BATCH = 100,
    /* An answered opt-out waits 2 s at most for what is on the wire; so a mark older than this is
     * not believed any more, and the mail is given back to be marked anew. */
    MESSAGE_FLOW_MARK_AGE_MS = 1000,
    /* So many may be held though the relay is slow. */
    MESSAGE_FLOW_HOLD_LEAST = 400,
    /* The pause after the database has refused a mark. */
    MESSAGE_FLOW_RETRY_MS = 1000,
};

/* What all flows of a worker share; borrowed. `on_room` is called when memory was freed, or a relay
 * may be tried again. */
struct message_flow_parts {
    struct loop *loop;
    struct journal *journal; /* what goes on the wire is written there first */
    struct keep *keep;       /* what went out is written there for good */
    struct mail_writer *writer;
    struct signing *signing;
    struct tally *tally;
    void (*on_room)(void *context);
    void *context;
};

/* `is_serving`: the database is there and knows us. `is_stopping`: only what is on the wire is
 * finished. Without a client in `relay` the relay is not there, and nothing is taken for it. */
struct message_flow {
    struct message_flow_parts parts;
    struct queue *urgent_queue; /* to mark what is urgent, behind no other mark */
    struct queue *mark_queue;
    struct relay relay;
    struct log_pause mark_trouble;
    struct domain_pauses domains; /* as this relay finds them */
    struct message_lists lists;
    struct list batches;
    struct outbox outbox;
    struct loop_timer *retry_timer;
    struct loop_defer advance;
    uint32_t lease_ms;
    uint64_t database_answered_at_ms;
    bool is_serving;
    bool is_stopping;
    bool is_marking_paused;
    int64_t turns[LANE_COUNT + 1]; /* the tenant that was marked last, in each lane */
    uint32_t aged_in_row;          /* marks that were too old when their mail's turn came */
};

/* There is no relay yet. False without memory. */
bool message_flow_init(struct message_flow *flow, const struct message_flow_parts *parts);
/* Drops what is in memory without a word; the relay, the queue and the signing must be gone. */
void message_flow_free(struct message_flow *flow);

/* The relay that is sent through from now on; what the one before has is finished there. `client`
 * NULL: none, and all that is not on the wire is given back. */
void message_flow_set_relay(struct message_flow *flow, int number, struct smtp_client *client,
                            uint32_t connections, const struct relay_options *options);
/* The database is there and this worker is registered; or it is away: marking stops, outcomes
 * wait, and what was claimed and not begun is forgotten, for it is claimed anew. */
void message_flow_open(struct message_flow *flow, struct queue *urgent_queue,
                       struct queue *mark_queue, struct queue *record_queue);
void message_flow_close(struct message_flow *flow);
/* To be called every RELAY_TICK_MS. */
void message_flow_tick(struct message_flow *flow);
/* Something has changed: moves on what can be moved, in the next turn of the loop. */
void message_flow_advance(struct message_flow *flow);
/* The signing's on_signed: takes the message on in its own flow. */
void message_flow_take_signed(struct message *message, const struct error *error);
/* What was asked at `asked_at_ms` on the connection that holds the worker's lock was answered: the
 * lease counts from there, for the answer may have lain unread while the process was stopped. One
 * on another connection says nothing of that lock. */
void message_flow_renew_lease(struct message_flow *flow, uint64_t asked_at_ms);

/* Takes what a claim brought. False when memory failed for some: those are still claimed in the
 * database. */
bool message_flow_take(struct message_flow *flow, int64_t tenant_id, enum lane lane,
                       const struct queue_claimed *claimed);

/* How many more messages of `lane` the relay and the memory have room for, of `capacity` in all
 * where `coming` are claimed and not here yet. */
uint32_t message_flow_room(const struct message_flow *flow, enum lane lane, uint32_t capacity,
                           uint32_t coming);
/* Whether more than one tenant has messages in memory. */
bool message_flow_is_shared(const struct message_flow *flow);
/* How many may be marked now, `first`'s turn being next: what the relay takes before their marks
 * are too old, and what can be signed before. 0 also where it is worth waiting for more. */
uint32_t message_flow_mark_room(const struct message_flow *flow, const struct message *first);
/* How many messages are in memory for the relay as it is now: without what another client, of
 * before a reload, has on the wire, which says nothing of this one and may last for minutes. */
uint32_t message_flow_held(const struct message_flow *flow);
/* How many of a tenant's messages are in memory. */
uint32_t message_flow_count_tenant(const struct message_flow *flow, int64_t tenant_id);

/* Gives back all that is not on the wire, and takes nothing more. */
void message_flow_stop(struct message_flow *flow);
/* Whether nothing is in memory any more. */
bool message_flow_is_empty(const struct message_flow *flow);

#endif
