/* All relays of a worker: one flow of messages each, side by side. What they share (the signing,
 * the count of what was done) is here; no relay knows of another. */
#ifndef HANDBELL_FLOW_RELAYS_H
#define HANDBELL_FLOW_RELAYS_H

#include "worker/flow/equipment.h"
#include "worker/flow/message_flow.h"
#include "worker/flow/relay_report.h"

/* The flow of relay N is at N - 1; there is one for each number, also where there is no such relay.
 */
struct relays {
    struct signing signing;
    struct tally tally;
    struct relay_report report;
    uint32_t in_memory; /* messages, of all relays together */
    struct message_flow flows[SMTP_RELAYS];
};

/* `journal`, `keep` and `writer` are borrowed. `on_room` as in struct message_flow_parts. False
 * without memory. */
bool relays_init(struct relays *relays, struct loop *loop, struct journal *journal,
                 struct keep *keep, struct mail_writer *writer, void (*on_room)(void *context),
                 void *context);
/* Drops what is in memory without a word; the clients and the queues must be gone. */
void relays_free(struct relays *relays);

/* Takes over relays, keys and limits from new equipment. */
void relays_use(struct relays *relays, const struct equipment *equipment);

/* The database is there, and this worker is registered as `owner` on `bell_queue`, which has
 * nothing slow to do: what is urgent is marked on it. */
void relays_open(struct relays *relays, const char *owner, struct queue *bell_queue,
                 struct queue *mark_queue, struct queue *record_queue);
/* As for one flow: see message_flow.h. */
void relays_close(struct relays *relays);
void relays_tick(struct relays *relays);
void relays_renew_lease(struct relays *relays, uint64_t asked_at_ms);
void relays_stop(struct relays *relays);
bool relays_are_empty(const struct relays *relays);

/* The flow of relay `number`; NULL for one that is not there. */
struct message_flow *relays_flow(struct relays *relays, int number);
/* The numbers of those that are there; returns how many. */
size_t relays_numbers(const struct relays *relays, int numbers[SMTP_RELAYS]);
/* How many messages one of them may hold: memory is shared out evenly, so that a relay that stalls
 * fills its share alone. */
uint32_t relays_capacity(const struct relays *relays);
/* Messages in memory, and those that are with a relay. */
uint32_t relays_held(const struct relays *relays);
uint32_t relays_sending(const struct relays *relays);

#endif
