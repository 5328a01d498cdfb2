/* Sending: a pool of sessions to one relay, and mails put through it. Knows nothing of what is sent
 * or why: a mail is bytes, two addresses and a few callbacks.
 *
 * All of it runs on one loop's thread. Callbacks fire from loop_run, never inside
 * smtp_client_submit or any other call below, except smtp_client_free. */
#ifndef HANDBELL_IO_SMTP_H
#define HANDBELL_IO_SMTP_H

#include "worker/base/config.h"
#include "worker/base/error.h"
#include "worker/io/loop.h"
#include "worker/model/outcome.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Relays are numbered from 1. Number 1 is section [smtp], which always has an address; 2 to
 * SMTP_RELAYS are [smtp2] and so on, which are there where their url is set. */
enum { SMTP_RELAYS = 8, SMTP_SETTING_ROWS = 21 };

/* How a url asks for TLS. */
enum smtp_tls {
    SMTP_TLS_NONE,     /* smtp:// on this host, or with ?tls=none */
    SMTP_TLS_STARTTLS, /* smtp:// elsewhere, or with ?tls=required: RFC 3207, or nothing is sent */
    SMTP_TLS_IMPLICIT, /* smtps://: RFC 8314 */
};

enum { SMTP_HOST_BYTES = 256 };

/* `host` without brackets. `is_this_host`: "localhost", 127.0.0.0/8 or ::1. */
struct smtp_url {
    char host[SMTP_HOST_BYTES];
    unsigned port;
    enum smtp_tls tls;
    bool is_this_host;
};

/* Takes smtp://host[:port][?tls=required|none] or smtps://host[:port] apart (ports: 25, 465). False
 * with `error` (EX_CONFIG) for anything else; a user name or password in it is refused, for
 * settings hold no secrets. The error does not name the section. */
bool smtp_url_parse(const char *text, struct smtp_url *url, struct error *error);

enum smtp_auth { SMTP_AUTH_AUTO, SMTP_AUTH_PLAIN, SMTP_AUTH_LOGIN, SMTP_AUTH_XOAUTH2 };

/* In the order of the dialogue; defaults are RFC 5321 4.5.3.2's where it has one. */
struct smtp_timeouts {
    uint32_t connect_ms;  /* resolve and connect: 30 s */
    uint32_t greeting_ms; /* the greeting (with smtps the handshake too): 5 min */
    uint32_t hello_ms;    /* each step of EHLO, STARTTLS and AUTH: 5 min */
    uint32_t mail_ms;     /* the reply to MAIL, and to RSET: 5 min */
    uint32_t rcpt_ms;     /* the reply to RCPT: 5 min */
    uint32_t data_ms;     /* the reply to DATA: 2 min */
    uint32_t block_ms;    /* each piece of the mail to be taken by the kernel: 3 min */
    uint32_t end_ms;      /* the reply to the final dot: 10 min */
    uint32_t quit_ms;     /* the reply to QUIT, for which nobody waits: 5 s */
    uint32_t idle_ms;     /* how long a session is kept that has nothing to do: 60 s */
};

/* Texts are borrowed until smtp_client_new returns; "" means none. */
struct smtp_options {
    const char *section; /* for errors: "smtp", "smtp2", ... Alive for ever */
    const char *url;
    const char *hostname;      /* what EHLO says; "": the system's host name */
    const char *ca_file;       /* certificates (PEM) that the relay's is verified against */
    const char *username;      /* "": no AUTH */
    const char *password_file; /* first line is the password; read anew for each connection */
    const char *token_file;    /* likewise the OAuth 2 bearer token, for XOAUTH2 */
    enum smtp_auth auth;
    unsigned connections; /* 1 to 1,000 */
    bool may_pipeline;    /* false: one command at a time whatever the relay offers */
    size_t message_bytes; /* the largest mail taken, as it goes over the wire */
    struct smtp_timeouts timeouts;
};

/* The rows of each relay's section, one table a relay: smtp_settings[0] is [smtp]. */
extern const struct setting smtp_settings[SMTP_RELAYS][SMTP_SETTING_ROWS];
/* "smtp", "smtp2", ...; `relay` is from 1 to SMTP_RELAYS. */
const char *smtp_section(unsigned relay);
/* Whether the relay has an address. */
bool smtp_is_configured(const struct config *config, unsigned relay);

/* Defaults for everything: smtp://localhost:25, 20 connections. */
void smtp_options_init(struct smtp_options *options);
/* Fills `options` from a configured relay's settings in force; texts then belong to `config`. False
 * with `error` (EX_CONFIG, naming section and key) when a value is out of order or two contradict
 * each other. */
bool smtp_options_from_config(const struct config *config, unsigned relay,
                              struct smtp_options *options, struct error *error);
/* What smtp_client_new and smtp_options_from_config ask: is the whole in order? */
bool smtp_options_check(const struct smtp_options *options, struct error *error);

/* One mail to one recipient. The caller's, and untouched by them, from smtp_client_submit until
 * on_done is called; zero it before filling it in. Each function may be NULL but on_done. */
struct smtp_transaction {
    const char *mail_from; /* "" is the null sender */
    const char *rcpt_to;
    const char *bytes; /* header and body, with any line ends, not dot-stuffed */
    size_t size;
    bool needs_smtputf8; /* the header holds raw UTF-8 (RFC 6531); addresses are looked at anyway */
    bool is_urgent;      /* goes ahead of those that wait in line */

    /* Asked before the first command of the transaction is written; behind a relay that pipelines
     * it may have waited for the end of another mail. False ends the transaction as below. */
    bool (*may_begin)(void *context);
    /* Asked right before DATA is written, again right before the mail itself when the peer has said
     * 354, and before each write that follows on_data_end where the kernel took the mail's end in
     * pieces. False ends the transaction unsent: DEFERRED, scope NONE. */
    bool (*may_send_data)(void *context);
    /* Called once, immediately before the write that may hand the final dot to the kernel: whoever
     * keeps a journal writes before the deed, so that dying between the two looks uncertain rather
     * than unsent. Not called for a transaction that never got so far. False: the mail's end may
     * not go; the connection is cut, and the transaction ends unsent: DEFERRED, scope NONE. */
    bool (*on_data_end)(void *context);
    /* Called exactly once; the transaction is the caller's again, and may be freed or submitted
     * anew inside. `outcome` lives during the call only. Must not call smtp_client_free. */
    void (*on_done)(void *context, const struct outcome *outcome);
    void *context;

    /* The client's own. */
    struct smtp_transaction *next;
    bool was_retried;
};

struct smtp_client;

/* A client with no connection yet: they are opened as there is work for them. NULL with `error`
 * (EX_CONFIG: an option is wrong; EX_NOINPUT: a secret's file cannot be read; EX_OSERR). Ended by
 * smtp_client_free. */
struct smtp_client *smtp_client_new(struct loop *loop, const struct smtp_options *options,
                                    struct error *error);

/* Puts a transaction in line. It ends, through on_done, as follows.
 *   SENT       2xx to the end of the data.
 *   DEFERRED   4xx; or the connection could not be made, was lost or timed out before the final dot
 *              was handed over whole; or may_send_data said no; or the client is being drained.
 *   REFUSED    5xx; or the peer can never take it: an address not fit for the wire, a mail larger
 *              than SIZE or our own limit, 8-bit without 8BITMIME, SMTPUTF8 needed but not offered.
 *   UNCERTAIN  the final dot went, and no valid reply to it came (RFC 1047).
 * A session that was in use before and is found dead, or closing with 421, before it replied to
 * MAIL has done the mail no harm: the transaction goes back in line, once. */
void smtp_client_submit(struct smtp_client *client, struct smtp_transaction *transaction);

/* How many more transactions could be put on a session now, without waiting in line for one. Where
 * the peer pipelines, each busy session has room for one more behind the mail it is sending. */
unsigned smtp_client_room(const struct smtp_client *client);
/* `on_room` is called after transactions have ended and there is room, once a turn at most. */
void smtp_client_set_on_room(struct smtp_client *client, void (*on_room)(void *context),
                             void *context);

/* Uses at most `sessions` at a time from now on, 1 to the options' connections. Those past that are
 * closed when their mail has ended. */
void smtp_client_set_sessions(struct smtp_client *client, unsigned sessions);

/* Whether any session is open: the relay has let us in, and has not closed all since. */
bool smtp_client_is_connected(const struct smtp_client *client);
/* Ends what waits in line, soon, unless a session opens before: DEFERRED, scope NONE, for nothing
 * of it was said. Connections that are being made go on. */
void smtp_client_give_back(struct smtp_client *client);

/* Tries whether the relay lets a session begin, without a mail. `on_tried` is called once: with
 * NULL where it does, or else with what went wrong. One at a time; not called any more after
 * smtp_client_drain or smtp_client_free. */
void smtp_client_try(struct smtp_client *client,
                     void (*on_tried)(void *context, const struct outcome *failure), void *context);

/* Stops: what waits in line ends at once as DEFERRED with scope NONE (as does what is submitted
 * from now on), what is on the wire is finished, QUIT is said, and then `on_drained` is called
 * once. After `limit_ms` the connections that are left are cut, and their transactions end as
 * DEFERRED or UNCERTAIN. */
void smtp_client_drain(struct smtp_client *client, uint64_t limit_ms,
                       void (*on_drained)(void *context), void *context);

/* Cuts every connection and ends every transaction that is left, calling its on_done from inside;
 * a client that was drained has none. Not to be called from a callback of this client. */
void smtp_client_free(struct smtp_client *client);

/* Sessions now, and counts since the client was made. */
struct smtp_statistics {
    unsigned connecting;
    unsigned idle;
    unsigned busy;
    unsigned waiting; /* transactions in line */
    uint64_t connections_opened;
    uint64_t connections_failed;
    uint64_t sent;
    uint64_t deferred;
    uint64_t refused;
    uint64_t uncertain;
};

void smtp_client_statistics(const struct smtp_client *client, struct smtp_statistics *statistics);

#endif
