/* One message in this worker's memory: where in its life it is, and the one setter that moves it
 * on. What is done at each step is told in message_flow.c. */
#ifndef HANDBELL_FLOW_MESSAGE_H
#define HANDBELL_FLOW_MESSAGE_H

#include "worker/base/buf.h"
#include "worker/base/error.h"
#include "worker/base/json.h"
#include "worker/base/list.h"
#include "worker/flow/batch.h"
#include "worker/flow/journal.h"
#include "worker/io/smtp.h"
#include "worker/model/lane.h"
#include "worker/model/outcome.h"

#include <stdint.h>

/* In the order of a life; beside each, the list that holds a message in that state. Being in that
 * list is the state. */
enum message_state {
    MESSAGE_NEW,       /* none: made, and not yet in the flow */
    MESSAGE_CLAIMED,   /* claimed[lane]: ours in the database, to be marked */
    MESSAGE_MARKING,   /* marking: the database is asked whether it is still wanted */
    MESSAGE_MARKED,    /* marked[lane]: wanted, 'transmitting' in the database; to be signed */
    MESSAGE_SIGNING,   /* signing: written, and its bytes are with the thread pool */
    MESSAGE_OUTGOING,  /* outgoing[lane]: signed, or its domain has no key; awaits a session */
    MESSAGE_SENDING,   /* sending: written, and with the relay's client */
    MESSAGE_DONE,      /* done: its outcome is known and awaits recording */
    MESSAGE_RECORDING, /* recording: the database is being told */
    MESSAGE_ENDED,     /* none: about to be freed */
};

struct message_lists {
    struct list claimed[LANE_COUNT + 1];
    struct list marking;
    struct list marked[LANE_COUNT + 1];
    struct list signing;
    struct list outgoing[LANE_COUNT + 1];
    struct list sending;
    struct list done;
    struct list recording;
    uint32_t held; /* messages in any of them */
};

struct message {
    struct list_link link;
    struct message_lists *lists;
    enum message_state state;
    enum lane lane;
    int64_t tenant_id;
    int64_t message_id;
    int32_t epoch;
    uint32_t attempt; /* 0 at the first */
    struct batch *batch;
    struct json *data;         /* the claim's; what the template needs */
    char *address;             /* from the mark; "" before it. May stand in no log */
    char *sender;              /* of the envelope, where it is this mail's own; else NULL */
    uint64_t marked_at_ms;     /* when the mark's answer came (monotonic) */
    uint64_t allowed_until_ms; /* by the relay's limits it may begin until then; 0: no limits */
    struct buf mail;           /* the bytes, once written, but for SIGNING; to the end of SENDING */
    struct smtp_transaction transaction;
    const struct smtp_client *client; /* that has the transaction; from SENDING on */
    struct journal_entry journal_entry;
    uint64_t kept; /* the number of its line in the file that outlives the database; 0: none */
    struct outcome outcome; /* from DONE on, unless `is_unsent` */
    bool is_unsent;         /* nothing was tried: given back as it was */
    uint32_t wait_s;        /* of one that is given back: not to be tried before; 0: at once */
    void *flow;             /* whose callbacks the transaction calls */
};

/* Holds `data` and `batch`. NULL without memory. Ended by message_free. */
struct message *message_new(struct message_lists *lists, struct batch *batch, enum lane lane,
                            int64_t message_id, int32_t epoch, const struct json *data);
/* Takes it out of its list, and lets go of all that it holds. */
void message_free(struct message *message);

/* The one setter: puts the message into the list of `state`, and keeps count. */
void message_enter(struct message *message, enum message_state state);
/* Keeps what became of the attempt, without the recipient: relays repeat whom they refuse, and not
 * always as an address ("jo.smith is over quota"). The text goes into the record and into logs. */
void message_keep_outcome(struct message *message, const struct outcome *outcome);
/* "claimed", "marking", ... */
const char *message_state_name(enum message_state state);

/* Makes `courses`, some of those that it was claimed with, the ones that the mail tells of; 0: all
 * of them. False without memory. */
bool message_keep_courses(struct message *message, const int64_t *courses, size_t count);
/* Its outcome: no mail can be made of it, for the reason that `error` gives. Only what lies in the
 * mail itself (EX_DATAERR) stays so; want of memory, or a key that does not sign, passes. */
void message_fail(struct message *message, const struct error *error);

/* Frees every message that is in a list. */
void message_lists_free(struct message_lists *lists);
/* How many are marked, or about to be, and not with the relay's client yet. */
size_t message_lists_ahead(const struct message_lists *lists);
/* How many are in the lists of `lanes` (claimed, marked or outgoing) together. */
size_t message_lists_count(const struct list lanes[LANE_COUNT + 1]);
/* Of the first lane that has any, the first one of the tenant whose turn it is: the next behind
 * `tenants[lane]`, who had the turn before, in the order of their ids. NULL when all are empty. */
struct message *message_lists_turn(const struct list lanes[LANE_COUNT + 1],
                                   const int64_t tenants[LANE_COUNT + 1]);
/* The first in the first lane that has one; NULL when all are empty. */
struct message *message_lists_first(const struct list lanes[LANE_COUNT + 1]);
/* The first in a list; NULL when it is empty. */
struct message *message_first(const struct list *list);

#endif
