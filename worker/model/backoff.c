/* The figures of waiting. Knows no clock and no message. */
#include "worker/model/backoff.h"

#include "worker/model/wish.h"

#include <stdbool.h>
#include <string.h>

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

static bool is_greylisting(const struct outcome *outcome)
{
    const char *enhanced = outcome->enhanced;
    return outcome->verb == OUTCOME_VERB_RCPT && (outcome->code == 450 || outcome->code == 451) &&
           outcome->scope == OUTCOME_SCOPE_RECIPIENT &&
           (enhanced[0] == '\0' || strcmp(enhanced, "4.7.1") == 0 ||
            strcmp(enhanced, "4.2.0") == 0);
}

uint32_t backoff_after_s(const struct outcome *outcome, uint32_t attempt, uint64_t chance)
{
    uint32_t delay_s = backoff_delay_s(outcome->scope, attempt, chance);
    bool is_of_mail = outcome->scope != OUTCOME_SCOPE_NONE && outcome->scope != OUTCOME_SCOPE_RELAY;
    uint32_t wish_s =
        is_of_mail && outcome->kind == OUTCOME_DEFERRED ? wish_wait_s(outcome->text) : 0;
    if (wish_s == 0 && outcome->kind == OUTCOME_DEFERRED && is_greylisting(outcome))
        wish_s = BACKOFF_GREYLISTED_S;
    /* On top of a wish the first step is enough: it is no failure that has to grow rarer. */
    if (wish_s > 0)
        return wish_s + backoff_jitter(BACKOFF_MAIL_BASE_S, BACKOFF_MAIL_CAP_S,
                                       attempt < 4 ? attempt : 4, chance);
    return delay_s;
}
