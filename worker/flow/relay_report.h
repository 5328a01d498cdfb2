/* Tells the database of this worker's relays, every second: which there are, with which settings,
 * and which are down, so that all workers and the making of messages go by the same. It knows no
 * message.
 */
#ifndef HANDBELL_FLOW_RELAY_REPORT_H
#define HANDBELL_FLOW_RELAY_REPORT_H

#include "queue/client/relay_calls.h"
#include "worker/flow/relay.h"

/* Zeroed: closed. */
struct relay_report {
    struct queue *queue; /* NULL: closed */
    char owner[QUEUE_UUID_BYTES];
    bool is_under_way;
    unsigned
        differing; /* bit N - 1: another worker's settings of relay N are not ours; it was said */
};

/* The worker is registered on `queue` as `owner` (a uuid as text). */
void relay_report_open(struct relay_report *report, struct queue *queue, const char *owner);
void relay_report_close(struct relay_report *report);
/* Tells, unless the answer before is still to come. Relay N is relays[N - 1]; those without a
 * client are not there. */
void relay_report_tell(struct relay_report *report, const struct relay *const relays[SMTP_RELAYS]);

#endif
