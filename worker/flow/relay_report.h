/* Tells the database of this worker's relays, every two seconds and when one goes down: which there
 * are, with which settings, and which are down, so that all workers and the making of messages go
 * by the same. It knows no message. */
#ifndef HANDBELL_FLOW_RELAY_REPORT_H
#define HANDBELL_FLOW_RELAY_REPORT_H

#include "queue/client/relay_calls.h"
#include "worker/base/log_pause.h"
#include "worker/flow/relay.h"

enum { RELAY_REPORT_MS = 2000 };

/* Zeroed: closed. */
struct relay_report {
    struct queue *queue; /* NULL: closed */
    char owner[QUEUE_UUID_BYTES];
    bool is_under_way;
    struct log_pause trouble;
    uint64_t told_at_ms;
    /* Bit N - 1 is for relay N. */
    unsigned down;      /* it was told that it is down */
    unsigned differing; /* another worker's settings for it are not ours; the log has it */
};

/* The worker is registered on `queue` as `owner` (a uuid as text). */
void relay_report_open(struct relay_report *report, struct queue *queue, const char *owner);
void relay_report_close(struct relay_report *report);
/* Tells, unless the answer before is still to come or nothing is new. Relay N is relays[N - 1];
 * those without a client are not there. */
void relay_report_tell(struct relay_report *report, const struct relay *const relays[SMTP_RELAYS]);

#endif
