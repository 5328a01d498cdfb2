/* The asynchronous connection's insides, shared by pg.c (calls and answers) and pg_connecting.c
 * (the way to a connection). Private to those two. */
#ifndef HANDBELL_IO_PG_CONNECTING_H
#define HANDBELL_IO_PG_CONNECTING_H

#include "worker/io/pg.h"
#include "worker/io/pg_calls.h"
#include "worker/io/pg_connection.h"
#include "worker/io/pg_route.h"

enum pg_phase {
    PG_PHASE_WAITING,    /* for the back-off to pass */
    PG_PHASE_LOOKING_UP, /* the host's name */
    PG_PHASE_CONNECTING, /* libpq's own steps */
    PG_PHASE_SETTING_UP, /* our session settings, and the owner's `first` */
    PG_PHASE_PROVING,    /* a pooler: whether it keeps this session for us (pg_session.h) */
    PG_PHASE_UP,
    PG_PHASE_UNFIT, /* for ever */
};

struct pg {
    struct loop *loop;
    struct pg_options options;
    char *url;
    char *application_name;
    struct pg_connection *connection;
    struct loop_poll *poll;
    struct loop_timer *timer; /* of the phase: back-off, connecting, or the earliest deadline */
    struct loop_lookup *lookup;
    struct pg_route route;
    struct loop_defer defer; /* ends what pg_call could not send */
    struct pg_calls calls;
    uint64_t up_since_ms;
    uint64_t timer_at_ms;
    uint64_t turn_ends_at_ms;                   /* of connecting */
    uint64_t looked_up_at_ms[PG_HOSTS_MAXIMUM]; /* the addresses that route knows */
    unsigned depth; /* callbacks of ours on the stack: pg_free leaves the memory to the outermost */
    enum pg_phase phase;
    bool is_session_kept; /* proved of the pooler; for the next connection alone */
    bool is_broken;       /* found out in pg_call; `defer` will act on it */
    bool is_freed;
};

/* ---- pg_connecting.c ---- */

/* The back-off has passed: an attempt begins. */
void pg_connecting_begin(struct pg *pg);
/* The socket is ready in PG_PHASE_CONNECTING. */
void pg_connecting_step(struct pg *pg);
/* The same in PG_PHASE_PROVING. */
void pg_connecting_prove(struct pg *pg);
/* The timer has fired in one of its phases. */
void pg_connecting_time(struct pg *pg);

/* ---- pg.c ---- */

/* Around whatever may call the owner back: `pg` may be gone after the second. */
void pg_callbacks_enter(struct pg *pg);
void pg_callbacks_leave(struct pg *pg);
/* Lets go of socket and connection, without a word to anybody. */
void pg_drop(struct pg *pg);
/* The one way down: loses the calls, tells the owner, and begins again (but PG_STATE_UNFIT) after
 * the back-off. `reason` may lie in the connection. */
void pg_give_up(struct pg *pg, enum pg_state state, const char *reason);
void pg_timer_set(struct pg *pg, uint64_t at_ms);
/* As pg_call, in any phase that has a connection. */
bool pg_send(struct pg *pg, const struct pg_statement *statement, const char *const *parameters,
             uint64_t deadline_ms, pg_on_result *on_result, void *context);
/* The socket is ready. */
void pg_on_ready(void *context, unsigned events);

#endif
