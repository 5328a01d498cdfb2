/* The calls about relays (queue/sql/functions/29_relays.sql), on the connections of queue.h. What
 * is said there of callbacks holds here. */
#ifndef HANDBELL_QUEUE_CLIENT_RELAY_CALLS_H
#define HANDBELL_QUEUE_CLIENT_RELAY_CALLS_H

#include "queue/client/queue.h"

enum { QUEUE_RELAYS_MAXIMUM = 8 };

/* What this worker says of one of its relays. `digest` stands for the settings that all workers
 * should have alike; `rate` is in mails a minute; `sessions` are those that it uses at a time. */
struct queue_relay {
    int number;
    const char *name;
    uint32_t weight;
    uint32_t per_minute; /* 0: no limit */
    uint32_t per_day;
    uint32_t urgent_share; /* percent */
    const char *digest;
    bool is_down;
    uint32_t rate;
    uint32_t sessions;
};

typedef void queue_on_relays(void *context, const struct pg_result *result, const int *relays,
                             size_t count);

/* Says that these are all the relays of the worker `owner` (a uuid as text). Answers with those for
 * which another living worker has other settings. */
bool queue_relays_say(struct queue *queue, const char *owner, const struct queue_relay *relays,
                      size_t count, queue_on_relays *on_done, void *context);

/* `granted` mails may begin within `valid_ms` from the call; 0: ask again after `wait_ms`. */
struct queue_allowance {
    uint32_t granted;
    uint64_t wait_ms;
};

typedef void queue_on_allowance(void *context, const struct pg_result *result,
                                const struct queue_allowance *allowance);

/* Asks for `wanted` of what the limits of `relay` leave; its number, limits and urgent_share count.
 * Lost: they may be counted all the same. */
bool queue_relay_allow(struct queue *queue, const struct queue_relay *relay, uint32_t wanted,
                       bool is_urgent, uint32_t valid_ms, queue_on_allowance *on_done,
                       void *context);

/* `is_urgent`: it is about urgent and account mail; else about all other. */
struct queue_misplaced_row {
    int64_t tenant_id;
    int relay;
    bool is_urgent;
};

typedef void queue_on_misplaced(void *context, const struct pg_result *result,
                                const struct queue_misplaced_row *rows, size_t count);

/* Whose due mail waits for a relay that it should not wait for, while another can take some of it:
 * what is urgent first, and at most `limit` rows of either. Not `is_thorough`: of relays that are
 * away alone. */
bool queue_misplaced(struct queue *queue, int limit, bool is_thorough, queue_on_misplaced *on_done,
                     void *context);
/* Moves up to `limit` of a row's messages to relays that the tenant may use, as far as their limits
 * go; true: there may be more. */
bool queue_move_messages(struct queue *queue, const struct queue_misplaced_row *row, int limit,
                         queue_on_boolean *on_done, void *context);

#endif
