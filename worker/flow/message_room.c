/* How much a flow holds, and how much more it may: it reads, and moves nothing. */
#include "worker/base/clock.h"
#include "worker/flow/message_flow.h"
#include "worker/model/lane.h"

uint32_t message_flow_room(const struct message_flow *flow, enum lane lane, uint32_t capacity,
                           uint32_t coming)
{
    uint32_t held = flow->lists.held + coming;
    uint32_t worth_holding = relay_hold_limit(&flow->relay, MESSAGE_FLOW_HOLD_LEAST);

    if (!flow->is_serving || flow->is_stopping)
        return 0;
    if (lane > LANE_ACCOUNT && worth_holding < capacity)
        capacity = worth_holding;
    return breaker_room(&flow->relay.breaker, clock_monotonic_ms(), held,
                        lane_room(lane, capacity, held));
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
