/* The figures of waiting. Knows no clock and no message. */
#include "worker/model/backoff.h"

uint32_t backoff_limit(uint32_t base, uint32_t cap, uint32_t attempt)
{
    if (attempt < 32 && ((uint64_t)base << attempt) < cap)
        return (uint32_t)((uint64_t)base << attempt);
    return base == 0 ? 0 : cap;
}

uint32_t backoff_jitter(uint32_t base, uint32_t cap, uint32_t attempt, uint64_t chance)
{
    /* The remainder's bias is below 2^-47 for limits of a day at most. */
    return (uint32_t)(chance % ((uint64_t)backoff_limit(base, cap, attempt) + 1));
}

uint32_t backoff_delay_s(enum outcome_scope scope, uint32_t attempt, uint64_t chance)
{
    uint32_t delay_s =
        scope == OUTCOME_SCOPE_RELAY
            ? backoff_jitter(BACKOFF_RELAY_BASE_S, BACKOFF_RELAY_CAP_S, attempt, chance)
            : backoff_jitter(BACKOFF_MAIL_BASE_S, BACKOFF_MAIL_CAP_S, attempt, chance);
    return delay_s > 0 ? delay_s : 1;
}
