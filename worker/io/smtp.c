/* The pool: which transactions wait, which sessions there are, and when another is opened. What is
 * said over a session is smtp_dialogue.c's. */
#include "worker/io/smtp.h"

#include "worker/io/smtp_line.h"
#include "worker/io/smtp_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum {
    TICK_MIN_MS = 5,
    TICK_MAX_MS = 1000,
    REOPEN_MIN_MS = 1000, /* while other sessions live: the relay may cap connections */
    REOPEN_MAX_MS = 60000,
};

/* `is_probing`: the last attempt to connect failed, or none was made yet; one connection is then
 * tried by itself, and the others follow when it has succeeded. `held` counts the transactions that
 * have not ended. */
struct smtp_client {
    struct loop *loop;
    struct smtp_connector *connector;
    struct smtp_session_setup setup;
    unsigned session_count;
    unsigned session_limit; /* of those that may be opened now */
    unsigned session_most;  /* of those that there is room for */
    unsigned connecting;
    unsigned idle;
    unsigned busy;
    struct smtp_line urgent;
    struct smtp_line ordinary;
    unsigned held;
    struct smtp_statistics totals;
    struct loop_defer turn;
    struct loop_timer *clock;
    uint64_t tick_ms;
    uint64_t reopen_ms;
    uint64_t reopen_wait_ms;
    bool is_probing;
    bool peer_pipelines;
    bool has_ended_some;
    void (*on_room)(void *context);
    void *room_context;
    void (*on_tried)(void *context, const struct outcome *failure); /* NULL: nobody tries */
    void *tried_context;
    bool is_giving_back;
    bool is_draining;
    uint64_t drain_until_ms;
    void (*on_drained)(void *context);
    void *drained_context;
    struct smtp_session *sessions[]; /* `session_limit` of them */
};

static unsigned client_waiting(const struct smtp_client *client)
{
    return client->urgent.count + client->ordinary.count;
}

static void client_finish(struct smtp_client *client, struct smtp_transaction *transaction,
                          const struct outcome *outcome)
{
    struct smtp_statistics *totals = &client->totals;
    client->held--;
    client->has_ended_some = true;
    switch (outcome->kind) {
    case OUTCOME_SENT:
        totals->sent++;
        break;
    case OUTCOME_DEFERRED:
        totals->deferred++;
        break;
    case OUTCOME_REFUSED:
        totals->refused++;
        break;
    case OUTCOME_UNCERTAIN:
        totals->uncertain++;
        break;
    }
    loop_defer(client->loop, &client->turn);
    transaction->on_done(transaction->context, outcome);
}

static struct smtp_transaction *client_pop(struct smtp_client *client)
{
    struct smtp_transaction *transaction = smtp_line_pop(&client->urgent);
    return transaction != NULL ? transaction : smtp_line_pop(&client->ordinary);
}

/* A session too many gets no more work: it grows idle, and is closed. */
static struct smtp_transaction *owner_take(void *context)
{
    struct smtp_client *client = context;
    return client->idle + client->busy > client->session_limit ? NULL : client_pop(client);
}

/* Only what no idle session, and none that is about to be, could begin sooner. */
static struct smtp_transaction *owner_take_ahead(void *context)
{
    struct smtp_client *client = context;
    if (client->idle > 0 || client_waiting(client) <= client->connecting)
        return NULL;
    return owner_take(client);
}

static void owner_put_back(void *context, struct smtp_transaction *transaction)
{
    struct smtp_client *client = context;
    smtp_line_push_front(transaction->is_urgent ? &client->urgent : &client->ordinary, transaction);
    loop_defer(client->loop, &client->turn);
}

static void owner_on_finish(void *context, struct smtp_transaction *transaction,
                            const struct outcome *outcome)
{
    client_finish(context, transaction, outcome);
}

static bool owner_is_draining(void *context)
{
    const struct smtp_client *client = context;
    return client->is_draining;
}

static void client_fail_waiting(struct smtp_client *client, const struct outcome *outcome)
{
    struct smtp_transaction *transaction;
    /* Those alone that wait now: on_done may submit again. */
    for (unsigned left = client_waiting(client); left > 0; left--)
        if ((transaction = client_pop(client)) != NULL)
            client_finish(client, transaction, outcome);
}

static void client_end_try(struct smtp_client *client, const struct outcome *failure)
{
    void (*on_tried)(void *context, const struct outcome *failure) = client->on_tried;
    client->on_tried = NULL;
    if (on_tried != NULL)
        on_tried(client->tried_context, failure);
}

/* The attempt says something about the mails in line only when no session is left that could take
 * them. */
static void client_count_failure(struct smtp_client *client, struct smtp_session *session)
{
    client->totals.connections_failed++;
    client->is_probing = true;
    client->reopen_wait_ms =
        client->reopen_wait_ms == 0 ? REOPEN_MIN_MS : client->reopen_wait_ms * 2;
    if (client->reopen_wait_ms > REOPEN_MAX_MS)
        client->reopen_wait_ms = REOPEN_MAX_MS;
    client->reopen_ms = loop_now_ms(client->loop) + client->reopen_wait_ms;
    if (client->connecting + client->idle + client->busy == 0)
        client_fail_waiting(client, smtp_session_failure(session));
    client_end_try(client, smtp_session_failure(session));
}

/* `step` is 1 when a session enters the state, -1 when it leaves. */
static void client_count(struct smtp_client *client, enum smtp_session_state state, int step)
{
    if (state == SMTP_SESSION_CONNECTING)
        client->connecting += (unsigned)step;
    else if (state == SMTP_SESSION_IDLE)
        client->idle += (unsigned)step;
    else if (smtp_session_is_busy(state))
        client->busy += (unsigned)step;
}

static void owner_on_enter(void *context, struct smtp_session *session,
                           enum smtp_session_state from)
{
    struct smtp_client *client = context;
    enum smtp_session_state to = smtp_session_state(session);
    client_count(client, from, -1);
    client_count(client, to, 1);
    if (from == SMTP_SESSION_CONNECTING && to == SMTP_SESSION_IDLE) {
        client->totals.connections_opened++;
        client->is_probing = false;
        client->reopen_wait_ms = 0;
        client->peer_pipelines = smtp_session_pipelines(session);
        client_end_try(client, NULL);
        loop_defer(client->loop, &client->turn);
    } else if (to == SMTP_SESSION_CLOSED) {
        if (from == SMTP_SESSION_CONNECTING)
            client_count_failure(client, session);
        loop_defer(client->loop, &client->turn);
    }
}

static const struct smtp_session_owner client_as_owner = {
    .take = owner_take,
    .take_ahead = owner_take_ahead,
    .put_back = owner_put_back,
    .on_finish = owner_on_finish,
    .on_enter = owner_on_enter,
    .is_draining = owner_is_draining,
};

static void client_bury_closed(struct smtp_client *client)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < client->session_count; i++) {
        if (smtp_session_state(client->sessions[i]) == SMTP_SESSION_CLOSED)
            smtp_session_free(client->sessions[i]);
        else
            client->sessions[kept++] = client->sessions[i];
    }
    client->session_count = kept;
}

/* The first in the array are started first, so that the last ones can grow idle and be closed. */
static void client_start_idle(struct smtp_client *client)
{
    for (unsigned i = 0; i < client->session_count; i++) {
        if (client->idle == 0 || client_waiting(client) == 0)
            return;
        if (smtp_session_state(client->sessions[i]) == SMTP_SESSION_IDLE)
            smtp_session_start(client->sessions[i]);
    }
}

/* The last ones: see client_start_idle. */
static void client_close_surplus(struct smtp_client *client)
{
    unsigned live = client->connecting + client->idle + client->busy;
    for (unsigned i = client->session_count; i > 0 && live > client->session_limit; i--) {
        if (smtp_session_state(client->sessions[i - 1]) != SMTP_SESSION_IDLE)
            continue;
        smtp_session_quit(client->sessions[i - 1]);
        live--;
    }
}

static unsigned client_count_to_open(const struct smtp_client *client)
{
    unsigned waiting = client_waiting(client) + (client->on_tried != NULL);
    unsigned live = client->idle + client->busy;
    unsigned wanted = waiting > client->connecting ? waiting - client->connecting : 0;
    unsigned room = client->session_count < client->session_limit
                        ? client->session_limit - client->session_count
                        : 0;
    if (wanted > room)
        wanted = room;
    if (!client->is_probing)
        return wanted;
    if (client->connecting > 0 || (live > 0 && loop_now_ms(client->loop) < client->reopen_ms))
        return 0;
    return wanted > 0 ? 1 : 0;
}

/* What there is no memory for is opened at the next tick. */
static void client_open_more(struct smtp_client *client)
{
    bool is_short = false;
    for (unsigned left = client_count_to_open(client); left > 0; left--) {
        struct smtp_session *session = smtp_session_new(&client->setup);
        is_short = session == NULL;
        if (is_short)
            break;
        client->sessions[client->session_count++] = session;
        client->connecting++;
        smtp_session_open(session);
    }
    if ((client->session_count > 0 || is_short) && !loop_timer_is_running(client->clock))
        loop_timer_start(client->clock, client->tick_ms);
}

static void client_drain_on(struct smtp_client *client)
{
    static const struct outcome stopping = {.kind = OUTCOME_DEFERRED,
                                            .text = "the worker is stopping"};
    void (*on_drained)(void *context) = client->on_drained;
    client_fail_waiting(client, &stopping);
    for (unsigned i = 0; i < client->session_count; i++)
        smtp_session_quit(client->sessions[i]);
    client_bury_closed(client);
    if (client->session_count > 0 || client->held > 0)
        return;
    client->on_drained = NULL;
    if (on_drained != NULL)
        on_drained(client->drained_context);
}

static void client_give_back_waiting(struct smtp_client *client)
{
    static const struct outcome unheard = {.kind = OUTCOME_DEFERRED,
                                           .text = "the relay opens no session"};
    if (client->is_giving_back && !smtp_client_is_connected(client))
        client_fail_waiting(client, &unheard);
    client->is_giving_back = false;
}

static void client_turn(void *context)
{
    struct smtp_client *client = context;
    client_bury_closed(client);
    client_give_back_waiting(client);
    if (client->is_draining) {
        client_drain_on(client);
        return;
    }
    client_close_surplus(client);
    if (client->idle > 0)
        client_end_try(client, NULL);
    client_start_idle(client);
    client_open_more(client);
    if (client->has_ended_some && smtp_client_room(client) > 0) {
        client->has_ended_some = false;
        if (client->on_room != NULL)
            client->on_room(client->room_context);
    }
}

static void clock_ticked(void *context)
{
    struct smtp_client *client = context;
    uint64_t now_ms = loop_now_ms(client->loop);
    for (unsigned i = 0; i < client->session_count; i++) {
        struct smtp_session *session = client->sessions[i];
        if (client->is_draining && now_ms >= client->drain_until_ms)
            smtp_session_cut(session, "the worker is stopping");
        else
            smtp_session_check_time(session, now_ms);
    }
    if (client->session_count > 0)
        loop_timer_start(client->clock, client->tick_ms);
    if (client_waiting(client) > 0 || client->on_tried != NULL)
        loop_defer(client->loop, &client->turn);
}

/* An eighth of the shortest time-out: a time-out is that late at most. */
static uint64_t choose_tick_ms(const struct smtp_timeouts *timeouts)
{
    const uint32_t all[] = {timeouts->connect_ms, timeouts->greeting_ms, timeouts->hello_ms,
                            timeouts->mail_ms,    timeouts->rcpt_ms,     timeouts->data_ms,
                            timeouts->block_ms,   timeouts->end_ms,      timeouts->quit_ms,
                            timeouts->idle_ms};
    uint32_t shortest = all[0];
    for (unsigned i = 1; i < sizeof all / sizeof all[0]; i++)
        if (all[i] < shortest)
            shortest = all[i];
    if (shortest / 8 < TICK_MIN_MS)
        return TICK_MIN_MS;
    return shortest / 8 > TICK_MAX_MS ? TICK_MAX_MS : shortest / 8;
}

struct smtp_client *smtp_client_new(struct loop *loop, const struct smtp_options *options,
                                    struct error *error)
{
    struct smtp_client *client;
    if (!smtp_options_check(options, error))
        return NULL;
    client = calloc(1, sizeof *client + options->connections * sizeof(void *));
    if (client == NULL) {
        error_set(error, EX_OSERR, "smtp: no memory");
        return NULL;
    }
    client->loop = loop;
    client->turn = (struct loop_defer){.run = client_turn, .context = client};
    client->clock = loop_timer_new(loop, clock_ticked, client);
    client->session_most = options->connections;
    client->session_limit = options->connections;
    client->tick_ms = choose_tick_ms(&options->timeouts);
    client->is_probing = true;
    if (client->clock == NULL)
        error_set(error, EX_OSERR, "smtp: no memory");
    else
        client->connector = smtp_connector_new(loop, options, error);
    if (client->connector == NULL) {
        smtp_client_free(client);
        return NULL;
    }
    client->setup = (struct smtp_session_setup){
        .loop = loop,
        .connector = client->connector,
        .owner = &client_as_owner,
        .context = client,
        .timeouts = options->timeouts,
        .message_bytes = options->message_bytes,
        .may_pipeline = options->may_pipeline,
    };
    return client;
}

void smtp_client_submit(struct smtp_client *client, struct smtp_transaction *transaction)
{
    transaction->was_retried = false;
    client->held++;
    smtp_line_push(transaction->is_urgent ? &client->urgent : &client->ordinary, transaction);
    loop_defer(client->loop, &client->turn);
}

unsigned smtp_client_room(const struct smtp_client *client)
{
    unsigned live = client->idle + client->busy;
    /* With sessions at work and another refused, the relay has its own idea of how many. */
    unsigned sessions = client->is_probing && live > 0 ? live : client->session_limit;
    unsigned capacity = client->peer_pipelines ? 2 * sessions : sessions;
    if (client->is_draining || capacity <= client->held)
        return 0;
    return capacity - client->held;
}

void smtp_client_set_on_room(struct smtp_client *client, void (*on_room)(void *context),
                             void *context)
{
    client->on_room = on_room;
    client->room_context = context;
}

void smtp_client_set_sessions(struct smtp_client *client, unsigned sessions)
{
    unsigned limit = sessions < client->session_most ? sessions : client->session_most;
    limit = limit > 0 ? limit : 1;
    if (limit == client->session_limit)
        return;
    client->session_limit = limit;
    client->has_ended_some = true; /* there may be room now */
    loop_defer(client->loop, &client->turn);
}

bool smtp_client_is_connected(const struct smtp_client *client)
{
    return client->idle + client->busy > 0;
}

void smtp_client_give_back(struct smtp_client *client)
{
    client->is_giving_back = true;
    loop_defer(client->loop, &client->turn);
}

void smtp_client_try(struct smtp_client *client,
                     void (*on_tried)(void *context, const struct outcome *failure), void *context)
{
    client->on_tried = on_tried;
    client->tried_context = context;
    loop_defer(client->loop, &client->turn);
}

void smtp_client_drain(struct smtp_client *client, uint64_t limit_ms,
                       void (*on_drained)(void *context), void *context)
{
    client->is_draining = true;
    client->on_tried = NULL;
    client->on_drained = on_drained;
    client->drained_context = context;
    client->drain_until_ms = loop_now_ms(client->loop) + limit_ms;
    if (limit_ms < client->tick_ms)
        client->tick_ms = limit_ms > TICK_MIN_MS ? limit_ms : TICK_MIN_MS;
    if (client->session_count > 0)
        loop_timer_start(client->clock, client->tick_ms);
    loop_defer(client->loop, &client->turn);
}

void smtp_client_free(struct smtp_client *client)
{
    static const struct outcome stopping = {.kind = OUTCOME_DEFERRED,
                                            .text = "the worker is stopping"};
    if (client == NULL)
        return;
    client->is_draining = true;
    client->on_tried = NULL;
    for (unsigned i = 0; i < client->session_count; i++)
        smtp_session_cut(client->sessions[i], "the worker is stopping");
    while (client_waiting(client) > 0)
        client_fail_waiting(client, &stopping);
    client_bury_closed(client);
    loop_defer_cancel(&client->turn);
    smtp_connector_free(client->connector);
    loop_timer_free(client->clock);
    free(client);
}

void smtp_client_statistics(const struct smtp_client *client, struct smtp_statistics *statistics)
{
    *statistics = client->totals;
    statistics->connecting = client->connecting;
    statistics->idle = client->idle;
    statistics->busy = client->busy;
    statistics->waiting = client_waiting(client);
}
