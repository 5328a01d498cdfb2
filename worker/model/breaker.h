/* Whether a relay may be tried: after failures in a row it is left alone for a while, then tried
 * with a single mail. Time and chance come in as arguments; it knows no connection. */
#ifndef HANDBELL_MODEL_BREAKER_H
#define HANDBELL_MODEL_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum {
    /* One session that drops, or is told 421, says little of the relay. */
    BREAKER_FAILURES = 3,
    BREAKER_BASE_MS = 1000,
    BREAKER_CAP_MS = 60000,
};

/* Zeroed: closed, that is, all is well. */
struct breaker {
    uint32_t failures_in_row;
    uint32_t openings_in_row; /* 0: closed */
    uint64_t retry_at_ms;     /* meaningful while it is open */
};

/* A transaction ended as sent, deferred or refused by a relay that answers. True when it was open
 * and has closed with this. */
bool breaker_count_success(struct breaker *breaker);
/* A relay-scope failure at `now_ms`. True when it has opened with this; while it is open, only a
 * failure after `retry_at_ms` (the trial's) counts, and pauses for longer. */
bool breaker_count_failure(struct breaker *breaker, uint64_t now_ms, uint64_t chance);

bool breaker_is_open(const struct breaker *breaker);
/* How many of `wanted` more transactions may start at `now_ms` while `under_way` run: all when it
 * is closed, none while it pauses, one at a time after that. */
uint32_t breaker_room(const struct breaker *breaker, uint64_t now_ms, uint32_t under_way,
                      uint32_t wanted);

#endif
