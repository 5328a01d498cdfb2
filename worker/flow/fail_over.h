/* Mail that waits for a relay that is away goes through another that its tenant may use: looked for
 * every few seconds, and moved in the database a thousand at a time, on the chores' connection.
 * What the other's limits let move is the database's to say. */
#ifndef HANDBELL_FLOW_FAIL_OVER_H
#define HANDBELL_FLOW_FAIL_OVER_H

#include "queue/client/relay_calls.h"
#include "worker/base/log_pause.h"
#include "worker/io/loop.h"

enum {
    FAIL_OVER_LOOK_MS = 2000,
    FAIL_OVER_THOROUGH =
        15,              /* each so many looks: all mail, not only that of relays that are away */
    FAIL_OVER_ROWS = 64, /* tenants and relays found in one look; more come in the next */
    FAIL_OVER_MESSAGES = 1000, /* moved in one transaction */
};

struct fail_over {
    struct queue *queue; /* NULL: closed */
    struct loop_timer *timer;
    bool is_under_way; /* a call */
    unsigned looks;
    struct log_pause trouble;
    struct log_pause moves;
    size_t count;
    size_t next; /* of `rows`, to be moved */
    struct queue_misplaced_row rows[FAIL_OVER_ROWS];
};

/* False without memory. */
bool fail_over_init(struct fail_over *fail_over, struct loop *loop);
void fail_over_free(struct fail_over *fail_over);

/* The connection is up, or gone. */
void fail_over_open(struct fail_over *fail_over, struct queue *queue);
void fail_over_close(struct fail_over *fail_over);

#endif
