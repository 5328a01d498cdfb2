/* A relay's limits per minute and per day, as this worker meets them: it asks the database, which
 * counts for all workers, for a few mails ahead, and spends them as it marks. It knows no message.
 */
#ifndef HANDBELL_FLOW_RELAY_LIMIT_H
#define HANDBELL_FLOW_RELAY_LIMIT_H

#include "queue/client/relay_calls.h"
#include "worker/base/log_pause.h"
#include "worker/flow/relay_options.h"
#include "worker/model/allowance.h"
#include "worker/model/lane.h"

enum {
    RELAY_LIMIT_WAIT_MOST_MS = 60000, /* the limits may have been changed since */
    RELAY_LIMIT_WAIT_LEAST_MS = 200,
    RELAY_LIMIT_FAILED_MS = 1000,
    /* What is held back for longer than this is given back. */
    RELAY_LIMIT_LONG_MS = 5000,
};

/* Urgent and account mail, for which a share is kept; and all other. */
enum relay_limit_class { RELAY_LIMIT_URGENT, RELAY_LIMIT_BULK, RELAY_LIMIT_CLASSES };

/* Zeroed: nothing was asked yet. */
struct relay_limit {
    struct log_pause trouble;
    bool is_trouble_said; /* and its end is to be */
    struct relay_limit_part {
        struct allowance allowance;
        bool is_asking;
        uint64_t blocked_until_ms;
    } parts[RELAY_LIMIT_CLASSES];
};

enum relay_limit_class relay_limit_class_of(enum lane lane);
/* How many mails of the class may be marked now; urgent ones also spend what was granted to others.
 */
uint32_t relay_limit_left(const struct relay_limit *limit, enum relay_limit_class which,
                          uint64_t now_ms);
/* Spends one: until when its mail may begin; 0: none is left. */
uint64_t relay_limit_take(struct relay_limit *limit, enum relay_limit_class which, uint64_t now_ms);
/* Puts back what was taken and will not be used. */
void relay_limit_put_back(struct relay_limit *limit, enum relay_limit_class which,
                          uint64_t until_ms, uint64_t now_ms);
/* How long the database has said to wait; 0: it may be asked. */
uint64_t relay_limit_wait_ms(const struct relay_limit *limit, enum relay_limit_class which,
                             uint64_t now_ms);

/* Asks for `wanted` more, unless it is asking already or has to wait. `on_answer` is called when
 * the answer has come; `relay` and `limit` live until then. */
void relay_limit_ask(struct relay_limit *limit, enum relay_limit_class which, struct queue *queue,
                     const struct queue_relay *relay, uint32_t wanted, uint64_t now_ms,
                     void (*on_answer)(void *context, enum relay_limit_class which), void *context);

#endif
