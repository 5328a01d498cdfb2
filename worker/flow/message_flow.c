/* The life of a message, read from top to bottom:
 *
 *     claimed -> marking -> marked -> signing -> outgoing -> sending -> done -> recording -> ended
 *                     `--- no key -----------^
 *
 * The first steps, to the mark's answer, are in message_marking.c. Each step starts one thing that
 * takes time; its callback moves the message on. A message ends in message_steps_end alone,
 * whatever became of it: sent, skipped, taken from us, or given back because of a time-out, a
 * shutdown or a relay that is away. */
#include "worker/flow/message_flow.h"

#include "worker/base/clock.h"
#include "worker/base/crypto.h"
#include "worker/base/log.h"
#include "worker/flow/keep_mark.h"
#include "worker/flow/message_steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* ---- 3. Marked: wanted; written and signed, where its domain has keys. ---- */

/* Marks age, leases end, and the relay may have been paused since. */
static bool message_may_go(const struct message_flow *flow, const struct message *message)
{
    uint64_t now_ms = clock_monotonic_ms();
    return !flow->is_stopping && flow->relay.client != NULL &&
           journal_may_send(flow->parts.journal, &message->journal_entry) &&
           now_ms - flow->database_answered_at_ms < flow->lease_ms &&
           now_ms - message->marked_at_ms <= MESSAGE_FLOW_MARK_AGE_MS &&
           breaker_room(&flow->relay.breaker, now_ms, 0, 1) > 0;
}

static void message_end_unmade(struct message_flow *flow, struct message *message,
                               const struct error *error)
{
    LOG(LOG_LEVEL_ERROR, "message_unwritable", log_int("tenant", message->tenant_id),
        log_int("message", message->message_id), log_text("reason", error->text));
    message_fail(message, error);
    outbox_put(&flow->outbox, message);
}

/* False, and it has ended, where no mail can be made of it. */
static bool message_write(struct message_flow *flow, struct message *message)
{
    const struct mail_writer_input input = {
        .batch = message->batch,
        .data = message->data,
        .message_id = message->message_id,
        .address = message->address,
        .is_bulk = message->lane >= LANE_ALERT,
        .now_unix_s = clock_unix_seconds(),
    };
    struct error error = {0};
    if (mail_writer_write(flow->parts.writer, &input, &message->mail, &error))
        return true;
    message_end_unmade(flow, message, &error);
    return false;
}

/* What the pool cannot take now is taken when it gives something back. */
static void flow_sign(struct message_flow *flow)
{
    struct message *message;

    while ((message = message_lists_first(flow->lists.marked)) != NULL &&
           signing_has_room(flow->parts.signing)) {
        bool may_go = message_may_go(flow, message);
        if (may_go && !signing_is_due(flow->parts.signing, message)) /* its keys are gone since */
            message_enter(message, MESSAGE_OUTGOING);
        else if (!may_go || (message_write(flow, message) &&
                             !signing_add(flow->parts.signing, message, clock_unix_seconds())))
            message_steps_give_back(flow, message);
    }
    signing_flush(flow->parts.signing);
}

/* A mail that has a key never goes without its signature. */
void message_flow_take_signed(struct message *message, const struct error *error)
{
    struct message_flow *flow = message->flow;

    if (error != NULL)
        message_end_unmade(flow, message, error);
    else
        message_enter(message, MESSAGE_OUTGOING);
    message_flow_advance(flow);
}

/* ---- 4. Outgoing: handed over when a session of the relay is free. ---- */

static bool on_may_begin(void *context);
static bool on_may_send_data(void *context);
static bool on_data_end(void *context);
static void on_sent(void *context, const struct outcome *outcome);

/* Where the relay takes them, an envelope's sender of its own for each mail, so that what comes
 * back says by itself whom it is about. False, and the message has ended, where none can be made.
 */
static bool message_address(struct message_flow *flow, struct message *message)
{
    struct error error = {0};
    if (!flow->relay.options.is_verp || message->sender != NULL ||
        !mail_writer_has_bounces(message->batch))
        return true;
    message->sender =
        mail_writer_bounce_address(flow->parts.writer, message->batch, message->message_id);
    if (message->sender != NULL)
        return true;
    error_set(&error, EX_OSERR, "the envelope's sender: no memory");
    message_end_unmade(flow, message, &error);
    return false;
}

static void message_send(struct message_flow *flow, struct message *message)
{
    if (message->mail.size == 0 && signing_is_due(flow->parts.signing, message)) {
        message_enter(message, MESSAGE_MARKED); /* its keys have come since */
        return;
    }
    if ((message->mail.size == 0 && !message_write(flow, message)) ||
        !message_address(flow, message))
        return;
    message->transaction = (struct smtp_transaction){
        .mail_from = message->sender != NULL ? message->sender : mail_writer_sender(message->batch),
        .rcpt_to = message->address,
        .bytes = message->mail.data,
        .size = message->mail.size,
        .is_urgent = message->lane == LANE_URGENT,
        .may_begin = on_may_begin,
        .may_send_data = on_may_send_data,
        .on_data_end = on_data_end,
        .on_done = on_sent,
        .context = message,
    };
    message->client = flow->relay.client;
    flow->relay.sending++;
    message_enter(message, MESSAGE_SENDING);
    smtp_client_submit(flow->relay.client, &message->transaction);
}

static void flow_send(struct message_flow *flow)
{
    unsigned room = flow->relay.client != NULL ? smtp_client_room(flow->relay.client) : 0;
    struct message *message;

    while ((message = message_lists_first(flow->lists.outgoing)) != NULL) {
        if (!message_may_go(flow, message))
            message_steps_give_back(flow, message);
        else if (room-- > 0)
            message_send(flow, message);
        else
            return;
    }
}

/* ---- 5. Sending: the relay's client has it. ---- */

/* It may have waited behind another mail, or for a connection. A relay to which every mail comes
 * late must not starve for that: after a round of refusals one is let through. */
static bool on_may_begin(void *context)
{
    const struct message *message = context;
    struct message_flow *flow = message->flow;
    uint64_t now_ms = clock_monotonic_ms();
    bool is_old = now_ms - message->marked_at_ms > MESSAGE_FLOW_MARK_AGE_MS;

    if (message->allowed_until_ms != 0 && now_ms > message->allowed_until_ms)
        return false;
    if (is_old && flow->aged_in_row++ < flow->relay.connections * (RELAY_AHEAD + 1))
        return false;
    flow->aged_in_row = 0;
    return true;
}

static bool on_may_send_data(void *context)
{
    const struct message *message = context;
    const struct message_flow *flow = message->flow;
    return clock_monotonic_ms() - flow->database_answered_at_ms < flow->lease_ms &&
           journal_may_send(flow->parts.journal, &message->journal_entry);
}

/* The lease once more: the process may have been stopped in the middle of the mail. */
static bool on_data_end(void *context)
{
    struct message *message = context;
    const struct message_flow *flow = message->flow;
    return clock_monotonic_ms() - flow->database_answered_at_ms < flow->lease_ms &&
           journal_write_data_end(flow->parts.journal, &message->journal_entry);
}

/* The relay is left alone for a while: what has not begun goes back, perhaps to another worker. */
static void flow_pause(struct message_flow *flow, uint64_t now_ms)
{
    message_steps_give_back_unbegun(flow);
    loop_timer_start(flow->retry_timer, flow->relay.breaker.retry_at_ms - now_ms);
}

/* The log says that some domain is left alone, never which. */
static void domain_count(struct message_flow *flow, const struct message *message, uint64_t now_ms)
{
    uint64_t chance = 0;
    (void)crypto_random(&chance, sizeof chance);
    if (domain_pauses_count(&flow->domains, message->address, &message->outcome, now_ms, chance))
        LOG(LOG_LEVEL_INFO, "domain_paused", log_int("tenant", message->tenant_id),
            log_int("message", message->message_id), log_int("code", message->outcome.code),
            log_text("enhanced", message->outcome.enhanced),
            log_int("domains", (int64_t)flow->domains.count));
}

static void on_sent(void *context, const struct outcome *outcome)
{
    struct message *message = context;
    struct message_flow *flow = message->flow;
    bool is_of_relay = message->client == flow->relay.client; /* and not of one before a reload */

    message_keep_outcome(message, outcome);
    flow->relay.sending -= is_of_relay;
    /* The lease ran out, or the relay's client was told to stop: nothing was tried. */
    message->is_unsent = outcome->kind == OUTCOME_DEFERRED && outcome->scope == OUTCOME_SCOPE_NONE;
    journal_write_reply(flow->parts.journal, &message->journal_entry,
                        message->is_unsent ? NULL : &message->outcome);
    message->kept = keep_mark_add(flow->parts.keep, message, clock_unix_us());
    buf_free(&message->mail);
    LOG(LOG_LEVEL_DEBUG, "message_sent", log_int("tenant", message->tenant_id),
        log_int("message", message->message_id),
        log_text("outcome", outcome_kind_name(outcome->kind)),
        log_text("scope", outcome_scope_name(outcome->scope)),
        log_text("verb", outcome_verb_name(outcome->verb)), log_int("code", outcome->code));
    uint64_t now_ms = clock_monotonic_ms();
    domain_count(flow, message, now_ms);
    outbox_put(&flow->outbox, message);
    if (!message->is_unsent && !flow->is_stopping && is_of_relay &&
        relay_take_outcome(&flow->relay, &message->outcome, now_ms))
        flow_pause(flow, now_ms);
    message_flow_advance(flow);
}

/* ---- 6. Done: the outbox tells the database, in batches. ---- */

void message_steps_take_recorded(void *context, struct message *message,
                                 enum queue_recorded_state state)
{
    struct message_flow *flow = context;
    tally_count(flow->parts.tally, state, message->is_unsent);
    keep_settle(flow->parts.keep, message->kept);
    message_steps_end(flow, message);
}

/* ---- 7. Ended: the one way out. ---- */

void message_steps_end(struct message_flow *flow, struct message *message)
{
    message_enter(message, MESSAGE_ENDED);
    message_free(message);
    message_flow_advance(flow);
}

void message_steps_give_back(struct message_flow *flow, struct message *message)
{
    message->is_unsent = true;
    outbox_put(&flow->outbox, message);
}

/* Hands everything in `list` back to the database as it was. */
void message_steps_give_back_all(struct message_flow *flow, struct list *list)
{
    struct message *message;
    while ((message = message_first(list)) != NULL)
        message_steps_give_back(flow, message);
}

void message_steps_forget_claimed(struct message_flow *flow)
{
    struct message *message;
    for (int lane = LANE_URGENT; lane <= LANE_COUNT; lane++)
        while ((message = message_first(&flow->lists.claimed[lane])) != NULL)
            message_steps_end(flow, message);
}

/* But for what the pool has, which comes back to flow_send. */
void message_steps_give_back_unbegun(struct message_flow *flow)
{
    for (int lane = LANE_URGENT; lane <= LANE_COUNT; lane++) {
        message_steps_give_back_all(flow, &flow->lists.outgoing[lane]);
        message_steps_give_back_all(flow, &flow->lists.marked[lane]);
        message_steps_give_back_all(flow, &flow->lists.claimed[lane]);
    }
}

/* From the end of the life to its beginning, so that each step makes room for the one before. */
void message_steps_advance(struct message_flow *flow)
{
    flow_send(flow);
    flow_sign(flow);
    message_steps_mark(flow);
}
