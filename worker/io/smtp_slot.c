/* One transaction on a session. */
#include "worker/io/smtp_slot.h"

#include "worker/model/classify.h"

#include <stdio.h>
#include <string.h>

enum { COMMANDS_BYTES = 4096 };

void smtp_slot_init(struct smtp_slot *slot, size_t message_bytes)
{
    memset(slot, 0, sizeof *slot);
    /* At the worst every byte is doubled: a bare LF to CR LF, a dot to two. */
    buf_init(&slot->wire, 2 * message_bytes + COMMANDS_BYTES);
}

void smtp_slot_free(struct smtp_slot *slot)
{
    buf_free(&slot->wire);
}

static void outcome_set(struct smtp_slot *slot, enum outcome_kind kind, enum outcome_scope scope,
                        enum outcome_verb verb, const char *text)
{
    if (slot->has_outcome)
        return;
    slot->has_outcome = true;
    slot->outcome = (struct outcome){.kind = kind, .scope = scope, .verb = verb};
    snprintf(slot->outcome.text, sizeof slot->outcome.text, "%s", text);
}

static bool refuse(struct smtp_slot *slot, enum outcome_scope scope, const char *text)
{
    enum outcome_verb verb =
        scope == OUTCOME_SCOPE_RECIPIENT ? OUTCOME_VERB_RCPT : OUTCOME_VERB_MAIL;
    outcome_set(slot, OUTCOME_REFUSED, scope, verb, text);
    return false;
}

static bool envelope_check(struct smtp_slot *slot, const struct smtp_peer *peer)
{
    const struct smtp_transaction *transaction = slot->transaction;
    bool is_null_sender = transaction->mail_from[0] == '\0';
    const char *problem = smtp_address_problem(transaction->rcpt_to);
    if (problem[0] != '\0')
        return refuse(slot, OUTCOME_SCOPE_RECIPIENT, problem);
    problem = is_null_sender ? "" : smtp_address_problem(transaction->mail_from);
    if (problem[0] != '\0')
        return refuse(slot, OUTCOME_SCOPE_MESSAGE, problem);
    slot->needs_smtputf8 = transaction->needs_smtputf8 ||
                           !smtp_address_is_ascii(transaction->rcpt_to) ||
                           !smtp_address_is_ascii(transaction->mail_from);
    if (slot->needs_smtputf8 && !peer->has_smtputf8)
        return refuse(slot,
                      smtp_address_is_ascii(transaction->rcpt_to) ? OUTCOME_SCOPE_MESSAGE
                                                                  : OUTCOME_SCOPE_RECIPIENT,
                      "the relay does not offer SMTPUTF8, which this mail needs");
    return true;
}

bool smtp_slot_fill(struct smtp_slot *slot, struct smtp_transaction *transaction,
                    const struct smtp_peer *peer, size_t message_bytes)
{
    slot->transaction = transaction;
    slot->has_outcome = false;
    slot->body_end = 0;
    buf_reset(&slot->wire);
    if (!envelope_check(slot, peer))
        return false;
    if (transaction->size > message_bytes)
        return refuse(slot, OUTCOME_SCOPE_MESSAGE, "the mail is larger than message_bytes");
    if (!smtp_body_encode(&slot->wire, transaction->bytes, transaction->size, &slot->body)) {
        smtp_slot_defer(slot, OUTCOME_VERB_NONE, "no memory");
        return false;
    }
    slot->body_end = slot->wire.size;
    if (slot->body.size_bytes > message_bytes)
        return refuse(slot, OUTCOME_SCOPE_MESSAGE, "the mail is larger than message_bytes");
    if (peer->size_limit > 0 && slot->body.size_bytes > peer->size_limit)
        return refuse(slot, OUTCOME_SCOPE_MESSAGE, "the mail is larger than the relay takes");
    if (slot->body.has_8bit && !peer->has_8bitmime)
        return refuse(slot, OUTCOME_SCOPE_MESSAGE,
                      "the relay does not offer 8BITMIME, which this mail needs");
    return true;
}

struct smtp_transaction *smtp_slot_empty(struct smtp_slot *slot)
{
    struct smtp_transaction *transaction = slot->transaction;
    slot->transaction = NULL;
    return transaction;
}

void smtp_slot_append_mail(const struct smtp_slot *slot, const struct smtp_peer *peer,
                           struct buf *commands)
{
    buf_append_text(commands, "MAIL FROM:<");
    buf_append_text(commands, slot->transaction->mail_from);
    buf_append_text(commands, ">");
    if (peer->has_size)
        buf_printf(commands, " SIZE=%zu", slot->body.size_bytes);
    if (slot->body.has_8bit)
        buf_append_text(commands, " BODY=8BITMIME");
    if (slot->needs_smtputf8)
        buf_append_text(commands, " SMTPUTF8");
    buf_append_text(commands, "\r\n");
}

void smtp_slot_append_rcpt(const struct smtp_slot *slot, struct buf *commands)
{
    buf_append_text(commands, "RCPT TO:<");
    buf_append_text(commands, slot->transaction->rcpt_to);
    buf_append_text(commands, ">\r\n");
}

void smtp_slot_judge(struct smtp_slot *slot, enum outcome_verb verb, const struct smtp_reply *reply)
{
    struct classification meaning = classify_reply(verb, reply->code, reply->enhanced);
    if (slot->has_outcome)
        return;
    outcome_set(slot, meaning.kind, meaning.scope, verb, "");
    smtp_reply_describe(reply, &slot->outcome);
}

void smtp_slot_lose(struct smtp_slot *slot, enum outcome_verb verb, bool has_data_ended,
                    const char *text)
{
    struct classification meaning = classify_loss(has_data_ended);
    outcome_set(slot, meaning.kind, meaning.scope, verb, text);
}

void smtp_slot_defer(struct smtp_slot *slot, enum outcome_verb verb, const char *text)
{
    outcome_set(slot, OUTCOME_DEFERRED, OUTCOME_SCOPE_NONE, verb, text);
}
