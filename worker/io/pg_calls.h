/* The calls of one connection, in the order in which they were sent, and what has come for the
 * oldest. Private to worker/io. Nothing here calls back: pg.c does. */
#ifndef HANDBELL_IO_PG_CALLS_H
#define HANDBELL_IO_PG_CALLS_H

#include "worker/io/pg.h"
#include "worker/io/pg_connection.h"

struct pg_pending {
    struct pg_pending *next;
    const struct pg_statement *statement;
    pg_on_result *on_result;
    void *context;
    uint64_t deadline_ms;
    bool is_preparing;              /* its first result is the preparation's */
    enum pg_result_kind ended_kind; /* in `ended` alone */
};

struct pg_list {
    struct pg_pending *first;
    struct pg_pending **end;
    size_t count;
};

/* A call is in exactly one of the two lists: `sent` (oldest first), or `ended` (no answer will
 * come, and its callback is due). */
struct pg_calls {
    struct pg_list sent;
    struct pg_list ended;
    struct pg_result answer; /* what has come for the oldest */
    size_t answer_count;
    bool is_out_of_step; /* answers do not fit the calls: nothing more of this connection is true */
    const struct pg_statement *prepared[PG_STATEMENTS_MAXIMUM];
    size_t prepared_count;
};

void pg_calls_init(struct pg_calls *calls);

/* Adds a call to `ended`, as never sent. False without memory. */
bool pg_calls_add_unsent(struct pg_calls *calls, pg_on_result *on_result, void *context);
/* Adds `call` (copied) to `sent` and sends it, preparing its statement first where this connection
 * has not. False without memory, and the call is nowhere. `is_broken` is set when the connection
 * did not take it. */
bool pg_calls_send(struct pg_calls *calls, struct pg_connection *connection,
                   const struct pg_pending *call, const char *const *parameters, bool *is_broken);

/* Reads on until the oldest call's transaction is over: only then is its answer true. Takes that
 * call out (to be freed) with its result (to be cleared). False: nothing more has come, or
 * `is_out_of_step`, with a reason in `answer.text`: libpq makes results of its own where it has no
 * memory for the server's, and can lose the end of a transaction then, so that each answer would be
 * taken for the one before it. */
bool pg_calls_next(struct pg_calls *calls, struct pg_connection *connection,
                   struct pg_pending **call, struct pg_result *result);

/* The connection is gone: moves all of `sent` to `ended`, as lost, and forgets what was prepared.
 */
void pg_calls_lose(struct pg_calls *calls);
/* Takes the oldest of `ended` out (to be freed), with what its callback is told; or false. */
bool pg_calls_take_ended(struct pg_calls *calls, struct pg_pending **call,
                         struct pg_result *result);

/* UINT64_MAX where nothing was sent. */
uint64_t pg_calls_earliest_deadline_ms(const struct pg_calls *calls);

#endif
