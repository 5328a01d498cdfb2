/* Which recipients' domains are left alone for a while: one whose mail system is in trouble, or
 * asks to be sent less, says so for all of its people (RFC 3463: 4.3, 4.4, some of 4.7). Bounded,
 * and it keeps digests, no name. Time and chance are arguments; it sends nothing and waits for
 * nothing. */
#ifndef HANDBELL_MODEL_DOMAIN_PAUSES_H
#define HANDBELL_MODEL_DOMAIN_PAUSES_H

#include "worker/model/outcome.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* Domains known at a time; past it the pause that ends soonest is forgotten. */
    DOMAIN_PAUSES_MAXIMUM = 512,
    DOMAIN_PAUSE_DIGEST_BYTES = 16,
    DOMAIN_PAUSE_BASE_S = 60,
    DOMAIN_PAUSE_CAP_S = 1800,
    /* After so long without a word of the domain its next trouble is its first. */
    DOMAIN_PAUSE_MEMORY_S = 3600,
};

struct domain_pause {
    uint8_t digest[DOMAIN_PAUSE_DIGEST_BYTES];
    uint64_t until_ms;
    uint32_t openings; /* in a row */
};

/* Zeroed: none is paused. */
struct domain_pauses {
    size_t count;
    struct domain_pause pauses[DOMAIN_PAUSES_MAXIMUM];
};

/* Counts what became of a mail to `address` (any text; what stands behind its last '@', whatever
 * the case, is the domain). An OUTCOME_SCOPE_DOMAIN deferral pauses the domain, or does so for
 * longer where the pause before is over; any other answer to RCPT or to what follows it, after the
 * pause, ends the story. True when it has begun to pause, or does so again, with this. */
bool domain_pauses_count(struct domain_pauses *pauses, const char *address,
                         const struct outcome *outcome, uint64_t now_ms, uint64_t chance);
/* How many seconds a mail to `address` has to wait: 0 where its domain is not paused, else to the
 * end of the pause and, by chance, a while more, so that what waited does not come all at once. */
uint32_t domain_pauses_wait_s(const struct domain_pauses *pauses, const char *address,
                              uint64_t now_ms, uint64_t chance);

#endif
