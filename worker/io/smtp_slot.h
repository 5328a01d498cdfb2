/* One transaction on a session: its mail as it goes over the wire, its commands, and what is known
 * of its end so far. Sends nothing. */
#ifndef HANDBELL_IO_SMTP_SLOT_H
#define HANDBELL_IO_SMTP_SLOT_H

#include "worker/base/buf.h"
#include "worker/io/smtp_connect.h"
#include "worker/io/smtp_reply.h"
#include "worker/io/smtp_text.h"

/* `transaction` is NULL in an empty slot. `wire` holds the mail up to `body_end` and may hold the
 * next transaction's commands behind that. Once `has_outcome` is set the first failure is known and
 * what follows only brings both sides into step. */
struct smtp_slot {
    struct smtp_transaction *transaction;
    struct buf wire;
    size_t body_end;
    struct smtp_body body;
    bool needs_smtputf8;
    bool has_outcome;
    struct outcome outcome;
};

void smtp_slot_init(struct smtp_slot *slot, size_t message_bytes);
void smtp_slot_free(struct smtp_slot *slot);

/* Takes a transaction in and encodes its mail. False when this peer can never take it, or memory is
 * short: the outcome says which. */
bool smtp_slot_fill(struct smtp_slot *slot, struct smtp_transaction *transaction,
                    const struct smtp_peer *peer, size_t message_bytes);
/* Empties it and gives the transaction back. */
struct smtp_transaction *smtp_slot_empty(struct smtp_slot *slot);

void smtp_slot_append_mail(const struct smtp_slot *slot, const struct smtp_peer *peer,
                           struct buf *commands);
void smtp_slot_append_rcpt(const struct smtp_slot *slot, struct buf *commands);

/* Each sets the outcome unless there is one. `smtp_slot_lose`: the connection is gone. */
void smtp_slot_judge(struct smtp_slot *slot, enum outcome_verb verb,
                     const struct smtp_reply *reply);
void smtp_slot_lose(struct smtp_slot *slot, enum outcome_verb verb, bool has_data_ended,
                    const char *text);
/* DEFERRED with scope NONE: the transaction may not go on, and nobody is to blame. */
void smtp_slot_defer(struct smtp_slot *slot, enum outcome_verb verb, const char *text);

#endif
