/* Asking ahead, and spending. */
#include "worker/flow/relay_limit.h"

#include "worker/base/clock.h"
#include "worker/base/log.h"

#include <stdlib.h>

struct relay_limit_call {
    struct relay_limit *limit;
    enum relay_limit_class which;
    int relay;
    uint64_t asked_at_ms;
    void (*on_answer)(void *context, enum relay_limit_class which);
    void *context;
};

enum relay_limit_class relay_limit_class_of(enum lane lane)
{
    return lane <= LANE_ACCOUNT ? RELAY_LIMIT_URGENT : RELAY_LIMIT_BULK;
}

uint32_t relay_limit_left(const struct relay_limit *limit, enum relay_limit_class which,
                          uint64_t now_ms)
{
    uint32_t left = allowance_left(&limit->parts[which].allowance, now_ms);
    if (which == RELAY_LIMIT_URGENT)
        left += allowance_left(&limit->parts[RELAY_LIMIT_BULK].allowance, now_ms);
    return left;
}

uint64_t relay_limit_take(struct relay_limit *limit, enum relay_limit_class which, uint64_t now_ms)
{
    uint64_t until_ms = allowance_take(&limit->parts[which].allowance, now_ms);
    if (until_ms == 0 && which == RELAY_LIMIT_URGENT)
        until_ms = allowance_take(&limit->parts[RELAY_LIMIT_BULK].allowance, now_ms);
    return until_ms;
}

void relay_limit_put_back(struct relay_limit *limit, enum relay_limit_class which,
                          uint64_t until_ms, uint64_t now_ms)
{
    if (until_ms > now_ms)
        allowance_add(&limit->parts[which].allowance, 1, until_ms);
}

uint64_t relay_limit_wait_ms(const struct relay_limit *limit, enum relay_limit_class which,
                             uint64_t now_ms)
{
    uint64_t until_ms = limit->parts[which].blocked_until_ms;
    return until_ms > now_ms ? until_ms - now_ms : 0;
}

static uint64_t bounded_wait_ms(uint64_t wait_ms)
{
    if (wait_ms < RELAY_LIMIT_WAIT_LEAST_MS)
        return RELAY_LIMIT_WAIT_LEAST_MS;
    return wait_ms < RELAY_LIMIT_WAIT_MOST_MS ? wait_ms : RELAY_LIMIT_WAIT_MOST_MS;
}

/* The question is asked each second while the database refuses it: its beginning and its end are
 * said, and between the two less and less. */
static void limit_say_trouble(struct relay_limit *limit, int relay, const struct pg_result *result)
{
    uint32_t left_out = 0;
    if (!log_pause_over(&limit->trouble, clock_monotonic_ms(), &left_out))
        return;
    limit->is_trouble_said = true;
    LOG(LOG_LEVEL_WARNING, "relay_limit_not_asked", log_int("relay", relay),
        log_text("kind", pg_result_kind_name(result->kind)), log_text("sqlstate", result->sqlstate),
        log_text("reason", result->text), log_int("left_out", left_out));
}

static void limit_end_trouble(struct relay_limit *limit, int relay)
{
    if (limit->is_trouble_said)
        LOG(LOG_LEVEL_INFO, "relay_limit_asked_again", log_int("relay", relay));
    limit->is_trouble_said = false;
    log_pause_end(&limit->trouble);
}

static void on_allowance(void *context, const struct pg_result *result,
                         const struct queue_allowance *granted)
{
    struct relay_limit_call *call = context;
    struct relay_limit_part *part = &call->limit->parts[call->which];

    part->is_asking = false;
    if (result->kind == PG_RESULT_ROWS)
        limit_end_trouble(call->limit, call->relay);
    if (result->kind != PG_RESULT_ROWS) {
        limit_say_trouble(call->limit, call->relay, result);
        part->blocked_until_ms = clock_monotonic_ms() + RELAY_LIMIT_FAILED_MS;
    } else if (granted->granted == 0) {
        part->blocked_until_ms = clock_monotonic_ms() + bounded_wait_ms(granted->wait_ms);
    } else {
        allowance_add(&part->allowance, granted->granted, call->asked_at_ms + ALLOWANCE_VALID_MS);
    }
    call->on_answer(call->context, call->which);
    free(call);
}

void relay_limit_ask(struct relay_limit *limit, enum relay_limit_class which, struct queue *queue,
                     const struct queue_relay *relay, uint32_t wanted, uint64_t now_ms,
                     void (*on_answer)(void *context, enum relay_limit_class which), void *context)
{
    struct relay_limit_part *part = &limit->parts[which];
    if (part->is_asking || wanted == 0 || relay_limit_wait_ms(limit, which, now_ms) > 0)
        return;
    struct relay_limit_call *call = malloc(sizeof *call);
    if (call == NULL)
        return;
    *call = (struct relay_limit_call){.limit = limit,
                                      .which = which,
                                      .relay = relay->number,
                                      .asked_at_ms = now_ms,
                                      .on_answer = on_answer,
                                      .context = context};
    part->is_asking = queue_relay_allow(queue, relay, wanted, which == RELAY_LIMIT_URGENT,
                                        ALLOWANCE_VALID_MS, on_allowance, call);
    if (!part->is_asking)
        free(call);
}
