/* Where work comes from: asks which tenants have work that is due, and claims it, lane by lane,
 * tenant by tenant and relay by relay, as far as memory and relay have room. What becomes of a
 * message is the flow's business; jobs and rules are the chores'. */
#ifndef HANDBELL_FLOW_INTAKE_H
#define HANDBELL_FLOW_INTAKE_H

#include "queue/client/queue.h"
#include "worker/base/log_pause.h"
#include "worker/flow/relays.h"
#include "worker/io/loop.h"

enum {
    INTAKE_ROWS = 512, /* tenants, lanes and relays looked at in one poll; more come in the next */
    INTAKE_CLAIMS = 1, /* under way at once; urgent ones besides */
    INTAKE_PAUSE_MS = 10,        /* between two polls, however often the database calls */
    INTAKE_FROM_START_MS = 5000, /* a bulk lane is looked at from its beginning at least so often */
    INTAKE_STILL_MS = 330000,    /* longer than [database] query_timeout lets a poll take */
};

/* Work of one tenant, lane and relay. `turn` grows with each claim, so that all get theirs. */
struct intake_row {
    int64_t tenant_id;
    enum lane lane;
    int relay;
    uint64_t turn;
    struct queue_place from; /* all before it was claimed since `from_start_ms` */
    uint64_t from_start_ms;
    bool is_exhausted; /* nothing more to claim, or a claim is under way */
    bool is_waiting;   /* for room: the relay has none, or the tenant has its share of it */
};

struct intake_options {
    uint32_t batch;
    uint32_t poll_ms;
};

struct intake {
    struct loop *loop;
    struct queue *queue;      /* polls, and claims what is urgent */
    struct queue *bulk_queue; /* claims all else, which takes longer */
    struct relays *relays;
    struct intake_options options;
    struct loop_timer *timer;
    bool is_open;
    bool is_polling;
    bool is_poll_wanted;
    size_t asked; /* how many relays the poll asks for; each has its share of INTAKE_ROWS */
    bool is_full; /* the last poll could not tell of all that is due */
    struct log_pause poll_trouble;
    struct log_pause claim_trouble;
    unsigned claims;
    uint64_t polled_at_ms;
    uint64_t asked_at_ms;         /* the same by clock_monotonic_ms, from which a lease counts */
    uint32_t coming[SMTP_RELAYS]; /* messages that claims under way may bring, by relay */
    int64_t cursor;               /* the tenant that was served last */
    uint64_t turn;
    size_t row_count;
    struct intake_row rows[INTAKE_ROWS];
    struct intake_row rows_before[INTAKE_ROWS]; /* of the poll before this one */
    /* Jobs to fan out and rules to fire are due. */
    void (*on_chore)(void *context, int64_t tenant_id, enum queue_work what);
    void (*on_claims_lost)(void *context);
    void *context;
};

/* `on_claims_lost`: the database may hold messages as claimed by this worker of which it has
 * nothing, because an answer was lost or memory was short; nobody else will send them. False
 * without memory. */
bool intake_init(struct intake *intake, struct loop *loop, struct relays *relays,
                 void (*on_chore)(void *context, int64_t tenant_id, enum queue_work what),
                 void (*on_claims_lost)(void *context), void *context);
void intake_free(struct intake *intake);
/* Also while it is open: after a reload. */
void intake_set_options(struct intake *intake, const struct intake_options *options);

/* Begins to poll and claim; ends it. */
void intake_open(struct intake *intake, struct queue *queue, struct queue *bulk_queue);
void intake_close(struct intake *intake);

/* Work may be due: poll soon. */
void intake_wake(struct intake *intake);
/* Whether the database was asked for work as often as was promised; closed, nothing is. */
bool intake_is_moving(const struct intake *intake);
/* There is room: claim more of what the last poll found. */
void intake_claim(struct intake *intake);

#endif
