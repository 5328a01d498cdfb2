/* From nothing to a connection that calls can be sent on: the host's name, libpq's steps, our
 * session, behind a pooler the proof that it is ours, and the owner's first statement. Read from
 * top to bottom; whatever fails ends in pg_give_up, which comes back here after a while. */
#include "worker/io/pg_connecting.h"

#include "worker/io/loop.h"
#include "worker/io/pg_session.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    LOOK_UP_MS = 2000,       /* for a name: after it, the addresses before are tried */
    LOOK_UP_AGAIN_MS = 3000, /* what was found is believed for so long */
    /* The server's own limit comes behind ours: a COMMIT that waits for a standby and is stopped at
     * its limit has been stored here alone, and is answered as if all were well. */
    SERVER_LATER_MS = 1000,
};

static bool poll_renew(struct pg *pg, unsigned events)
{
    pg->poll = loop_poll_new(pg->loop, pg_connection_socket(pg->connection), pg_on_ready, pg, NULL);
    if (pg->poll == NULL)
        return false;
    loop_poll_set(pg->poll, events);
    return true;
}

static void connection_start(struct pg *pg)
{
    struct pg_host room;
    uint64_t handshake_at_ms = loop_now_ms(pg->loop) + PG_HANDSHAKE_MS;
    bool is_ours = pg->route.count > 0 && handshake_at_ms < pg->turn_ends_at_ms;
    pg->phase = PG_PHASE_CONNECTING;
    pg_timer_set(pg, is_ours ? handshake_at_ms : pg->turn_ends_at_ms);
    pg->connection =
        pg_connection_start(pg->url, pg_route_here(&pg->route, &room), pg->application_name);
    if (pg->connection == NULL)
        pg_give_up(pg, PG_STATE_DOWN, "no memory for a connection");
    else if (pg_connection_socket(pg->connection) < 0)
        pg_give_up(pg, PG_STATE_DOWN, pg_connection_reason(pg->connection));
    else if (!poll_renew(pg, LOOP_WRITABLE))
        pg_give_up(pg, PG_STATE_DOWN, "the socket cannot be watched");
}

static void name_found(void *context, const char addresses[][LOOP_ADDRESS_BYTES], size_t count,
                       const char *reason)
{
    struct pg *pg = context;
    char text[PG_TEXT_BYTES];
    snprintf(text, sizeof text, "no address is known for the name of the host: %s", reason);
    pg_callbacks_enter(pg);
    loop_lookup_free(pg->lookup);
    pg->lookup = NULL;
    if (count > 0)
        pg->looked_up_at_ms[pg->route.host] = loop_now_ms(pg->loop);
    if (pg_route_take(&pg->route, addresses, count))
        connection_start(pg);
    else
        pg_give_up(pg, PG_STATE_DOWN, text);
    pg_callbacks_leave(pg);
}

void pg_connecting_begin(struct pg *pg)
{
    const char *name = pg_route_name(&pg->route);
    uint64_t now_ms = loop_now_ms(pg->loop);
    bool is_fresh = pg->route.known[pg->route.host].count > 0 &&
                    now_ms - pg->looked_up_at_ms[pg->route.host] < LOOK_UP_AGAIN_MS;
    pg->turn_ends_at_ms = now_ms + pg_route_turn_ms(&pg->route, pg->options.connect_timeout_ms);
    if (name == NULL || is_fresh) {
        connection_start(pg);
        return;
    }
    pg->phase = PG_PHASE_LOOKING_UP;
    pg_timer_set(pg, now_ms + LOOK_UP_MS);
    pg->lookup = loop_lookup_new(pg->loop, name, name_found, pg);
    if (pg->lookup == NULL)
        pg_give_up(pg, PG_STATE_DOWN, "no memory for a connection");
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
        pg_give_up(pg, PG_STATE_DOWN, result->text);
}

static void proof_begun(void *context, const struct pg_result *result)
{
    struct pg *pg = context;
    if (pg->is_freed || result->kind == PG_RESULT_LOST || result->kind == PG_RESULT_UNSENT)
        return;
    if (result->kind == PG_RESULT_REFUSED) {
        pg_give_up(pg, PG_STATE_DOWN, result->text);
        return;
    }
    pg->phase = PG_PHASE_PROVING;
    pg_timer_set(pg, loop_now_ms(pg->loop) + PG_SESSION_PROOF_MS);
}

/* Once the session has ended as it was told to, it is ours alone; now for good. */
void pg_connecting_prove(struct pg *pg)
{
    bool is_open = pg_connection_read(pg->connection);
    if (pg_connection_was_ended_idle(pg->connection)) {
        pg_drop(pg);
        pg_calls_lose(&pg->calls);
        pg->is_session_kept = true;
        pg->phase = PG_PHASE_WAITING;
        pg_timer_set(pg, 0);
    } else if (!is_open) {
        pg_give_up(pg, PG_STATE_DOWN, pg_connection_reason(pg->connection));
    }
}

static void session_done(void *context, const struct pg_result *result)
{
    struct pg *pg = context;
    const struct pg_statement *next = pg->options.first;
    pg_on_result *on_result = first_done;
    if (pg->is_freed || result->kind == PG_RESULT_LOST || result->kind == PG_RESULT_UNSENT)
        return;
    if (result->kind == PG_RESULT_REFUSED) {
        pg_give_up(pg, PG_STATE_DOWN, result->text);
        return;
    }
    if (!pg_session_is_begun(result)) {
        next = &pg_session_proof;
        on_result = proof_begun;
    }
    if (next == NULL)
        connection_came_up(pg);
    else if (!pg_send(pg, next, NULL, loop_now_ms(pg->loop) + pg->options.connect_timeout_ms,
                      on_result, pg))
        pg_give_up(pg, PG_STATE_DOWN, "no memory for a connection");
}

static bool session_begin(struct pg *pg)
{
    char timeout[16], process[16];
    const char *parameters[] = {timeout, process, pg->is_session_kept ? "t" : "f"};
    snprintf(timeout, sizeof timeout, "%" PRIu32, pg->options.call_timeout_ms + SERVER_LATER_MS);
    snprintf(process, sizeof process, "%d", pg_connection_process(pg->connection));
    return pg_send(pg, &pg_session_statement, parameters,
                   loop_now_ms(pg->loop) + pg->options.connect_timeout_ms, session_done, pg);
}

static void connection_set_up(struct pg *pg)
{
    pg->phase = PG_PHASE_SETTING_UP;
    loop_timer_stop(pg->timer);
    if (!pg_session_is_new_enough(pg->connection))
        pg_give_up(pg, PG_STATE_UNFIT, PG_SESSION_TOO_OLD);
    else if (!pg_connection_begin_pipeline(pg->connection))
        pg_give_up(pg, PG_STATE_DOWN, pg_connection_reason(pg->connection));
    else if (!poll_renew(pg, LOOP_READABLE))
        pg_give_up(pg, PG_STATE_DOWN, "the socket cannot be watched");
    else if (!session_begin(pg))
        pg_give_up(pg, PG_STATE_DOWN, "no memory for a connection");
}

void pg_connecting_step(struct pg *pg)
{
    /* The step may close this socket and open another. */
    loop_poll_free(pg->poll);
    pg->poll = NULL;
    switch (pg_connection_step(pg->connection)) {
    case PG_CONNECTING_READ:
        if (!poll_renew(pg, LOOP_READABLE))
            pg_give_up(pg, PG_STATE_DOWN, "the socket cannot be watched");
        return;
    case PG_CONNECTING_WRITE:
        if (!poll_renew(pg, LOOP_WRITABLE))
            pg_give_up(pg, PG_STATE_DOWN, "the socket cannot be watched");
        return;
    case PG_CONNECTING_DONE:
        connection_set_up(pg);
        return;
    case PG_CONNECTING_FAILED:
        pg_give_up(pg, PG_STATE_DOWN, pg_connection_reason(pg->connection));
        return;
    }
}

void pg_connecting_time(struct pg *pg)
{
    if (pg->phase == PG_PHASE_LOOKING_UP)
        name_found(pg, NULL, 0, "no answer in time");
    else if (pg->phase == PG_PHASE_PROVING)
        pg_give_up(pg, PG_STATE_UNFIT, PG_SESSION_NOT_KEPT);
    else if (pg_connection_is_made(pg->connection) && loop_now_ms(pg->loop) < pg->turn_ends_at_ms)
        pg_timer_set(pg, pg->turn_ends_at_ms);
    else
        pg_give_up(pg, PG_STATE_DOWN, "no connection within the time allowed for it");
}
