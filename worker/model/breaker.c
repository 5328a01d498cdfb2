/* The relay's circuit breaker. */
#include "worker/model/breaker.h"

#include "worker/model/backoff.h"

bool breaker_is_open(const struct breaker *breaker)
{
    return breaker->openings_in_row > 0;
}

bool breaker_count_success(struct breaker *breaker)
{
    bool was_open = breaker_is_open(breaker);
    *breaker = (struct breaker){0};
    return was_open;
}

bool breaker_count_failure(struct breaker *breaker, uint64_t now_ms, uint64_t chance)
{
    bool was_open = breaker_is_open(breaker);
    breaker->failures_in_row++;
    if (was_open ? now_ms < breaker->retry_at_ms : breaker->failures_in_row < BREAKER_FAILURES)
        return false;
    /* Half the pause is fixed: with jitter alone a dead relay would now and then be tried at once,
     * again and again. */
    uint32_t pause_ms = backoff_limit(BREAKER_BASE_MS, BREAKER_CAP_MS, breaker->openings_in_row);
    uint32_t jitter_ms =
        backoff_jitter(BREAKER_BASE_MS, BREAKER_CAP_MS, breaker->openings_in_row, chance);
    breaker->openings_in_row++;
    breaker->retry_at_ms = now_ms + (pause_ms + jitter_ms) / 2;
    return !was_open;
}

uint32_t breaker_room(const struct breaker *breaker, uint64_t now_ms, uint32_t under_way,
                      uint32_t wanted)
{
    if (!breaker_is_open(breaker))
        return wanted;
    if (now_ms < breaker->retry_at_ms || under_way > 0 || wanted == 0)
        return 0;
    return 1;
}
