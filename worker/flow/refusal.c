/* A line about a refused or lost call. */
#include "worker/flow/refusal.h"

#include "worker/base/clock.h"
#include "worker/base/log.h"

void refusal_log(struct log_pause *pause, const char *event, const struct pg_result *result,
                 int64_t tenant, int64_t count)
{
    uint32_t left_out = 0;
    if (!log_pause_over(pause, clock_monotonic_ms(), &left_out))
        return;
    LOG(LOG_LEVEL_ERROR, event, log_int("tenant", tenant), log_int("count", count),
        log_text("kind", pg_result_kind_name(result->kind)), log_text("sqlstate", result->sqlstate),
        log_text("reason", result->text), log_int("left_out", left_out));
}
