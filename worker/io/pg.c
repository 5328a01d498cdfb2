/* The asynchronous connection: connect, set up, send calls, hand out answers, and begin again when
 * it breaks. It reads in that order. It must not know libpq (pg_connection.c does), nor what any
 * statement means. */
#include "worker/io/pg.h"

#include "worker/base/crypto.h"
#include "worker/io/loop.h"
#include "worker/io/pg_calls.h"
#include "worker/io/pg_connection.h"
#include "worker/io/pg_session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum {
    BACKOFF_BASE_MS = 100,
    BACKOFF_CAP_MS = 5000,
    STABLE_AFTER_MS = 10000, /* a connection that lived as long starts the back-off anew */
    CHANNEL_BYTES = 64,
};

enum pg_phase {
    PG_PHASE_WAITING,    /* for the back-off to pass */
    PG_PHASE_CONNECTING, /* libpq's own steps */
    PG_PHASE_SETTING_UP, /* our session settings, and the owner's `first` */
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
    struct loop_defer defer;  /* ends what pg_call could not send */
    struct pg_calls calls;
    uint64_t up_since_ms;
    uint64_t timer_at_ms;
    unsigned attempt;
    unsigned depth; /* callbacks of ours on the stack: pg_free leaves the memory to the outermost */
    enum pg_phase phase;
    bool is_broken; /* found out in pg_call; `defer` will act on it */
    bool is_freed;
};

static void connection_begin(struct pg *pg);
static void connection_ready(void *context, unsigned events);

/* ---- giving back the memory when the owner lets go from inside a callback ---- */

static void callbacks_enter(struct pg *pg)
{
    pg->depth++;
}

/* `pg` may be gone after this. */
static void callbacks_leave(struct pg *pg)
{
    if (--pg->depth > 0 || !pg->is_freed)
        return;
    free(pg->url);
    free(pg->application_name);
    free(pg);
}

/* ---- ending calls ---- */

static void call_end(struct pg_pending *call, const struct pg_result *result)
{
    call->on_result(call->context, result);
    free(call);
}

/* Only those that are there now: a callback may well make a new call that cannot be sent either. */
static void ended_deliver(struct pg *pg)
{
    struct pg_pending *call;
    struct pg_result result;
    for (size_t left = pg->calls.ended.count; left > 0; left--) {
        if (pg_calls_take_ended(&pg->calls, &call, &result))
            call_end(call, &result);
    }
    if (pg->calls.ended.count > 0 && !pg->is_freed)
        loop_defer(pg->loop, &pg->defer);
}

static void connection_drop(struct pg *pg)
{
    loop_poll_free(pg->poll);
    pg->poll = NULL;
    pg_connection_free(pg->connection);
    pg->connection = NULL;
    pg->is_broken = false;
}

static void timer_set(struct pg *pg, uint64_t at_ms)
{
    uint64_t now = loop_now_ms(pg->loop);
    pg->timer_at_ms = at_ms;
    loop_timer_start(pg->timer, at_ms > now ? at_ms - now : 0);
}

/* Full jitter: any time up to the doubled one, so that workers do not come back all at once. */
static uint64_t backoff_ms(unsigned attempt)
{
    uint64_t cap = attempt < 6 ? (uint64_t)BACKOFF_BASE_MS << attempt : BACKOFF_CAP_MS;
    uint32_t chance = 0;
    if (cap > BACKOFF_CAP_MS)
        cap = BACKOFF_CAP_MS;
    if (!crypto_random(&chance, sizeof chance))
        return cap;
    return cap * chance / UINT32_MAX;
}

/* The one way down. `reason` may lie in the connection. */
static void connection_give_up(struct pg *pg, enum pg_state state, const char *reason)
{
    char text[PG_TEXT_BYTES];
    bool was_stable =
        pg->phase == PG_PHASE_UP && loop_now_ms(pg->loop) - pg->up_since_ms >= STABLE_AFTER_MS;
    snprintf(text, sizeof text, "%s", reason);
    connection_drop(pg);
    loop_timer_stop(pg->timer);
    pg->attempt = was_stable ? 0 : pg->attempt;
    if (state == PG_STATE_UNFIT) {
        pg->phase = PG_PHASE_UNFIT;
    } else {
        pg->phase = PG_PHASE_WAITING;
        timer_set(pg, loop_now_ms(pg->loop) + backoff_ms(pg->attempt));
        pg->attempt++;
    }
    pg_calls_lose(&pg->calls);
    ended_deliver(pg);
    if (!pg->is_freed && pg->options.on_state != NULL)
        pg->options.on_state(pg->options.context, state, text);
}

/* ---- connecting ---- */

static bool poll_renew(struct pg *pg, unsigned events)
{
    pg->poll =
        loop_poll_new(pg->loop, pg_connection_socket(pg->connection), connection_ready, pg, NULL);
    if (pg->poll == NULL)
        return false;
    loop_poll_set(pg->poll, events);
    return true;
}

static void connection_begin(struct pg *pg)
{
    pg->phase = PG_PHASE_CONNECTING;
    timer_set(pg, loop_now_ms(pg->loop) + pg->options.connect_timeout_ms);
    pg->connection = pg_connection_start(pg->url, pg->application_name);
    if (pg->connection == NULL)
        connection_give_up(pg, PG_STATE_DOWN, "no memory for a connection");
    else if (pg_connection_socket(pg->connection) < 0)
        connection_give_up(pg, PG_STATE_DOWN, pg_connection_reason(pg->connection));
    else if (!poll_renew(pg, LOOP_WRITABLE))
        connection_give_up(pg, PG_STATE_DOWN, "the socket cannot be watched");
}

static void connection_came_up(struct pg *pg)
{
    pg->phase = PG_PHASE_UP;
    pg->up_since_ms = loop_now_ms(pg->loop);
    if (pg->options.on_state != NULL)
        pg->options.on_state(pg->options.context, PG_STATE_UP, "");
}

static void first_done(void *context, const struct pg_result *result)
{
    struct pg *pg = context;
    if (pg->is_freed || result->kind == PG_RESULT_LOST || result->kind == PG_RESULT_UNSENT)
        return;
    if (result->kind == PG_RESULT_ROWS)
        connection_came_up(pg);
    else
        connection_give_up(pg, PG_STATE_DOWN, result->text);
}

static bool call_send(struct pg *pg, const struct pg_statement *statement,
                      const char *const *parameters, uint64_t deadline_ms, pg_on_result *on_result,
                      void *context);

static void session_done(void *context, const struct pg_result *result)
{
    struct pg *pg = context;
    uint64_t deadline_ms = loop_now_ms(pg->loop) + pg->options.connect_timeout_ms;
    if (pg->is_freed || result->kind == PG_RESULT_LOST || result->kind == PG_RESULT_UNSENT)
        return;
    const char *unfit = pg_session_unfit(pg->connection, result);
    if (result->kind == PG_RESULT_REFUSED)
        connection_give_up(pg, PG_STATE_DOWN, result->text);
    else if (unfit != NULL)
        connection_give_up(pg, PG_STATE_UNFIT, unfit);
    else if (pg->options.first == NULL)
        connection_came_up(pg);
    else if (!call_send(pg, pg->options.first, NULL, deadline_ms, first_done, pg))
        connection_give_up(pg, PG_STATE_DOWN, "no memory for a connection");
}

static void connection_set_up(struct pg *pg)
{
    char timeout[16];
    const char *parameters[] = {timeout};
    uint64_t deadline_ms = loop_now_ms(pg->loop) + pg->options.connect_timeout_ms;
    snprintf(timeout, sizeof timeout, "%" PRIu32, pg->options.call_timeout_ms);
    pg->phase = PG_PHASE_SETTING_UP;
    loop_timer_stop(pg->timer);
    const char *unfit = pg_session_unfit(pg->connection, NULL);
    if (unfit != NULL)
        connection_give_up(pg, PG_STATE_UNFIT, unfit);
    else if (!pg_connection_begin_pipeline(pg->connection))
        connection_give_up(pg, PG_STATE_DOWN, pg_connection_reason(pg->connection));
    else if (!poll_renew(pg, LOOP_READABLE))
        connection_give_up(pg, PG_STATE_DOWN, "the socket cannot be watched");
    else if (!call_send(pg, &pg_session_statement, parameters, deadline_ms, session_done, pg))
        connection_give_up(pg, PG_STATE_DOWN, "no memory for a connection");
}

static void connecting_step(struct pg *pg)
{
    /* The step may close this socket and open another. */
    loop_poll_free(pg->poll);
    pg->poll = NULL;
    switch (pg_connection_step(pg->connection)) {
    case PG_CONNECTING_READ:
        if (!poll_renew(pg, LOOP_READABLE))
            connection_give_up(pg, PG_STATE_DOWN, "the socket cannot be watched");
        return;
    case PG_CONNECTING_WRITE:
        if (!poll_renew(pg, LOOP_WRITABLE))
            connection_give_up(pg, PG_STATE_DOWN, "the socket cannot be watched");
        return;
    case PG_CONNECTING_DONE:
        connection_set_up(pg);
        return;
    case PG_CONNECTING_FAILED:
        connection_give_up(pg, PG_STATE_DOWN, pg_connection_reason(pg->connection));
        return;
    }
}

/* ---- sending ---- */

static void write_out(struct pg *pg)
{
    bool is_all = false;
    if (!pg->is_broken && pg_connection_write(pg->connection, &is_all)) {
        loop_poll_set(pg->poll, is_all ? LOOP_READABLE : LOOP_READABLE | LOOP_WRITABLE);
        return;
    }
    /* libpq may have closed the socket: nothing may go on watching its number. */
    pg->is_broken = true;
    loop_poll_free(pg->poll);
    pg->poll = NULL;
    loop_defer(pg->loop, &pg->defer);
}

static bool call_send(struct pg *pg, const struct pg_statement *statement,
                      const char *const *parameters, uint64_t deadline_ms, pg_on_result *on_result,
                      void *context)
{
    const struct pg_pending call = {.statement = statement,
                                    .on_result = on_result,
                                    .context = context,
                                    .deadline_ms = deadline_ms};
    if (!pg_calls_send(&pg->calls, pg->connection, &call, parameters, &pg->is_broken))
        return false;
    if (!loop_timer_is_running(pg->timer) || pg->timer_at_ms > deadline_ms)
        timer_set(pg, deadline_ms);
    write_out(pg);
    return true;
}

bool pg_call(struct pg *pg, const struct pg_statement *statement, const char *const *parameters,
             uint32_t timeout_ms, pg_on_result *on_result, void *context)
{
    uint64_t wait_ms = timeout_ms > 0 ? timeout_ms : pg->options.call_timeout_ms;
    if (statement->parameter_count > PG_PARAMETERS_MAXIMUM)
        abort();
    if (pg->is_freed)
        return false;
    if (pg->phase == PG_PHASE_UP && !pg->is_broken && pg->calls.sent.count < PG_CALLS_MAXIMUM)
        return call_send(pg, statement, parameters, loop_now_ms(pg->loop) + wait_ms, on_result,
                         context);
    if (!pg_calls_add_unsent(&pg->calls, on_result, context))
        return false;
    loop_defer(pg->loop, &pg->defer);
    return true;
}

static void deferred(void *context)
{
    struct pg *pg = context;
    callbacks_enter(pg);
    if (pg->is_broken && pg->connection != NULL)
        connection_give_up(pg, PG_STATE_DOWN, pg_connection_reason(pg->connection));
    else
        ended_deliver(pg);
    callbacks_leave(pg);
}

/* ---- answers ---- */

/* After the shape of a function's answer changed, or a pooler swapped the session, what was
 * prepared is of no use any more: begin again. */
static bool is_prepared_no_more(const char *sqlstate)
{
    return strcmp(sqlstate, "0A000") == 0 || strcmp(sqlstate, "26000") == 0;
}

static void answers_read(struct pg *pg)
{
    struct pg_pending *call;
    struct pg_result result;
    while (!pg->is_freed && pg->connection != NULL &&
           pg_calls_next(&pg->calls, pg->connection, &call, &result)) {
        bool is_stale = result.kind == PG_RESULT_REFUSED && is_prepared_no_more(result.sqlstate);
        if (pg->calls.sent.count == 0)
            loop_timer_stop(pg->timer);
        call_end(call, &result);
        pg_connection_clear(&result);
        if (is_stale && !pg->is_freed && pg->connection != NULL)
            connection_give_up(pg, PG_STATE_DOWN, "prepared statements are out of date");
    }
}

static void notifications_read(struct pg *pg)
{
    char channel[CHANNEL_BYTES];
    while (!pg->is_freed && pg->connection != NULL &&
           pg_connection_next_notify(pg->connection, channel, sizeof channel)) {
        if (pg->phase == PG_PHASE_UP && pg->options.on_notify != NULL)
            pg->options.on_notify(pg->options.context, channel);
    }
}

static void connection_ready(void *context, unsigned events)
{
    struct pg *pg = context;
    callbacks_enter(pg);
    if (pg->phase == PG_PHASE_CONNECTING) {
        connecting_step(pg);
    } else if ((events & LOOP_READABLE) != 0 && !pg_connection_read(pg->connection)) {
        connection_give_up(pg, PG_STATE_DOWN,
                           pg->calls.answer.kind == PG_RESULT_REFUSED
                               ? pg->calls.answer.text
                               : pg_connection_reason(pg->connection));
    } else {
        answers_read(pg);
        notifications_read(pg);
        if (!pg->is_freed && pg->connection != NULL && !pg->is_broken)
            write_out(pg);
    }
    callbacks_leave(pg);
}

/* ---- time ---- */

static void deadlines_check(struct pg *pg)
{
    uint64_t earliest = pg_calls_earliest_deadline_ms(&pg->calls);
    if (earliest <= loop_now_ms(pg->loop))
        connection_give_up(pg, PG_STATE_DOWN, "no answer within the deadline");
    else if (earliest != UINT64_MAX)
        timer_set(pg, earliest);
}

static void timer_fired(void *context)
{
    struct pg *pg = context;
    callbacks_enter(pg);
    switch (pg->phase) {
    case PG_PHASE_WAITING:
        connection_begin(pg);
        break;
    case PG_PHASE_CONNECTING:
        connection_give_up(pg, PG_STATE_DOWN, "no connection within the time allowed for it");
        break;
    case PG_PHASE_SETTING_UP:
    case PG_PHASE_UP:
        deadlines_check(pg);
        break;
    case PG_PHASE_UNFIT:
        break;
    }
    callbacks_leave(pg);
}

/* ---- start and end ---- */

struct pg *pg_new(struct loop *loop, const struct pg_options *options, struct error *error)
{
    if (!pg_connection_check_url(options->url, error))
        return NULL;
    struct pg *pg = calloc(1, sizeof *pg);
    if (pg != NULL) {
        pg->loop = loop;
        pg->options = *options;
        pg->url = strdup(options->url);
        pg->application_name = strdup(options->application_name);
        pg->timer = loop_timer_new(loop, timer_fired, pg);
        pg->defer = (struct loop_defer){.run = deferred, .context = pg};
        pg_calls_init(&pg->calls);
    }
    if (pg == NULL || pg->url == NULL || pg->application_name == NULL || pg->timer == NULL) {
        pg_free(pg);
        error_set(error, EX_OSERR, "database: no memory");
        return NULL;
    }
    timer_set(pg, 0);
    return pg;
}

void pg_free(struct pg *pg)
{
    if (pg == NULL || pg->is_freed)
        return;
    callbacks_enter(pg);
    pg->is_freed = true;
    loop_defer_cancel(&pg->defer);
    loop_timer_free(pg->timer);
    connection_drop(pg);
    pg->phase = PG_PHASE_UNFIT;
    pg_calls_lose(&pg->calls);
    while (pg->calls.ended.count > 0)
        ended_deliver(pg);
    callbacks_leave(pg);
}

bool pg_is_up(const struct pg *pg)
{
    return pg->phase == PG_PHASE_UP;
}
