/* The body of a session: its connection, the bytes that come and go, and the clock. What they mean
 * is smtp_dialogue.c's. */
#include "worker/io/smtp_dialogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    READ_BYTES = 16384,
    BLOCK_BYTES = 65536,   /* of a mail, offered to the kernel at a time */
    COMMANDS_BYTES = 4096, /* a transaction's commands: two addresses and little else */
    MOST_TRIES = 64,
};

enum outcome_verb session_verb(const struct smtp_session *session)
{
    static const enum outcome_verb verbs[] = {
        [SMTP_SESSION_MAIL] = OUTCOME_VERB_MAIL,   [SMTP_SESSION_RCPT] = OUTCOME_VERB_RCPT,
        [SMTP_SESSION_DATA] = OUTCOME_VERB_DATA,   [SMTP_SESSION_BODY] = OUTCOME_VERB_BODY,
        [SMTP_SESSION_CLOSED] = OUTCOME_VERB_NONE,
    };
    if (session->state == SMTP_SESSION_CONNECTING && session->connection != NULL)
        return smtp_connection_step(session->connection);
    return verbs[session->state];
}

static uint32_t state_timeout_ms(const struct smtp_session *session)
{
    const struct smtp_timeouts *timeouts = &session->setup->timeouts;
    switch (session->state) {
    case SMTP_SESSION_IDLE:
        return timeouts->idle_ms;
    case SMTP_SESSION_MAIL:
    case SMTP_SESSION_RSET:
        return timeouts->mail_ms;
    case SMTP_SESSION_RCPT:
        return timeouts->rcpt_ms;
    case SMTP_SESSION_DATA:
        return timeouts->data_ms;
    case SMTP_SESSION_BODY:
        return session->has_data_gone ? timeouts->end_ms : timeouts->block_ms;
    case SMTP_SESSION_QUIT:
        return timeouts->quit_ms;
    case SMTP_SESSION_CONNECTING: /* by its steps: session_step_timeout_ms */
    case SMTP_SESSION_CLOSED:
        break;
    }
    return UINT32_MAX;
}

void session_restart_clock(struct smtp_session *session)
{
    session->deadline_ms = loop_now_ms(session->setup->loop) + state_timeout_ms(session);
}

/* How much to offer to the kernel next. The journal hears of the mail's end before the write that
 * may bring it about, and not a moment sooner. 0: that end may not go. */
static size_t next_write_size(struct smtp_session *session)
{
    struct smtp_slot *slot = session_slot_now(session);
    size_t rest = session->out->size - session->out_sent;
    if (session->out != &slot->wire || session->state != SMTP_SESSION_BODY)
        return rest;
    if (session->out_sent < slot->body_end && slot->body_end - session->out_sent > BLOCK_BYTES)
        return BLOCK_BYTES;
    if (session->is_data_end_told) /* the kernel took a part of it: that may be long ago */
        return session->out_sent >= slot->body_end || session_may_send(slot) ? rest : 0;
    const struct smtp_transaction *transaction = slot->transaction;
    session->is_data_end_told = true;
    if (transaction->on_data_end != NULL && !transaction->on_data_end(transaction->context))
        return 0;
    return rest;
}

void session_write(struct smtp_session *session)
{
    while (session->out != NULL && session->out_sent < session->out->size) {
        size_t size = next_write_size(session);
        if (size == 0) {
            smtp_slot_defer(session_slot_now(session), OUTCOME_VERB_BODY, "its end may not go");
            session_lose(session, "its end may not go");
            return;
        }
        ssize_t sent =
            smtp_connection_send(session->connection, session->out->data + session->out_sent, size);
        if (sent < 0) {
            session_lose(session, "the connection was lost");
            return;
        }
        if (sent == 0) {
            smtp_connection_watch(session->connection, LOOP_READABLE | LOOP_WRITABLE);
            return;
        }
        session->out_sent += (size_t)sent;
        if (session->state == SMTP_SESSION_BODY) {
            if (session->out_sent >= session_slot_now(session)->body_end)
                session->has_data_gone = true;
            session_restart_clock(session);
        }
    }
    session->out = NULL;
    smtp_connection_watch(session->connection, LOOP_READABLE);
}

static void session_take_bytes(struct smtp_session *session, const char *bytes, size_t size)
{
    size_t used = 0;
    while (used < size && session->state != SMTP_SESSION_CLOSED) {
        used += smtp_reply_feed(&session->reply, bytes + used, size - used);
        session->has_unread = used < size;
        if (session->reply.state == SMTP_REPLY_COMPLETE)
            session_take_reply(session);
        else if (session->reply.state == SMTP_REPLY_BROKEN)
            session_lose(session, session->reply.problem);
    }
    session->has_unread = false;
}

static void session_read(struct smtp_session *session)
{
    char bytes[READ_BYTES];
    while (session->state != SMTP_SESSION_CLOSED) {
        ssize_t size = smtp_connection_recv(session->connection, bytes, sizeof bytes);
        if (size < 0)
            session_lose(session, "the connection was lost");
        if (size <= 0)
            break;
        session_take_bytes(session, bytes, (size_t)size);
        if (session->state != SMTP_SESSION_CLOSED && (size_t)size < sizeof bytes &&
            smtp_connection_is_plain(session->connection))
            break;
    }
}

static void connection_was_ready(void *context, unsigned events)
{
    struct smtp_session *session = context;
    if (events & LOOP_READABLE)
        session_read(session);
    if ((events & LOOP_WRITABLE) && session->state != SMTP_SESSION_CLOSED)
        session_write(session);
    if (session->state != SMTP_SESSION_IDLE)
        return;
    if (session->reply.state == SMTP_REPLY_MORE && session->reply.bytes_read > 0)
        session_lose(session, "the relay spoke unasked");
    else
        smtp_session_start(session);
}

static void session_fail(struct smtp_session *session, const struct outcome *failure)
{
    session->failure = *failure;
    session_enter(session, SMTP_SESSION_CLOSED);
}

static void connection_was_opened(void *context, const struct outcome *failure)
{
    struct smtp_session *session = context;
    if (failure != NULL) {
        session_fail(session, failure);
        return;
    }
    session->pipelines =
        session->setup->may_pipeline && smtp_connection_peer(session->connection)->has_pipelining;
    smtp_connection_watch(session->connection, LOOP_READABLE);
    session_enter(session, SMTP_SESSION_IDLE);
    smtp_session_start(session);
}

static const struct smtp_connection_callbacks connection_callbacks = {
    .on_open = connection_was_opened,
    .on_ready = connection_was_ready,
};

struct smtp_session *smtp_session_new(const struct smtp_session_setup *setup)
{
    struct smtp_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->setup = setup;
    session->state = SMTP_SESSION_CONNECTING;
    smtp_reply_init(&session->reply);
    smtp_slot_init(&session->slots[0], setup->message_bytes);
    smtp_slot_init(&session->slots[1], setup->message_bytes);
    buf_init(&session->commands, COMMANDS_BYTES);
    return session;
}

void smtp_session_open(struct smtp_session *session)
{
    const struct smtp_session_setup *setup = session->setup;
    struct error error = {0};
    struct outcome failure = {
        .kind = OUTCOME_DEFERRED, .scope = OUTCOME_SCOPE_RELAY, .verb = OUTCOME_VERB_CONNECT};
    session->connection =
        smtp_connection_open(setup->connector, &connection_callbacks, session, &error);
    if (session->connection != NULL)
        return;
    snprintf(failure.text, sizeof failure.text, "%.250s", error.text);
    session_fail(session, &failure);
}

void smtp_session_free(struct smtp_session *session)
{
    smtp_slot_free(&session->slots[0]);
    smtp_slot_free(&session->slots[1]);
    buf_free(&session->commands);
    free(session);
}

enum smtp_session_state smtp_session_state(const struct smtp_session *session)
{
    return session->state;
}

bool smtp_session_is_busy(enum smtp_session_state state)
{
    return state >= SMTP_SESSION_MAIL && state <= SMTP_SESSION_RSET;
}

bool smtp_session_pipelines(const struct smtp_session *session)
{
    return session->pipelines;
}

const struct outcome *smtp_session_failure(const struct smtp_session *session)
{
    return &session->failure;
}

/* Begins a transaction; false when it has ended before a byte was sent. */
static bool session_begin(struct smtp_session *session, struct smtp_transaction *transaction)
{
    struct smtp_slot *slot = session_slot_now(session);
    bool is_good = smtp_slot_fill(slot, transaction, smtp_connection_peer(session->connection),
                                  session->setup->message_bytes);
    /* Pipelined, DATA goes in the first write: so this is right before it. */
    if (is_good && (!session_may_begin(slot) || (session->pipelines && !session_may_send(slot)))) {
        smtp_slot_defer(slot, OUTCOME_VERB_DATA, "not to be sent any more");
        is_good = false;
    }
    if (!is_good) {
        session_finish_slot(session, slot);
        return false;
    }
    session->are_commands_sent = false;
    session_enter(session, SMTP_SESSION_MAIL);
    return true;
}

void smtp_session_start(struct smtp_session *session)
{
    const struct smtp_session_setup *setup = session->setup;
    /* Bounded, in case an owner submits again what is refused here. */
    for (unsigned i = 0; i < MOST_TRIES && session->state == SMTP_SESSION_IDLE; i++) {
        struct smtp_transaction *transaction = setup->owner->take(setup->context);
        if (transaction == NULL) {
            if (setup->owner->is_draining(setup->context))
                session_enter(session, SMTP_SESSION_QUIT);
            return;
        }
        if (session_begin(session, transaction))
            return;
    }
}

static uint32_t step_timeout_ms(const struct smtp_session *session, enum outcome_verb step)
{
    const struct smtp_timeouts *timeouts = &session->setup->timeouts;
    if (step == OUTCOME_VERB_CONNECT)
        return timeouts->connect_ms;
    return step == OUTCOME_VERB_GREETING ? timeouts->greeting_ms : timeouts->hello_ms;
}

static void check_connecting(struct smtp_session *session, uint64_t now_ms)
{
    enum outcome_verb step = smtp_connection_step(session->connection);
    uint64_t began_ms = smtp_connection_step_began_ms(session->connection);
    struct outcome failure = {.kind = OUTCOME_DEFERRED, .scope = OUTCOME_SCOPE_RELAY, .verb = step};
    if (now_ms < began_ms + step_timeout_ms(session, step))
        return;
    snprintf(failure.text, sizeof failure.text, "%s timed out after %u ms", outcome_verb_name(step),
             (unsigned)step_timeout_ms(session, step));
    session_fail(session, &failure);
}

void smtp_session_check_time(struct smtp_session *session, uint64_t now_ms)
{
    char why[80];
    if (session->state == SMTP_SESSION_CONNECTING)
        check_connecting(session, now_ms);
    else if (now_ms < session->deadline_ms || session->state == SMTP_SESSION_CLOSED)
        return;
    else if (session->state == SMTP_SESSION_IDLE)
        session_enter(session, SMTP_SESSION_QUIT);
    else {
        snprintf(why, sizeof why, "no reply within %u ms", (unsigned)state_timeout_ms(session));
        session_lose(session, why);
    }
}

void smtp_session_quit(struct smtp_session *session)
{
    if (session->state == SMTP_SESSION_IDLE)
        session_enter(session, SMTP_SESSION_QUIT);
    else if (session->state == SMTP_SESSION_CONNECTING)
        smtp_session_cut(session, "the worker is stopping");
}

void smtp_session_cut(struct smtp_session *session, const char *why)
{
    struct outcome *failure = &session->failure;
    if (session->state == SMTP_SESSION_CONNECTING) {
        *failure = (struct outcome){.kind = OUTCOME_DEFERRED};
        snprintf(failure->text, sizeof failure->text, "%s", why);
    }
    session_lose(session, why);
}
