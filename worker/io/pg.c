/* The asynchronous connection once it is there: send calls, hand out answers, and begin again when
 * it breaks (pg_connecting.c). It must not know libpq (pg_connection.c does), nor what any
 * statement means. */
#include "worker/io/pg.h"

#include "worker/base/crypto.h"
#include "worker/io/loop.h"
#include "worker/io/pg_calls.h"
#include "worker/io/pg_connecting.h"
#include "worker/io/pg_connection.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum {
    STABLE_AFTER_MS = 10000, /* a connection that lived as long starts the back-off anew */
    CHANNEL_BYTES = 64,
};

#define READ_ONLY "25006"

/* ---- giving back the memory when the owner lets go from inside a callback ---- */

void pg_callbacks_enter(struct pg *pg)
{
    pg->depth++;
}

/* `pg` may be gone after this. */
void pg_callbacks_leave(struct pg *pg)
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

void pg_drop(struct pg *pg)
{
    loop_poll_free(pg->poll);
    pg->poll = NULL;
    pg_connection_free(pg->connection);
    pg->connection = NULL;
    pg->is_broken = false;
}

void pg_timer_set(struct pg *pg, uint64_t at_ms)
{
    uint64_t now = loop_now_ms(pg->loop);
    pg->timer_at_ms = at_ms;
    loop_timer_start(pg->timer, at_ms > now ? at_ms - now : 0);
}

/* When the next attempt is due. */
static uint64_t next_attempt_ms(struct pg *pg)
{
    uint64_t now_ms = loop_now_ms(pg->loop);
    uint32_t chance = UINT32_MAX; /* without any: the longest */
    (void)crypto_random(&chance, sizeof chance);
    if (pg->phase == PG_PHASE_UP)
        return now_ms +
               pg_route_begin(&pg->route, now_ms - pg->up_since_ms >= STABLE_AFTER_MS, chance);
    return now_ms + pg_route_go_on(&pg->route, chance);
}

/* The one way down. `reason` may lie in the connection. */
void pg_give_up(struct pg *pg, enum pg_state state, const char *reason)
{
    char text[PG_TEXT_BYTES];
    snprintf(text, sizeof text, "%s", reason);
    loop_lookup_free(pg->lookup);
    pg->lookup = NULL;
    pg_drop(pg);
    loop_timer_stop(pg->timer);
    if (state == PG_STATE_UNFIT) {
        pg->phase = PG_PHASE_UNFIT;
    } else {
        pg_timer_set(pg, next_attempt_ms(pg));
        pg->phase = PG_PHASE_WAITING;
    }
    pg->is_session_kept = false;
    pg_calls_lose(&pg->calls);
    ended_deliver(pg);
    if (!pg->is_freed && pg->options.on_state != NULL)
        pg->options.on_state(pg->options.context, state, text);
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

bool pg_send(struct pg *pg, const struct pg_statement *statement, const char *const *parameters,
             uint64_t deadline_ms, pg_on_result *on_result, void *context)
{
    const struct pg_pending call = {.statement = statement,
                                    .on_result = on_result,
                                    .context = context,
                                    .deadline_ms = deadline_ms};
    if (!pg_calls_send(&pg->calls, pg->connection, &call, parameters, &pg->is_broken))
        return false;
    if (!loop_timer_is_running(pg->timer) || pg->timer_at_ms > deadline_ms)
        pg_timer_set(pg, deadline_ms);
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
        return pg_send(pg, statement, parameters, loop_now_ms(pg->loop) + wait_ms, on_result,
                       context);
    if (!pg_calls_add_unsent(&pg->calls, on_result, context))
        return false;
    loop_defer(pg->loop, &pg->defer);
    return true;
}

static void deferred(void *context)
{
    struct pg *pg = context;
    pg_callbacks_enter(pg);
    if (pg->is_broken && pg->connection != NULL)
        pg_give_up(pg, PG_STATE_DOWN, pg_connection_reason(pg->connection));
    else
        ended_deliver(pg);
    pg_callbacks_leave(pg);
}

/* ---- answers ---- */

/* Why a connection is of no use after an answer, or NULL. After the shape of a function's answer
 * changed, or a pooler swapped the session, what was prepared is gone. A server that takes no
 * writes is a primary no more, or was told so: another one may be. */
static const char *reason_to_leave(const char *sqlstate)
{
    if (strcmp(sqlstate, "0A000") == 0 || strcmp(sqlstate, "26000") == 0)
        return "prepared statements are out of date";
    if (strcmp(sqlstate, READ_ONLY) == 0)
        return "the server takes no writes";
    return NULL;
}

static void answers_read(struct pg *pg)
{
    struct pg_pending *call;
    struct pg_result result;
    while (!pg->is_freed && pg->connection != NULL &&
           pg_calls_next(&pg->calls, pg->connection, &call, &result)) {
        const char *reason =
            result.kind == PG_RESULT_REFUSED ? reason_to_leave(result.sqlstate) : NULL;
        if (reason != NULL && strcmp(result.sqlstate, READ_ONLY) == 0)
            pg_route_leave(&pg->route);
        if (pg->calls.sent.count == 0)
            loop_timer_stop(pg->timer);
        call_end(call, &result);
        pg_connection_clear(&result);
        if (reason != NULL && !pg->is_freed && pg->connection != NULL)
            pg_give_up(pg, PG_STATE_DOWN, reason);
    }
    if (!pg->is_freed && pg->connection != NULL && pg->calls.is_out_of_step)
        pg_give_up(pg, PG_STATE_DOWN, pg->calls.answer.text);
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

void pg_on_ready(void *context, unsigned events)
{
    struct pg *pg = context;
    pg_callbacks_enter(pg);
    if (pg->phase == PG_PHASE_CONNECTING) {
        pg_connecting_step(pg);
    } else if (pg->phase == PG_PHASE_PROVING) {
        pg_connecting_prove(pg);
    } else if ((events & LOOP_READABLE) != 0 && !pg_connection_read(pg->connection)) {
        pg_give_up(pg, PG_STATE_DOWN,
                   pg->calls.answer.kind == PG_RESULT_REFUSED
                       ? pg->calls.answer.text
                       : pg_connection_reason(pg->connection));
    } else {
        answers_read(pg);
        notifications_read(pg);
        if (!pg->is_freed && pg->connection != NULL && !pg->is_broken)
            write_out(pg);
    }
    pg_callbacks_leave(pg);
}

/* ---- time ---- */

static void deadlines_check(struct pg *pg)
{
    uint64_t earliest = pg_calls_earliest_deadline_ms(&pg->calls);
    if (earliest <= loop_now_ms(pg->loop))
        pg_give_up(pg, PG_STATE_DOWN, "no answer within the deadline");
    else if (earliest != UINT64_MAX)
        pg_timer_set(pg, earliest);
}

static void timer_fired(void *context)
{
    struct pg *pg = context;
    pg_callbacks_enter(pg);
    switch (pg->phase) {
    case PG_PHASE_WAITING:
        pg_connecting_begin(pg);
        break;
    case PG_PHASE_LOOKING_UP:
    case PG_PHASE_CONNECTING:
    case PG_PHASE_PROVING:
        pg_connecting_time(pg);
        break;
    case PG_PHASE_SETTING_UP:
    case PG_PHASE_UP:
        deadlines_check(pg);
        break;
    case PG_PHASE_UNFIT:
        break;
    }
    pg_callbacks_leave(pg);
}

/* ---- start and end ---- */

struct pg *pg_new(struct loop *loop, const struct pg_options *options, struct error *error)
{
    struct pg *pg = calloc(1, sizeof *pg);
    if (pg != NULL) {
        if (!pg_connection_hosts(options->url, pg->route.hosts, &pg->route.count, error)) {
            free(pg);
            return NULL;
        }
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
    pg_timer_set(pg, 0);
    return pg;
}

void pg_free(struct pg *pg)
{
    if (pg == NULL || pg->is_freed)
        return;
    pg_callbacks_enter(pg);
    pg->is_freed = true;
    loop_defer_cancel(&pg->defer);
    loop_timer_free(pg->timer);
    loop_lookup_free(pg->lookup);
    pg->lookup = NULL;
    pg_drop(pg);
    pg->phase = PG_PHASE_UNFIT;
    pg_calls_lose(&pg->calls);
    while (pg->calls.ended.count > 0)
        ended_deliver(pg);
    pg_callbacks_leave(pg);
}

bool pg_is_up(const struct pg *pg)
{
    return pg->phase == PG_PHASE_UP;
}
