/* How long a mail that could not be sent now waits before the next attempt: exponential, with full
 * jitter, so that what failed together does not come back together. Chance comes in as an argument.
 */
#ifndef HANDBELL_MODEL_BACKOFF_H
#define HANDBELL_MODEL_BACKOFF_H

#include "worker/model/outcome.h"

#include <stdint.h>

enum {
    /* A greylisting server wants a pause of a minute or more (RFC 6647 section 5.2). */
    BACKOFF_MAIL_BASE_S = 60,
    BACKOFF_MAIL_CAP_S = 3600,
    /* Nobody greylists for less, so a sooner try is a wasted one. */
    BACKOFF_GREYLISTED_S = 60,
    /* A relay that is away is no fault of the mail's, and what is urgent waits with the rest. */
    BACKOFF_RELAY_BASE_S = 5,
    BACKOFF_RELAY_CAP_S = 300,
};

/* min(cap, base * 2^attempt). `attempt` counts from 0; any value is fine. */
uint32_t backoff_limit(uint32_t base, uint32_t cap, uint32_t attempt);
/* A number from [0, min(cap, base * 2^attempt)], chosen by `chance` (any 64 random bits): each is
 * as likely. */
uint32_t backoff_jitter(uint32_t base, uint32_t cap, uint32_t attempt, uint64_t chance);

/* Seconds to wait after an attempt that ended as DEFERRED: relay scope by the relay's figures, any
 * other by the mail's. At least 1, so that a mail never comes back within its own batch. */
uint32_t backoff_delay_s(enum outcome_scope scope, uint32_t attempt, uint64_t chance);

/* The same for the whole outcome: where its words ask for a pause (model/wish.h), or it is
 * greylisting (450 or 451 to RCPT, with 4.7.1, 4.2.0 or none), that comes first, and the back-off
 * on top of it. */
uint32_t backoff_after_s(const struct outcome *outcome, uint32_t attempt, uint64_t chance);

#endif
