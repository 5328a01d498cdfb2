/* The dialogue of a session. Read session_act first, what we do on entering a state, then
 * session_take_reply, what we do on each reply; session_enter is the only setter of the state.
 *
 * The commands of a transaction go in one write where the peer pipelines, and the next
 * transaction's go in the same write as this one's mail (RFC 2920 3.1 lets the mail's text be the
 * first of a group). That one has not begun until its own DATA is answered with 354. */
#include "worker/io/smtp_dialogue.h"

enum { KEPT_WIRE_BYTES = 128 * 1024 /* a larger buffer is given back after its mail */ };

struct smtp_slot *session_slot_now(struct smtp_session *session)
{
    return &session->slots[session->now];
}

struct smtp_slot *session_slot_ahead(struct smtp_session *session)
{
    return &session->slots[session->now ^ 1];
}

/* The transaction in the slot has ended with the slot's outcome. */
void session_finish_slot(struct smtp_session *session, struct smtp_slot *slot)
{
    const struct smtp_session_setup *setup = session->setup;
    struct smtp_transaction *transaction = smtp_slot_empty(slot);
    if (transaction == NULL)
        return;
    if (slot->wire.capacity > KEPT_WIRE_BYTES && session->out != &slot->wire)
        buf_free(&slot->wire);
    setup->owner->on_finish(setup->context, transaction, &slot->outcome);
}

bool session_may_begin(const struct smtp_slot *slot)
{
    const struct smtp_transaction *transaction = slot->transaction;
    return transaction->may_begin == NULL || transaction->may_begin(transaction->context);
}

bool session_may_send(const struct smtp_slot *slot)
{
    const struct smtp_transaction *transaction = slot->transaction;
    return transaction->may_send_data == NULL || transaction->may_send_data(transaction->context);
}

/* Whatever we are about to say, the peer has replied to all that we said before and to nothing
 * else: or its replies are out of step, and none of them can be believed. */
static bool session_is_in_step(struct smtp_session *session)
{
    if (session->out == NULL && !session->has_unread)
        return true;
    session_lose(session, "the relay replies out of step");
    return false;
}

static void session_say(struct smtp_session *session, const struct buf *out)
{
    if (out->has_failed) {
        session_lose(session, "no memory");
        return;
    }
    session->out = out;
    session->out_sent = 0;
    session_write(session);
}

static void session_say_text(struct smtp_session *session, const char *text)
{
    if (!session_is_in_step(session))
        return;
    buf_reset(&session->commands);
    buf_append_text(&session->commands, text);
    session_say(session, &session->commands);
}

static void append_group(struct smtp_session *session, const struct smtp_slot *slot,
                         struct buf *commands)
{
    smtp_slot_append_mail(slot, smtp_connection_peer(session->connection), commands);
    smtp_slot_append_rcpt(slot, commands);
    buf_append_text(commands, "DATA\r\n");
}

static void act_mail(struct smtp_session *session)
{
    struct smtp_slot *slot = session_slot_now(session);
    if (session->are_commands_sent || !session_is_in_step(session))
        return;
    buf_reset(&session->commands);
    if (!session->pipelines) {
        smtp_slot_append_mail(slot, smtp_connection_peer(session->connection), &session->commands);
    } else {
        append_group(session, slot, &session->commands);
        session->are_commands_sent = true;
    }
    session_say(session, &session->commands);
}

static void act_rcpt(struct smtp_session *session)
{
    if (session->are_commands_sent || !session_is_in_step(session))
        return;
    buf_reset(&session->commands);
    smtp_slot_append_rcpt(session_slot_now(session), &session->commands);
    session_say(session, &session->commands);
}

static void act_data(struct smtp_session *session)
{
    if (session->are_commands_sent)
        return;
    if (session_may_send(session_slot_now(session))) {
        session_say_text(session, "DATA\r\n");
        return;
    }
    smtp_slot_defer(session_slot_now(session), OUTCOME_VERB_DATA, "not to be sent any more");
    session_enter(session, SMTP_SESSION_RSET);
}

/* The next transaction's commands go behind this one's mail. */
static void body_append_next(struct smtp_session *session)
{
    const struct smtp_session_setup *setup = session->setup;
    struct smtp_slot *ahead = session_slot_ahead(session);
    struct smtp_transaction *transaction;
    if (!session->pipelines || setup->owner->is_draining(setup->context))
        return;
    transaction = setup->owner->take_ahead(setup->context);
    if (transaction == NULL)
        return;
    if (!smtp_slot_fill(ahead, transaction, smtp_connection_peer(session->connection),
                        setup->message_bytes)) {
        session_finish_slot(session, ahead);
    } else if (!session_may_begin(ahead) || !session_may_send(ahead)) {
        smtp_slot_defer(ahead, OUTCOME_VERB_DATA, "not to be sent any more");
        session_finish_slot(session, ahead);
    } else {
        append_group(session, ahead, &session_slot_now(session)->wire);
    }
}

static void act_body(struct smtp_session *session)
{
    struct smtp_slot *slot = session_slot_now(session);
    if (!session_is_in_step(session))
        return;
    if (slot->has_outcome) {
        /* DATA was let through though the recipient was refused: RFC 2920 3.1, an empty mail. */
        session_say_text(session, ".\r\n");
        return;
    }
    if (!session_may_send(slot)) {
        smtp_slot_defer(slot, OUTCOME_VERB_DATA, "not to be sent any more");
        session_lose(session, "not to be sent any more");
        return;
    }
    body_append_next(session);
    session_say(session, &slot->wire);
}

static void act_closed(struct smtp_session *session)
{
    smtp_connection_close(session->connection);
    session->connection = NULL;
    session->out = NULL;
    session_finish_slot(session, session_slot_now(session));
    session_finish_slot(session, session_slot_ahead(session));
}

/* What we do on entering a state. */
static void session_act(struct smtp_session *session)
{
    switch (session->state) {
    case SMTP_SESSION_CONNECTING:
    case SMTP_SESSION_IDLE: /* work is asked for when all that came was read: smtp_session_start */
        break;
    case SMTP_SESSION_MAIL:
        act_mail(session);
        break;
    case SMTP_SESSION_RCPT:
        act_rcpt(session);
        break;
    case SMTP_SESSION_DATA:
        act_data(session);
        break;
    case SMTP_SESSION_BODY:
        act_body(session);
        break;
    case SMTP_SESSION_RSET:
        session_finish_slot(session, session_slot_now(session));
        session_say_text(session, "RSET\r\n");
        break;
    case SMTP_SESSION_QUIT:
        session_say_text(session, "QUIT\r\n");
        break;
    case SMTP_SESSION_CLOSED:
        act_closed(session);
        break;
    }
}

void session_enter(struct smtp_session *session, enum smtp_session_state state)
{
    const struct smtp_session_setup *setup = session->setup;
    enum smtp_session_state from = session->state;
    if (from == SMTP_SESSION_CLOSED)
        return;
    session->state = state;
    session->is_data_end_told = false;
    session->has_data_gone = false;
    session_restart_clock(session);
    setup->owner->on_enter(setup->context, session, from);
    session_act(session);
}

/* A transaction that has not begun goes back in line, once. True when it did. */
static bool slot_put_back(struct smtp_session *session, struct smtp_slot *slot)
{
    const struct smtp_session_setup *setup = session->setup;
    if (slot->transaction == NULL || slot->has_outcome || slot->transaction->was_retried)
        return false;
    slot->transaction->was_retried = true;
    setup->owner->put_back(setup->context, smtp_slot_empty(slot));
    return true;
}

/* Both slots when the session ends without a reply to them. */
static void session_settle(struct smtp_session *session, const char *why)
{
    struct smtp_slot *slot = session_slot_now(session);
    struct smtp_slot *ahead = session_slot_ahead(session);
    if (session->state == SMTP_SESSION_MAIL && session->was_used)
        slot_put_back(session, slot);
    if (slot->transaction != NULL)
        smtp_slot_lose(slot, session_verb(session), session->has_data_gone, why);
    slot_put_back(session, ahead);
    if (ahead->transaction != NULL)
        smtp_slot_lose(ahead, OUTCOME_VERB_MAIL, false, why);
}

/* The connection is gone, or nothing that comes over it can be believed any more. */
void session_lose(struct smtp_session *session, const char *why)
{
    if (session->state == SMTP_SESSION_CLOSED)
        return;
    session_settle(session, why);
    session_enter(session, SMTP_SESSION_CLOSED);
}

/* 421, at any point: RFC 5321 3.8. */
static void take_closing(struct smtp_session *session)
{
    struct smtp_slot *slot = session_slot_now(session);
    bool is_fresh = session->state == SMTP_SESSION_MAIL && session->was_used;
    if (slot->transaction != NULL && !(is_fresh && slot_put_back(session, slot)))
        smtp_slot_judge(slot, session_verb(session), &session->reply);
    session_lose(session, "the relay closed the session");
}

/* To MAIL or RCPT; `next` is what comes after either reply where the commands went in one group. */
static void take_envelope_reply(struct smtp_session *session, enum smtp_session_state next)
{
    int class = session->reply.code / 100;
    if (class == 2) {
        session_enter(session, next);
        return;
    }
    smtp_slot_judge(session_slot_now(session), session_verb(session), &session->reply);
    if (class == 3)
        session_lose(session, "the relay replies out of step");
    else
        session_enter(session, session->are_commands_sent ? next : SMTP_SESSION_RSET);
}

static void take_data_reply(struct smtp_session *session)
{
    int class = session->reply.code / 100;
    if (class == 3) {
        session_enter(session, SMTP_SESSION_BODY);
        return;
    }
    smtp_slot_judge(session_slot_now(session), OUTCOME_VERB_DATA, &session->reply);
    if (class == 2)
        session_lose(session, "the relay replies out of step");
    else
        session_enter(session, SMTP_SESSION_RSET);
}

static void take_body_reply(struct smtp_session *session)
{
    struct smtp_slot *slot = session_slot_now(session);
    int class = session->reply.code / 100;
    bool is_dot_only = slot->has_outcome;
    if (!is_dot_only && !session->has_data_gone) {
        /* Sooner than asked: a refusal counts, consent does not. */
        if (class == 4 || class == 5)
            smtp_slot_judge(slot, OUTCOME_VERB_BODY, &session->reply);
        session_lose(session, "the relay replies out of step");
        return;
    }
    smtp_slot_judge(slot, OUTCOME_VERB_BODY, &session->reply);
    if (class == 3) {
        session_lose(session, "the relay replies out of step");
        return;
    }
    session->was_used = true;
    session_finish_slot(session, slot);
    if (session->state != SMTP_SESSION_BODY)
        return;
    if (session_slot_ahead(session)->transaction == NULL) {
        session_enter(session, SMTP_SESSION_IDLE);
        return;
    }
    session->now ^= 1;
    session->are_commands_sent = true;
    session_enter(session, SMTP_SESSION_MAIL);
}

/* What we do on each reply. */
void session_take_reply(struct smtp_session *session)
{
    if (session->reply.code == 421) {
        take_closing(session);
        return;
    }
    switch (session->state) {
    case SMTP_SESSION_MAIL:
        take_envelope_reply(session, SMTP_SESSION_RCPT);
        break;
    case SMTP_SESSION_RCPT:
        take_envelope_reply(session, SMTP_SESSION_DATA);
        break;
    case SMTP_SESSION_DATA:
        take_data_reply(session);
        break;
    case SMTP_SESSION_BODY:
        take_body_reply(session);
        break;
    case SMTP_SESSION_RSET:
        session->was_used = true;
        if (session->reply.code / 100 == 2)
            session_enter(session, SMTP_SESSION_IDLE);
        else
            session_lose(session, "the relay refused RSET");
        break;
    case SMTP_SESSION_IDLE: /* nobody asked */
    case SMTP_SESSION_QUIT:
    case SMTP_SESSION_CONNECTING:
    case SMTP_SESSION_CLOSED:
        session_lose(session, "the relay spoke unasked");
        break;
    }
}
