/* Recording in batches: one by one the database takes 4,600 outcomes a second, by the thousand
 * 77,000 (measured). */
#include "worker/flow/outbox.h"

#include "worker/base/crypto.h"
#include "worker/flow/refusal.h"
#include "worker/model/backoff.h"

#include <stdlib.h>

/* One call under way, and the messages that it tells of. */
struct outbox_call {
    struct outbox *outbox;
    size_t count;
    struct message *messages[OUTBOX_BATCH];
};

static void outbox_flush(struct outbox *outbox, size_t at_least);

static void on_time(void *context)
{
    outbox_flush(context, 1);
}

bool outbox_init(struct outbox *outbox, struct loop *loop, struct message_lists *lists,
                 void (*on_recorded)(void *context, struct message *message,
                                     enum queue_recorded_state state),
                 void *context)
{
    *outbox = (struct outbox){
        .loop = loop, .lists = lists, .on_recorded = on_recorded, .context = context};
    outbox->timer = loop_timer_new(loop, on_time, outbox);
    return outbox->timer != NULL;
}

void outbox_free(struct outbox *outbox)
{
    loop_timer_free(outbox->timer);
    outbox->timer = NULL;
}

void outbox_open(struct outbox *outbox, struct queue *queue)
{
    outbox->queue = queue;
    outbox->is_open = true;
    outbox_flush(outbox, 1);
}

void outbox_close(struct outbox *outbox)
{
    outbox->is_open = false;
    loop_timer_stop(outbox->timer);
}

void outbox_put(struct outbox *outbox, struct message *message)
{
    message_enter(message, MESSAGE_DONE);
    if (!outbox->is_open)
        return;
    if (message->lane == LANE_URGENT)
        loop_timer_start(outbox->timer, 0);
    else if (outbox->lists->done.count >= OUTBOX_BATCH)
        outbox_flush(outbox, OUTBOX_BATCH);
    else if (!loop_timer_is_running(outbox->timer))
        loop_timer_start(outbox->timer, OUTBOX_WAIT_MS);
}

static uint32_t retry_after_s(const struct message *message)
{
    uint64_t chance = 0;
    /* Without chance it waits for a moment only, which is no harm. */
    (void)crypto_random(&chance, sizeof chance);
    return backoff_after_s(&message->outcome, message->attempt, chance);
}

static struct queue_outcome outcome_of(const struct message *message)
{
    static const enum queue_outcome_kind kinds[] = {
        [OUTCOME_SENT] = QUEUE_OUTCOME_SENT,
        [OUTCOME_DEFERRED] = QUEUE_OUTCOME_DEFERRED,
        [OUTCOME_REFUSED] = QUEUE_OUTCOME_REFUSED,
        [OUTCOME_UNCERTAIN] = QUEUE_OUTCOME_UNCERTAIN,
    };
    struct queue_outcome outcome = {
        .message_id = message->message_id,
        .created_unix_s = message->journal_entry.created_unix_s,
        .epoch = message->epoch,
        .kind = message->is_unsent ? QUEUE_OUTCOME_UNSENT : kinds[message->outcome.kind],
        .code = message->outcome.code,
        .enhanced = message->outcome.enhanced,
        .words = message->outcome.text,
    };
    if (outcome.kind == QUEUE_OUTCOME_DEFERRED || outcome.kind == QUEUE_OUTCOME_UNCERTAIN)
        outcome.retry_after_s = retry_after_s(message);
    else if (message->is_unsent)
        outcome.retry_after_s = message->wait_s;
    return outcome;
}

static enum queue_recorded_state state_of(const struct queue_recorded *recorded, size_t count,
                                          int64_t message_id)
{
    for (size_t i = 0; i < count; i++)
        if (recorded[i].message_id == message_id)
            return recorded[i].state;
    return QUEUE_RECORDED_STALE;
}

static void on_recorded(void *context, const struct pg_result *result,
                        const struct queue_recorded *recorded, size_t count)
{
    struct outbox_call *call = context;
    struct outbox *outbox = call->outbox;

    for (size_t i = 0; i < call->count; i++) {
        struct message *message = call->messages[i];
        /* Both come in the order of the call; the search is for an answer that does not. */
        bool is_in_order = i < count && recorded[i].message_id == message->message_id;
        if (result->kind != PG_RESULT_ROWS)
            message_enter(message, MESSAGE_DONE);
        else
            outbox->on_recorded(outbox->context, message,
                                is_in_order ? recorded[i].state
                                            : state_of(recorded, count, message->message_id));
    }
    if (result->kind == PG_RESULT_REFUSED)
        refusal_log(&outbox->trouble, "outcomes_refused", result, 0, (int64_t)call->count);
    if (result->kind != PG_RESULT_ROWS && outbox->is_open)
        loop_timer_start(outbox->timer, OUTBOX_RETRY_MS);
    free(call);
}

/* Sends the outcomes of the first waiting message's tenant. False when that failed for want of
 * memory. */
static bool outbox_send_tenant(struct outbox *outbox)
{
    struct outbox_call *call = malloc(sizeof *call);
    struct queue_outcome outcomes[OUTBOX_BATCH];
    int64_t tenant_id = message_first(&outbox->lists->done)->tenant_id;

    if (call == NULL)
        return false;
    call->outbox = outbox;
    call->count = 0;
    LIST_EACH(link, &outbox->lists->done)
    {
        struct message *message = LIST_OBJECT(link, struct message, link);
        if (message->tenant_id != tenant_id)
            continue;
        outcomes[call->count] = outcome_of(message);
        call->messages[call->count++] = message;
        message_enter(message, MESSAGE_RECORDING);
        if (call->count == OUTBOX_BATCH)
            break;
    }
    if (queue_record(outbox->queue, tenant_id, outcomes, call->count, on_recorded, call))
        return true;
    for (size_t i = 0; i < call->count; i++)
        message_enter(call->messages[i], MESSAGE_DONE);
    free(call);
    return false;
}

/* Tenant by tenant, pipelined, until fewer than `at_least` wait. */
static void outbox_flush(struct outbox *outbox, size_t at_least)
{
    bool is_sent = true;
    while (is_sent && outbox->is_open && outbox->lists->done.count >= at_least)
        is_sent = outbox_send_tenant(outbox);
    if (!is_sent)
        loop_timer_start(outbox->timer, OUTBOX_RETRY_MS);
    else if (list_is_empty(&outbox->lists->done))
        loop_timer_stop(outbox->timer);
    else if (outbox->is_open && !loop_timer_is_running(outbox->timer))
        loop_timer_start(outbox->timer, OUTBOX_WAIT_MS);
}
