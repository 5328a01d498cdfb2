/* Opening, closing and driving one relay's flow. What is done with a message is told in
 * message_flow.c. */
#include "worker/base/clock.h"
#include "worker/flow/message_flow.h"
#include "worker/flow/message_steps.h"

static void on_advance(void *context)
{
    struct message_flow *flow = context;
    message_steps_advance(flow);
    flow->parts.on_room(flow->parts.context);
}

void message_flow_advance(struct message_flow *flow)
{
    loop_defer(flow->parts.loop, &flow->advance);
}

static void on_relay_room(void *context)
{
    message_flow_advance(context);
}

static void on_retry_time(void *context)
{
    struct message_flow *flow = context;
    flow->is_marking_paused = false;
    message_flow_advance(flow);
}

bool message_flow_init(struct message_flow *flow, const struct message_flow_parts *parts)
{
    *flow = (struct message_flow){.parts = *parts};
    flow->advance = (struct loop_defer){.run = on_advance, .context = flow};
    flow->retry_timer = loop_timer_new(parts->loop, on_retry_time, flow);
    return flow->retry_timer != NULL &&
           outbox_init(&flow->outbox, parts->loop, &flow->lists, message_steps_take_recorded, flow);
}

void message_flow_free(struct message_flow *flow)
{
    message_lists_free(&flow->lists);
    loop_defer_cancel(&flow->advance);
    loop_timer_free(flow->retry_timer);
    outbox_free(&flow->outbox);
}

void message_flow_set_relay(struct message_flow *flow, int number, struct smtp_client *client,
                            uint32_t connections, const struct relay_options *options)
{
    relay_set(&flow->relay, number, client, connections, options);
    if (client != NULL)
        smtp_client_set_on_room(client, on_relay_room, flow);
    else
        message_steps_give_back_unbegun(flow);
}

void message_flow_tick(struct message_flow *flow)
{
    uint64_t now_ms = clock_monotonic_ms();
    bool is_left_alone = relay_tick(&flow->relay, message_flow_held(flow), now_ms);
    if (is_left_alone || relay_is_silent(&flow->relay, now_ms)) /* perhaps another takes it */
        message_steps_give_back_unbegun(flow);
    message_flow_advance(flow);
}

void message_flow_open(struct message_flow *flow, struct queue *urgent_queue,
                       struct queue *mark_queue, struct queue *record_queue)
{
    flow->urgent_queue = urgent_queue;
    flow->mark_queue = mark_queue;
    flow->is_serving = true;
    outbox_open(&flow->outbox, record_queue);
    message_flow_advance(flow);
}

void message_flow_close(struct message_flow *flow)
{
    flow->is_serving = false;
    outbox_close(&flow->outbox);
    message_steps_forget_claimed(flow);
}

void message_flow_renew_lease(struct message_flow *flow, uint64_t asked_at_ms)
{
    flow->database_answered_at_ms = asked_at_ms;
}

void message_flow_stop(struct message_flow *flow)
{
    flow->is_stopping = true;
    message_steps_give_back_unbegun(flow);
}
