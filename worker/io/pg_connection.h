/* One libpq connection, step by step: what pg.c (on the loop) and pg_sync.c (waiting) are made of.
 * Private to worker/io: others use those. Nothing here calls back. */
#ifndef HANDBELL_IO_PG_CONNECTION_H
#define HANDBELL_IO_PG_CONNECTION_H

#include "worker/base/error.h"
#include "worker/io/pg_result.h"
#include "worker/io/pg_route.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pg_connection;

/* Whether libpq takes `url`; if not, `error` (EX_CONFIG) says so without quoting it. */
bool pg_connection_check_url(const char *url, struct error *error);

/* The hosts that `url` names, PG_HOSTS_MAXIMUM at most, in its order. `count` is 0 where it names
 * none: then the environment, a service or libpq's default does. False with `error` (EX_CONFIG). */
bool pg_connection_hosts(const char *url, struct pg_host hosts[PG_HOSTS_MAXIMUM], size_t *count,
                         struct error *error);

/* Starts to connect, to `host` alone where it is not NULL; NULL without memory. Ended by
 * pg_connection_free. */
struct pg_connection *pg_connection_start(const char *url, const struct pg_host *host,
                                          const char *application_name);
/* Connects and waits for it; NULL with `error` (EX_UNAVAILABLE; EX_OSERR without memory). */
struct pg_connection *pg_connection_open(const char *url, const char *application_name,
                                         uint32_t timeout_s, struct error *error);
void pg_connection_free(struct pg_connection *connection); /* NULL is fine */

enum pg_connecting {
    PG_CONNECTING_READ,  /* go on when the socket is readable */
    PG_CONNECTING_WRITE, /* go on when it is writable */
    PG_CONNECTING_DONE,
    PG_CONNECTING_FAILED,
};

/* The next step of connecting, to be taken when the socket is ready. Each step may close the socket
 * and open another: stop watching it first. */
enum pg_connecting pg_connection_step(struct pg_connection *connection);
/* -1 where there is none. */
int pg_connection_socket(const struct pg_connection *connection);
/* Whether the other side has answered at all. */
bool pg_connection_is_made(const struct pg_connection *connection);
/* Why it failed, in one line; static or in `connection`. */
const char *pg_connection_reason(struct pg_connection *connection);
/* 150004 for 15.4. */
int pg_connection_server_version(const struct pg_connection *connection);
/* The server process that was promised when the connection was made. */
int pg_connection_process(const struct pg_connection *connection);

/* From now on calls are queued, not waited for. */
bool pg_connection_begin_pipeline(struct pg_connection *connection);
/* Each false when the connection is broken. */
bool pg_connection_send_prepare(struct pg_connection *connection, const char *name,
                                const char *sql);
bool pg_connection_send_execute(struct pg_connection *connection, const char *name,
                                const char *const *parameters, size_t count);
/* Ends a transaction: the server answers, and goes on with what follows. */
bool pg_connection_send_sync(struct pg_connection *connection);
/* Reads what has come. */
bool pg_connection_read(struct pg_connection *connection);
/* Whether the server has said that it ends the session because nothing came for
 * idle_session_timeout. */
bool pg_connection_was_ended_idle(struct pg_connection *connection);
/* Writes what the socket takes; `is_all` says whether that was everything. */
bool pg_connection_write(struct pg_connection *connection, bool *is_all);

enum pg_step {
    PG_STEP_WAIT,   /* nothing more has come */
    PG_STEP_RESULT, /* of one statement; `result` is to be ended by pg_connection_clear */
    PG_STEP_END,    /* of that statement's results */
    PG_STEP_SYNC,   /* the transaction is over */
};

/* The next thing that has come; asked only while something is expected. */
enum pg_step pg_connection_next(struct pg_connection *connection, struct pg_result *result);
/* The next notification's channel, or false. */
bool pg_connection_next_notify(struct pg_connection *connection, char *channel, size_t size);

/* Both wait. The first runs one statement with parameters, the second a script of several without
 * any (one transaction, unless it says otherwise). */
void pg_connection_execute(struct pg_connection *connection, const char *sql,
                           const char *const *parameters, size_t count, struct pg_result *result);
void pg_connection_script(struct pg_connection *connection, const char *sql,
                          struct pg_result *result);

/* Frees the rows; the result is then empty, of kind PG_RESULT_UNSENT. */
void pg_connection_clear(struct pg_result *result);

#endif
