/* The first two steps of a message's life in a worker: it is claimed, waits for its turn, and the
 * database is asked whether it is still wanted. What follows is told in message_flow.c. */
#include "worker/base/clock.h"
#include "worker/base/crypto.h"
#include "worker/base/log.h"
#include "worker/flow/message_flow.h"
#include "worker/flow/message_steps.h"
#include "worker/flow/refusal.h"

#include <stdlib.h>
#include <string.h>

/* ---- 1. Claimed: the message is ours, and waits for its turn to be marked. ---- */

bool message_flow_take(struct message_flow *flow, int64_t tenant_id, enum lane lane,
                       const struct queue_claimed *claimed)
{
    if (claimed->message_count == 0)
        return true;
    struct batch *batch =
        batch_new(tenant_id, claimed->tenant, claimed->courses, claimed->course_count);
    size_t taken = 0;
    if (batch != NULL)
        batch->categories = json_hold(claimed->categories);
    for (size_t i = 0; batch != NULL && i < claimed->message_count; i++) {
        const struct queue_claimed_message *row = &claimed->messages[i];
        struct message *message =
            message_new(&flow->lists, batch, lane, row->message_id, row->epoch, row->data);
        if (message == NULL)
            break;
        message->flow = flow;
        journal_begin(flow->parts.journal, &message->journal_entry);
        message_enter(message, MESSAGE_CLAIMED);
        taken++;
    }
    flow->parts.tally->claimed += taken;
    if (taken < claimed->message_count)
        LOG(LOG_LEVEL_ERROR, "memory_missed",
            log_int("messages", (int64_t)(claimed->message_count - taken)));
    if (taken > 0)
        list_join(&flow->batches, &batch->link);
    else
        batch_free(batch);
    if (flow->is_stopping || !flow->is_serving || flow->relay.client == NULL)
        message_steps_give_back_all(flow, &flow->lists.claimed[lane]);
    message_flow_advance(flow);
    return taken == claimed->message_count;
}

/* ---- 2. Marking: the database is asked whether each is still wanted. ---- */

struct mark_call {
    struct message_flow *flow;
    uint64_t asked_at_ms;
    size_t count;
    struct message *messages[MESSAGE_FLOW_MARK_BATCH];
};

static void on_marked(void *context, const struct pg_result *result,
                      const struct queue_marked *marked, size_t count);

/* Takes turns between tenants, so that nobody's cancellations wait behind another's thousand. Whose
 * turn it is is looked for only when there is room: it costs a walk along the lane. */
static struct message *flow_next(struct message_flow *flow)
{
    struct message *first = message_lists_first(flow->lists.claimed);
    if (first == NULL || !message_flow_is_shared(flow) || message_flow_mark_room(flow, first) == 0)
        return first;
    return message_lists_turn(flow->lists.claimed, flow->turns);
}

static void on_allowed(void *context, enum relay_limit_class which)
{
    struct message_flow *flow = context;
    bool is_long =
        relay_limit_wait_ms(&flow->relay.limit, which, clock_monotonic_ms()) >= RELAY_LIMIT_LONG_MS;
    for (int lane = LANE_URGENT; lane <= LANE_COUNT && is_long; lane++)
        if (relay_limit_class_of((enum lane)lane) == which)
            message_steps_give_back_all(flow, &flow->lists.claimed[lane]);
    message_flow_advance(flow);
}

/* What is urgent waits behind no other mark. */
static struct queue *flow_mark_queue(const struct message_flow *flow, const struct message *message)
{
    return message->lane == LANE_URGENT ? flow->urgent_queue : flow->mark_queue;
}

/* How many of `wanted` the relay's limits let begin now; more are asked for. */
static uint32_t flow_allowed(struct message_flow *flow, const struct message *first,
                             uint32_t wanted)
{
    struct relay *relay = &flow->relay;
    uint64_t now_ms = clock_monotonic_ms();
    enum relay_limit_class which = relay_limit_class_of(first->lane);

    if (!relay_is_limited(relay) || wanted == 0)
        return wanted;
    uint32_t left = relay_limit_left(&relay->limit, which, now_ms);
    uint32_t waiting = (uint32_t)first->link.list->count;
    if (left == 0) {
        const struct queue_relay limited = {.number = relay->number,
                                            .per_minute = relay->options.per_minute,
                                            .per_day = relay->options.per_day,
                                            .urgent_share = relay->options.urgent_share};
        relay_limit_ask(&relay->limit, which, flow_mark_queue(flow, first), &limited,
                        wanted < waiting ? wanted : waiting, now_ms, on_allowed, flow);
    }
    return left < wanted ? left : wanted;
}

/* `first` and those behind it that are of its tenant. False where there is no memory. */
static bool flow_mark_batch(struct message_flow *flow, const struct message *first, size_t room)
{
    uint64_t now_ms = clock_monotonic_ms();
    bool is_limited = relay_is_limited(&flow->relay);
    enum relay_limit_class which = relay_limit_class_of(first->lane);
    struct list *list = first->link.list;
    struct mark_call *call = malloc(sizeof *call);
    int64_t ids[MESSAGE_FLOW_MARK_BATCH];
    int32_t epochs[MESSAGE_FLOW_MARK_BATCH];
    int64_t tenant_id = first->tenant_id;

    if (call == NULL)
        return false;
    call->flow = flow;
    call->asked_at_ms = clock_monotonic_ms();
    call->count = 0;
    flow->turns[first->lane] = tenant_id;
    LIST_EACH(link, list)
    {
        struct message *message = LIST_OBJECT(link, struct message, link);
        if (call->count == room || call->count == MESSAGE_FLOW_MARK_BATCH)
            break;
        if (message->tenant_id != tenant_id)
            continue;
        message->allowed_until_ms =
            is_limited ? relay_limit_take(&flow->relay.limit, which, now_ms) : 0;
        ids[call->count] = message->message_id;
        epochs[call->count] = message->epoch;
        call->messages[call->count++] = message;
        message_enter(message, MESSAGE_MARKING);
    }
    if (queue_mark(flow_mark_queue(flow, first), tenant_id, ids, epochs, call->count, on_marked,
                   call))
        return true;
    for (size_t i = 0; i < call->count; i++)
        message_enter(call->messages[i], MESSAGE_CLAIMED);
    free(call);
    return false;
}

void message_steps_mark(struct message_flow *flow)
{
    while (flow->is_serving && !flow->is_stopping && !flow->is_marking_paused) {
        const struct message *first = flow_next(flow);
        uint32_t room = first != NULL ? message_flow_mark_room(flow, first) : 0;
        room = room > 0 ? flow_allowed(flow, first, room) : 0;
        if (room == 0)
            return;
        flow->is_marking_paused = !flow_mark_batch(flow, first, room);
    }
    if (flow->is_marking_paused && !loop_timer_is_running(flow->retry_timer))
        loop_timer_start(flow->retry_timer, MESSAGE_FLOW_RETRY_MS);
}

/* Its domain is left alone just now: it comes back when that is over. What is urgent is tried all
 * the same: one attempt is cheap, and the next word of the domain may be a better one. */
static bool message_waits_for_domain(struct message_flow *flow, struct message *message)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t chance = 0;
    if (message->lane == LANE_URGENT || flow->domains.count == 0)
        return false;
    (void)crypto_random(&chance, sizeof chance);
    message->wait_s = domain_pauses_wait_s(&flow->domains, message->address, now_ms, chance);
    if (message->wait_s > 0)
        relay_limit_put_back(&flow->relay.limit, relay_limit_class_of(message->lane),
                             message->allowed_until_ms, now_ms);
    return message->wait_s > 0;
}

static void message_take_verdict(struct message_flow *flow, struct message *message,
                                 const struct queue_marked *marked, uint64_t marked_at_ms)
{
    switch (marked->verdict) {
    case QUEUE_VERDICT_GO:
        message->address = strdup(marked->address);
        message->marked_at_ms = marked_at_ms;
        if (message->address == NULL ||
            !message_keep_courses(message, marked->courses, marked->course_count) ||
            message_waits_for_domain(flow, message))
            message_steps_give_back(flow, message);
        else if (signing_is_due(flow->parts.signing, message))
            message_enter(message, MESSAGE_MARKED);
        else
            message_enter(message, MESSAGE_OUTGOING);
        return;
    case QUEUE_VERDICT_SKIPPED:
        LOG(LOG_LEVEL_DEBUG, "message_skipped", log_int("tenant", message->tenant_id),
            log_int("message", message->message_id), log_text("why", marked->word));
        flow->parts.tally->skipped++;
        break;
    case QUEUE_VERDICT_STALE:
        flow->parts.tally->stale++;
        break;
    }
    relay_limit_put_back(&flow->relay.limit, relay_limit_class_of(message->lane),
                         message->allowed_until_ms, clock_monotonic_ms());
    message_steps_end(flow, message);
}

static const struct queue_marked *marked_find(const struct queue_marked *marked, size_t count,
                                              size_t expected_at, int64_t message_id)
{
    static const struct queue_marked unknown = {.verdict = QUEUE_VERDICT_STALE, .word = "stale"};
    if (expected_at < count && marked[expected_at].message_id == message_id)
        return &marked[expected_at];
    for (size_t i = 0; i < count; i++)
        if (marked[i].message_id == message_id)
            return &marked[i];
    return &unknown;
}

/* Since when the marks may hold. The answer may have lain here, while the process was stopped. */
static uint64_t mark_call_since_ms(const struct mark_call *call)
{
    uint64_t waited_from_ms = loop_waited_from_ms(call->flow->parts.loop);
    return call->asked_at_ms > waited_from_ms ? call->asked_at_ms : waited_from_ms;
}

static void on_marked(void *context, const struct pg_result *result,
                      const struct queue_marked *marked, size_t count)
{
    struct mark_call *call = context;
    struct message_flow *flow = call->flow;

    if (result->kind == PG_RESULT_REFUSED) {
        refusal_log(&flow->mark_trouble, "mark_refused", result, 0, (int64_t)call->count);
        flow->is_marking_paused = true;
    }
    for (size_t i = 0; i < call->count; i++) {
        struct message *message = call->messages[i];
        switch (result->kind) {
        case PG_RESULT_ROWS:
            message_take_verdict(flow, message, marked_find(marked, count, i, message->message_id),
                                 mark_call_since_ms(call));
            break;
        case PG_RESULT_LOST: /* it may be marked or not: it is not sent, and given back later */
            message_steps_give_back(flow, message);
            break;
        case PG_RESULT_REFUSED:
        case PG_RESULT_UNSENT:
            message_enter(message, MESSAGE_CLAIMED);
            break;
        }
    }
    free(call);
    message_flow_advance(flow);
}
