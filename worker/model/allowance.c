/* Counting grants down. */
#include "worker/model/allowance.h"

#include <stddef.h>

/* The grant that ends first of those with `count` left; of all where `is_any`. */
static struct allowance_grant *first_to_end(struct allowance *allowance, uint64_t now_ms,
                                            bool is_any)
{
    struct allowance_grant *first = NULL;
    for (size_t i = 0; i < ALLOWANCE_GRANTS; i++) {
        struct allowance_grant *grant = &allowance->grants[i];
        if (!is_any && (grant->count == 0 || grant->until_ms <= now_ms))
            continue;
        if (first == NULL || grant->until_ms < first->until_ms)
            first = grant;
    }
    return first;
}

void allowance_add(struct allowance *allowance, uint32_t count, uint64_t until_ms)
{
    for (size_t i = 0; i < ALLOWANCE_GRANTS; i++) {
        struct allowance_grant *grant = &allowance->grants[i];
        if (grant->count > 0 && grant->until_ms == until_ms) {
            grant->count += count;
            return;
        }
        if (grant->count == 0)
            grant->until_ms = 0;
    }
    *first_to_end(allowance, 0, true) =
        (struct allowance_grant){.count = count, .until_ms = until_ms};
}

uint32_t allowance_left(const struct allowance *allowance, uint64_t now_ms)
{
    uint32_t left = 0;
    for (size_t i = 0; i < ALLOWANCE_GRANTS; i++)
        if (allowance->grants[i].until_ms > now_ms)
            left += allowance->grants[i].count;
    return left;
}

uint64_t allowance_take(struct allowance *allowance, uint64_t now_ms)
{
    struct allowance_grant *grant = first_to_end(allowance, now_ms, false);
    if (grant == NULL)
        return 0;
    grant->count--;
    return grant->until_ms;
}
