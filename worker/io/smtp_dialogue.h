/* Inside a session: what its two halves share. smtp_dialogue.c says what is said and what the
 * replies mean, smtp_session.c moves the bytes and keeps the time. For these two alone. */
#ifndef HANDBELL_IO_SMTP_DIALOGUE_H
#define HANDBELL_IO_SMTP_DIALOGUE_H

#include "worker/io/smtp_session.h"
#include "worker/io/smtp_slot.h"

/* `out` is what is being written, `out_sent` of it are gone; NULL when all went. `slots[now]` is
 * the transaction under way, the other one the next, announced ahead or empty. */
struct smtp_session {
    const struct smtp_session_setup *setup;
    enum smtp_session_state state;
    struct smtp_connection *connection;
    struct smtp_reply reply;
    struct smtp_slot slots[2];
    unsigned now;
    struct buf commands;
    const struct buf *out;
    size_t out_sent;
    uint64_t deadline_ms;
    struct outcome failure;
    bool pipelines;
    bool are_commands_sent; /* of the transaction under way: the whole group */
    bool is_data_end_told;
    bool has_unread;    /* bytes came behind the reply that is being looked at */
    bool was_used;      /* a transaction has ended here before */
    bool has_data_gone; /* the final dot was handed over whole */
};

/* The transaction under way, and the one announced behind it. */
struct smtp_slot *session_slot_now(struct smtp_session *session);
struct smtp_slot *session_slot_ahead(struct smtp_session *session);

/* The only setter of the state: tells the owner, starts the clock, and acts. */
void session_enter(struct smtp_session *session, enum smtp_session_state state);
/* The connection is gone, or nothing that comes over it can be believed any more: settles what is
 * under way and closes. On a closed session it does nothing. */
void session_lose(struct smtp_session *session, const char *why);
/* Takes `session->reply`, which is complete. */
void session_take_reply(struct smtp_session *session);
/* The transaction in the slot has ended with the slot's outcome. */
void session_finish_slot(struct smtp_session *session, struct smtp_slot *slot);
/* Asks the transaction whether its data may go. */
bool session_may_begin(const struct smtp_slot *slot);
bool session_may_send(const struct smtp_slot *slot);

/* Restarts the time-out of the state. */
void session_restart_clock(struct smtp_session *session);
/* The verb that the state waits for, for outcomes. */
enum outcome_verb session_verb(const struct smtp_session *session);
/* Writes what is left of `session->out`, as far as the kernel takes it. */
void session_write(struct smtp_session *session);

#endif
