/* Connections to the relay, by libcurl (named in smtp_connect.c alone): resolve, connect, greeting,
 * EHLO, STARTTLS with verification and AUTH are its work, with CURLOPT_CONNECT_ONLY. From then on
 * the connection carries bytes for whoever opened it. Knows nothing of transactions. */
#ifndef HANDBELL_IO_SMTP_CONNECT_H
#define HANDBELL_IO_SMTP_CONNECT_H

#include "worker/io/smtp.h"

#include <sys/types.h>

struct smtp_connector;
struct smtp_connection;

/* What the peer's last EHLO offered: the one after STARTTLS alone where there was one. `size_limit`
 * is 0 where the peer named none (RFC 1870). */
struct smtp_peer {
    bool has_pipelining;
    bool has_8bitmime;
    bool has_smtputf8;
    bool has_auth;
    bool has_size;
    uint64_t size_limit;
};

/* All fire from loop_run only. */
struct smtp_connection_callbacks {
    /* Once: `failure` is NULL for an open connection, or what became of the attempt (DEFERRED,
     * scope RELAY), living during the call; the connection must still be closed. */
    void (*on_open)(void *context, const struct outcome *failure);
    /* The open connection is ready for what smtp_connection_watch asked for. */
    void (*on_ready)(void *context, unsigned events);
};

/* Copies what it needs of `options`, which were checked. NULL with `error`. */
struct smtp_connector *smtp_connector_new(struct loop *loop, const struct smtp_options *options,
                                          struct error *error);
/* After all its connections were closed. */
void smtp_connector_free(struct smtp_connector *connector);

/* Begins to connect; NULL with `error` when secrets cannot be read or memory is short. Ended by
 * smtp_connection_close, from any callback too; no callback fires after that. */
struct smtp_connection *smtp_connection_open(struct smtp_connector *connector,
                                             const struct smtp_connection_callbacks *callbacks,
                                             void *context, struct error *error);
/* Cuts the connection; says no QUIT. */
void smtp_connection_close(struct smtp_connection *connection);

/* While connecting: the step it is at, for the time-out, and when it began (loop_now_ms). */
enum outcome_verb smtp_connection_step(const struct smtp_connection *connection);
uint64_t smtp_connection_step_began_ms(const struct smtp_connection *connection);

/* The rest is for an open connection. */
const struct smtp_peer *smtp_connection_peer(const struct smtp_connection *connection);
/* Without TLS a read that fills less than its buffer has taken all there is. */
bool smtp_connection_is_plain(const struct smtp_connection *connection);
/* Watches for a set of enum loop_events from now on; 0 for none. */
void smtp_connection_watch(struct smtp_connection *connection, unsigned events);
/* Bytes handed to the kernel (more than 0), 0 when it takes none now, -1 when the connection is
 * lost. After 0 the same bytes must be offered first next time (TLS has begun to send them). */
ssize_t smtp_connection_send(struct smtp_connection *connection, const char *bytes, size_t size);
/* Bytes read (more than 0), 0 when there are none now, -1 when the connection is lost or ended.
 * Under TLS call it until it returns 0: what was decrypted already wakes no poll. */
ssize_t smtp_connection_recv(struct smtp_connection *connection, char *bytes, size_t size);

#endif
