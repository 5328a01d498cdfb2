/* One session with the relay: a connection, and the transactions that go over it one after the
 * other (RFC 5321, pipelined by RFC 2920). Knows no pool: what to send next it asks its owner. */
#ifndef HANDBELL_IO_SMTP_SESSION_H
#define HANDBELL_IO_SMTP_SESSION_H

#include "worker/io/smtp_connect.h"

/* Named after the reply that is awaited. */
enum smtp_session_state {
    SMTP_SESSION_CONNECTING, /* smtp_connect.h is at work */
    SMTP_SESSION_IDLE,       /* nothing is awaited: a transaction may start */
    SMTP_SESSION_MAIL,
    SMTP_SESSION_RCPT,
    SMTP_SESSION_DATA,
    SMTP_SESSION_BODY, /* the mail is being written, or the reply to its final dot is awaited */
    SMTP_SESSION_RSET,
    SMTP_SESSION_QUIT,
    SMTP_SESSION_CLOSED, /* no connection any more; for smtp_session_free alone */
};

struct smtp_session;

/* The owner's side, `context` first. None of them may free the session. */
struct smtp_session_owner {
    /* The next transaction in line, or NULL; asked by a session that is idle. */
    struct smtp_transaction *(*take)(void *context);
    /* One to be announced behind the mail that is about to be written, or NULL. */
    struct smtp_transaction *(*take_ahead)(void *context);
    /* This one has not begun: put it first in line again. */
    void (*put_back)(void *context, struct smtp_transaction *transaction);
    /* This one has ended. */
    void (*on_finish)(void *context, struct smtp_transaction *transaction,
                      const struct outcome *outcome);
    /* The session has left `from` for smtp_session_state(session). */
    void (*on_enter)(void *context, struct smtp_session *session, enum smtp_session_state from);
    bool (*is_draining)(void *context);
};

/* What all sessions of a pool share; outlives them. */
struct smtp_session_setup {
    struct loop *loop;
    struct smtp_connector *connector;
    const struct smtp_session_owner *owner;
    void *context;
    struct smtp_timeouts timeouts;
    size_t message_bytes;
    bool may_pipeline;
};

/* A session that begins to connect with smtp_session_open; NULL without memory. */
struct smtp_session *smtp_session_new(const struct smtp_session_setup *setup);
void smtp_session_open(struct smtp_session *session);
/* Frees a closed session; not from inside its own callbacks. */
void smtp_session_free(struct smtp_session *session);

enum smtp_session_state smtp_session_state(const struct smtp_session *session);
bool smtp_session_is_busy(enum smtp_session_state state);
/* Does the session send several commands at once? Known once it is connected. */
bool smtp_session_pipelines(const struct smtp_session *session);
/* Why a session that went from CONNECTING to CLOSED did. */
const struct outcome *smtp_session_failure(const struct smtp_session *session);

/* An idle session asks its owner for work. */
void smtp_session_start(struct smtp_session *session);
/* Looks at the clock: a time-out that has passed has its consequences now. */
void smtp_session_check_time(struct smtp_session *session, uint64_t now_ms);
/* Says QUIT when idle; cuts a connection that is still being made; else nothing. */
void smtp_session_quit(struct smtp_session *session);
/* Cuts the connection; what was under way ends as a lost connection does. */
void smtp_session_cut(struct smtp_session *session, const char *why);

#endif
