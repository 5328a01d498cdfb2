/* A connection to PostgreSQL on the event loop: pipelined calls of prepared statements, each with a
 * deadline and exactly one callback, on a connection that comes back by itself. It knows no
 * statement and no business word. libpq is named in pg_connection.c alone. */
#ifndef HANDBELL_IO_PG_H
#define HANDBELL_IO_PG_H

#include "worker/base/error.h"
#include "worker/io/pg_result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct pg;

/* A statement is prepared once a connection, when it is first called there. It is known by its
 * address: keep statements in static const tables. `name` is at most 62 bytes. At most
 * PG_PARAMETERS_MAXIMUM parameters, and PG_STATEMENTS_MAXIMUM statements a connection. */
struct pg_statement {
    const char *name;
    const char *sql;
    size_t parameter_count;
};

/* PG_CALLS_MAXIMUM calls may be under way on one connection; what is more is not sent. */
enum { PG_PARAMETERS_MAXIMUM = 16, PG_STATEMENTS_MAXIMUM = 64, PG_CALLS_MAXIMUM = 1024 };

enum pg_state {
    PG_STATE_DOWN,  /* no connection; tried again after 100 ms doubling to 800 ms, full jitter */
    PG_STATE_UP,    /* calls are sent */
    PG_STATE_UNFIT, /* server before 15, or behind a pooler that shares out sessions: will not be
                       tried again */
};

/* All texts are copied by pg_new. `url` is any libpq connection string, several hosts included;
 * what it says of keepalives and target_session_attrs goes before our defaults (5 s, 2 s, 3 times;
 * read-write). `first` (or NULL) runs on each new connection before PG_STATE_UP: a LISTEN, say.
 * All callbacks (each may be NULL) get `context`. */
struct pg_options {
    const char *url;
    const char *application_name;
    uint32_t connect_timeout_ms; /* for the connection and its first exchange */
    uint32_t call_timeout_ms;    /* the deadline of a call that names none; the server's
                                    statement_timeout is a second more */
    const struct pg_statement *first;
    /* Fires when the connection is up, and at each failure to get or keep one. `reason` (never
     * NULL, "" for PG_STATE_UP; alive during the callback) holds no password and no data. When a
     * connection is lost its calls have had their callbacks before this one fires. */
    void (*on_state)(void *context, enum pg_state state, const char *reason);
    /* A notification came on a channel that `first` listens to. */
    void (*on_notify)(void *context, const char *channel);
    void *context;
};

/* Begins to connect in the next turn of the loop. The hosts of `url` (PG_HOSTS_MAXIMUM at most) are
 * tried in turn, from the one where a connection was last, each at all addresses of its name; names
 * are looked up on a pool thread, anew after 3 s. Of several hosts one that does not answer is
 * left after 1.5 s, one that answers too slowly after 3 s (more in later rounds). Where `url` names
 * no host libpq chooses, in the loop's thread. A server that refuses a call because it takes no
 * writes (25006) is left for the next host. NULL with `error` (EX_OSERR) without memory,
 * (EX_CONFIG) where `url` is no connection string. Ended by pg_free. */
struct pg *pg_new(struct loop *loop, const struct pg_options *options, struct error *error);
/* Ends the connection. Each call whose callback has not fired fires INSIDE this call, as
 * PG_RESULT_LOST or PG_RESULT_UNSENT, so that what it holds can be let go; on_state and on_notify
 * fire no more. It may be called from any of this connection's callbacks. NULL is fine. */
void pg_free(struct pg *pg);
bool pg_is_up(const struct pg *pg);

/* Called once for each call; `result` and all that it points at is alive during the callback. */
typedef void pg_on_result(void *context, const struct pg_result *result);

/* Sends one statement, which is a transaction of its own, behind those that are under way, without
 * waiting for them; what must be done together is one function of the database. `parameters` are
 * the texts of $1, $2, ... (NULL is SQL's null), copied before this returns. `timeout_ms` counts
 * from now; 0: call_timeout_ms. When a deadline passes the connection is given up: this and all
 * other calls under way end as PG_RESULT_LOST.
 *
 * `on_result` fires exactly once, in a later turn of the loop: PG_RESULT_ROWS only when the
 * transaction is known to be committed. While the connection is down, and past PG_CALLS_MAXIMUM,
 * calls end as PG_RESULT_UNSENT. False only without memory,
 * or from inside pg_free: then it will not fire. */
bool pg_call(struct pg *pg, const struct pg_statement *statement, const char *const *parameters,
             uint32_t timeout_ms, pg_on_result *on_result, void *context);

#endif
