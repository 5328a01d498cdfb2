/* One owner's messages, taken over. */
#include "worker/flow/take_over.h"

#include "worker/base/log.h"
#include "worker/flow/refusal.h"

#include <stdio.h>

static void take_over_end_call(struct take_over *take_over, const struct pg_result *result)
{
    if (result->kind != PG_RESULT_ROWS) {
        take_over->is_lost = true;
        refusal_log(&take_over->trouble, "take_over_failed", result, 0, 0);
    }
    if (--take_over->calls > 0)
        return;
    if (take_over->released + take_over->uncertain > 0)
        LOG(LOG_LEVEL_WARNING, "messages_taken_over", log_text("owner", take_over->owner),
            log_int("released", take_over->released), log_int("uncertain", take_over->uncertain));
    take_over->is_under_way = false;
    take_over->on_done(take_over->context, !take_over->is_lost);
}

static void on_taken_over(void *context, const struct pg_result *result,
                          const struct queue_taken_over *taken_over)
{
    struct take_over *take_over = context;
    take_over->released += taken_over->released;
    take_over->uncertain += taken_over->uncertain;
    take_over_end_call(take_over, result);
}

static void on_tenants(void *context, const struct pg_result *result, const int64_t *tenant_ids,
                       size_t count)
{
    struct take_over *take_over = context;
    for (size_t i = 0; i < count; i++) {
        if (queue_take_over(take_over->queue, tenant_ids[i], take_over->owner,
                            take_over->is_transmitting, on_taken_over, take_over))
            take_over->calls++;
        else
            take_over->is_lost = true;
    }
    take_over_end_call(take_over, result);
}

void take_over_begin(struct take_over *take_over, struct queue *queue, const char *owner,
                     bool is_transmitting)
{
    take_over->queue = queue;
    (void)snprintf(take_over->owner, sizeof take_over->owner, "%s", owner);
    take_over->is_transmitting = is_transmitting;
    take_over->is_lost = false;
    take_over->released = 0;
    take_over->uncertain = 0;
    take_over->calls = 1;
    take_over->is_under_way = true;
    if (!queue_in_flight_tenants(queue, owner, on_tenants, take_over)) {
        take_over->is_under_way = false;
        take_over->on_done(take_over->context, false);
    }
}
