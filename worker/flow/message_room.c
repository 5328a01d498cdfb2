/* How much a flow holds, and how much more it may: it reads, and moves nothing. */
#include "worker/base/clock.h"
#include "worker/flow/message_flow.h"
#include "worker/model/lane.h"

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t room_below(uint32_t limit, size_t taken)
{
    return taken < limit ? limit - (uint32_t)taken : 0;
}

uint32_t message_flow_room(const struct message_flow *flow, enum lane lane, uint32_t capacity,
                           uint32_t coming)
{
    uint32_t held = flow->lists.held + coming;
    uint64_t now_ms = clock_monotonic_ms();
    uint32_t worth_holding = relay_hold_limit(&flow->relay, MESSAGE_FLOW_HOLD_LEAST);

    if (!flow->is_serving || flow->is_stopping || flow->relay.client == NULL ||
        !journal_may_write(flow->parts.journal) || !keep_has_room(flow->parts.keep))
        return 0;
    if (lane > LANE_ACCOUNT && worth_holding < capacity)
        capacity = worth_holding;
    /* One that is down is tried without a mail first: urgent mail would wait for it. */
    if (relay_is_down(&flow->relay, now_ms) ||
        relay_limit_wait_ms(&flow->relay.limit, relay_limit_class_of(lane), now_ms) > 0)
        return 0;
    uint32_t under_way = relay_under_way(&flow->relay, message_flow_held(flow)) + coming;
    return breaker_room(&flow->relay.breaker, now_ms, under_way, lane_room(lane, capacity, held));
}

uint32_t message_flow_mark_room(const struct message_flow *flow, const struct message *first)
{
    size_t ahead = message_lists_ahead(&flow->lists);
    bool is_urgent = first->lane == LANE_URGENT;
    if (flow->relay.client == NULL)
        return 0;
    uint32_t limit = relay_ahead_limit(&flow->relay, is_urgent);
    uint32_t room = room_below(limit, ahead);

    if (signing_is_due(flow->parts.signing, first)) {
        uint32_t signed_limit =
            signing_ahead_limit(flow->parts.signing) + (is_urgent ? SIGNING_BATCH : 0);
        size_t unsigned_ahead = flow->lists.marking.count +
                                message_lists_count(flow->lists.marked) + flow->lists.signing.count;
        limit = least(limit, signed_limit);
        room = least(room, room_below(signed_limit, unsigned_ahead));
    }
    if (!journal_may_write(flow->parts.journal) || !keep_has_room(flow->parts.keep))
        return 0;
    /* Few large marks cost less than many small ones; but nothing urgent waits for that. */
    if (room < limit / 4 && !is_urgent && !breaker_is_open(&flow->relay.breaker))
        return 0;
    return breaker_room(&flow->relay.breaker, clock_monotonic_ms(),
                        relay_under_way(&flow->relay, (uint32_t)ahead + flow->relay.sending), room);
}

bool message_flow_is_shared(const struct message_flow *flow)
{
    const struct batch *first = NULL;
    LIST_EACH(link, &flow->batches)
    {
        const struct batch *batch = LIST_OBJECT(link, struct batch, link);
        if (first != NULL && batch->tenant_id != first->tenant_id)
            return true;
        first = batch;
    }
    return false;
}

uint32_t message_flow_held(const struct message_flow *flow)
{
    return flow->lists.held - ((uint32_t)flow->lists.sending.count - flow->relay.sending);
}

uint32_t message_flow_count_tenant(const struct message_flow *flow, int64_t tenant_id)
{
    size_t count = 0;
    LIST_EACH(link, &flow->batches)
    {
        const struct batch *batch = LIST_OBJECT(link, struct batch, link);
        count += batch->tenant_id == tenant_id ? batch->holders : 0;
    }
    return (uint32_t)count;
}

bool message_flow_is_empty(const struct message_flow *flow)
{
    return flow->lists.held == 0;
}
