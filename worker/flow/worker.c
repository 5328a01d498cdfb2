/* The worker as a whole. Two connections to the database: one for what is urgent by nature (poll,
 * claim, mark, record), which holds the worker's lock and hears of new work; one for chores. */
#include "worker/flow/worker.h"

#include "worker/base/log.h"
#include "worker/flow/chores.h"
#include "worker/flow/equipment.h"
#include "worker/flow/intake.h"
#include "worker/flow/message_flow.h"
#include "worker/flow/registration.h"
#include "worker/flow/state_dir.h"
#include "worker/io/service.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { WORKER_SIGNALS = 3 };

enum worker_phase {
    WORKER_STARTING, /* not yet registered once */
    WORKER_RUNNING,
    WORKER_STOPPING, /* finishes what is on the wire */
};

struct worker {
    const char *config_path;
    const struct setting *const *tables;
    struct loop *loop;
    struct loop_signal *signals[WORKER_SIGNALS];
    struct loop_timer *tick_timer;
    struct loop_timer *stop_timer;
    struct state_dir state;
    struct equipment *equipment;
    struct equipment *retired; /* the one before, while its relay finishes what it has */
    struct loop_defer retire;
    struct mail_writer writer;
    struct message_flow flow;
    struct intake intake;
    struct registration registration;
    struct chores chores;
    struct queue *queue;
    struct queue *chores_queue;
    enum worker_phase phase;
    bool is_drained;
    bool is_second_tick;
    struct error failure; /* its exit_status is 0 while there is none */
};

static void worker_fail(struct worker *worker, const struct error *error)
{
    if (worker->failure.exit_status == 0)
        worker->failure = *error;
    loop_stop(worker->loop);
}

/* ---- The database comes and goes. ---- */

static void on_registered(void *context)
{
    struct worker *worker = context;

    message_flow_open(&worker->flow, worker->queue);
    if (worker->phase == WORKER_STOPPING)
        return;
    intake_open(&worker->intake, worker->queue);
    LOG(LOG_LEVEL_INFO,
        worker->phase == WORKER_STARTING ? "worker_started" : "database_found_again",
        log_text("owner", worker->state.owner), log_text("version", HANDBELL_VERSION),
        log_int("in_memory", worker->equipment->options.in_memory),
        log_int("connections", worker->equipment->relay_connections));
    if (worker->phase == WORKER_STARTING)
        service_notify_ready();
    worker->phase = WORKER_RUNNING;
}

static void on_registration_failed(void *context, const struct error *error)
{
    worker_fail(context, error);
}

static void database_unfit(struct worker *worker, const char *reason)
{
    struct error error;
    error_set(&error, EX_CONFIG, "[database] url: %s", reason);
    worker_fail(worker, &error);
}

static void on_queue_state(void *context, enum pg_state state, const char *reason)
{
    struct worker *worker = context;
    switch (state) {
    case PG_STATE_UP:
        registration_begin(&worker->registration, worker->queue);
        return;
    case PG_STATE_DOWN:
        LOG(LOG_LEVEL_WARNING, "database_away", log_text("reason", reason));
        registration_cancel(&worker->registration);
        intake_close(&worker->intake);
        message_flow_close(&worker->flow);
        return;
    case PG_STATE_UNFIT:
        database_unfit(worker, reason);
        return;
    }
}

static void on_chores_queue_state(void *context, enum pg_state state, const char *reason)
{
    struct worker *worker = context;
    switch (state) {
    case PG_STATE_UP:
        if (worker->phase != WORKER_STOPPING)
            chores_open(&worker->chores, worker->chores_queue);
        return;
    case PG_STATE_DOWN: /* the first connection tells of it */
        chores_close(&worker->chores);
        return;
    case PG_STATE_UNFIT:
        database_unfit(worker, reason);
        return;
    }
}

static void on_due(void *context)
{
    struct worker *worker = context;
    intake_wake(&worker->intake);
}

static void on_chore(void *context, int64_t tenant_id, enum queue_work what)
{
    struct worker *worker = context;
    chores_add(&worker->chores, tenant_id, what);
}

/* ---- Stopping. ---- */

static void worker_stop_if_done(struct worker *worker)
{
    if (worker->phase == WORKER_STOPPING && worker->is_drained &&
        message_flow_is_empty(&worker->flow))
        loop_stop(worker->loop);
}

static void on_drained(void *context)
{
    struct worker *worker = context;
    worker->is_drained = true;
    worker_stop_if_done(worker);
}

static void on_stop_time(void *context)
{
    struct worker *worker = context;
    loop_stop(worker->loop);
}

static void worker_stop(struct worker *worker)
{
    if (worker->phase == WORKER_STOPPING)
        return;
    worker->phase = WORKER_STOPPING;
    service_notify_stopping();
    LOG(LOG_LEVEL_INFO, "worker_stopping", log_int("in_memory", worker->flow.lists.held),
        log_int("on_the_wire", (int64_t)worker->flow.lists.sending.count));
    intake_close(&worker->intake);
    chores_close(&worker->chores);
    message_flow_stop(&worker->flow);
    smtp_client_drain(worker->equipment->relay, WORKER_DRAIN_MS, on_drained, worker);
    loop_timer_start(worker->stop_timer, WORKER_STOP_MS);
}

/* ---- Reloading. ---- */

static void worker_use(struct worker *worker)
{
    const struct worker_options *options = &worker->equipment->options;
    const struct intake_options intake = {
        .in_memory = options->in_memory, .batch = options->batch, .poll_ms = options->poll_ms};

    log_set_level(options->log_level);
    worker->writer.templates = worker->equipment->templates;
    worker->writer.keys = &worker->equipment->keys;
    worker->chores.takeover_grace_s = options->takeover_grace_s;
    intake_set_options(&worker->intake, &intake);
    message_flow_set_relay(&worker->flow, worker->equipment->relay,
                           worker->equipment->relay_connections, options->lease_ms);
}

static void on_retire(void *context)
{
    struct worker *worker = context;
    equipment_free(worker->retired);
    worker->retired = NULL;
}

static void on_retired_drained(void *context)
{
    struct worker *worker = context;
    loop_defer(worker->loop, &worker->retire);
}

/* Not taken over while running: the database's address and the state directory. */
static void warn_of_what_needs_a_restart(const struct equipment *before,
                                         const struct equipment *now)
{
    if (equipment_differs(before, now, database_settings) ||
        strcmp(before->options.state_dir, now->options.state_dir) != 0)
        LOG(LOG_LEVEL_WARNING, "restart_needed",
            log_text("for", "[database] and [worker] state_dir"));
}

static bool worker_reload(struct worker *worker, struct error *error)
{
    struct equipment *before = worker->equipment;

    if (worker->retired != NULL)
        return error_set(error, EX_TEMPFAIL, "the reload before is still finishing its mails");
    struct equipment *now =
        equipment_load(worker->loop, worker->config_path, worker->tables, before, error);
    if (now == NULL)
        return false;
    warn_of_what_needs_a_restart(before, now);
    worker->equipment = now;
    worker_use(worker);
    if (before->relay == NULL) {
        equipment_free(before);
        return true;
    }
    worker->retired = before;
    smtp_client_drain(before->relay, WORKER_RETIRE_MS, on_retired_drained, worker);
    return true;
}

static void on_reload(struct worker *worker)
{
    struct error error = {0};
    if (worker->phase == WORKER_STOPPING)
        return;
    service_notify_reloading();
    if (worker_reload(worker, &error))
        LOG(LOG_LEVEL_INFO, "settings_reloaded",
            log_int("connections", worker->equipment->relay_connections));
    else
        LOG(LOG_LEVEL_ERROR, "reload_failed", log_text("kept", "the settings before"),
            log_text("reason", error.text));
    service_notify_ready();
}

/* ---- Starting. ---- */

static void on_signal(void *context, int number)
{
    struct worker *worker = context;
    if (number == SIGHUP)
        on_reload(worker);
    else
        worker_stop(worker);
}

static void on_room(void *context)
{
    struct worker *worker = context;
    intake_claim(&worker->intake);
    worker_stop_if_done(worker);
}

static void on_tick(void *context)
{
    struct worker *worker = context;
    message_flow_tick(&worker->flow);
    worker->is_second_tick = !worker->is_second_tick;
    if (worker->is_second_tick)
        tally_log(&worker->flow.tally, worker->flow.lists.held);
    loop_timer_start(worker->tick_timer, RELAY_TICK_MS);
}

static bool worker_make_parts(struct worker *worker, struct error *error)
{
    static const int numbers[WORKER_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    struct loop *loop = worker->loop;

    for (size_t i = 0; i < WORKER_SIGNALS; i++) {
        worker->signals[i] = loop_signal_new(loop, numbers[i], on_signal, worker, error);
        if (worker->signals[i] == NULL)
            return false;
    }
    worker->retire = (struct loop_defer){.run = on_retire, .context = worker};
    worker->tick_timer = loop_timer_new(loop, on_tick, worker);
    worker->stop_timer = loop_timer_new(loop, on_stop_time, worker);
    if (worker->tick_timer == NULL || worker->stop_timer == NULL ||
        !message_flow_init(&worker->flow, loop, &worker->writer, on_room, worker) ||
        !intake_init(&worker->intake, loop, &worker->flow, on_chore, worker) ||
        !registration_init(&worker->registration, loop, worker->state.owner, on_registered,
                           on_registration_failed, worker) ||
        !chores_init(&worker->chores, loop, on_due, worker))
        return error_set(error, EX_OSERR, "no memory");
    return true;
}

static bool worker_connect(struct worker *worker, struct error *error)
{
    struct queue_options options = {
        .config = worker->equipment->config,
        .application_name = "handbell worker",
        .owner = worker->state.owner,
        .is_listening = true,
        .on_state = on_queue_state,
        .on_due = on_due,
        .context = worker,
    };
    worker->queue = queue_new(worker->loop, &options, error);
    options.application_name = "handbell chores";
    options.is_listening = false;
    options.on_state = on_chores_queue_state;
    options.on_due = NULL;
    if (worker->queue != NULL)
        worker->chores_queue = queue_new(worker->loop, &options, error);
    return worker->chores_queue != NULL;
}

static bool worker_start(struct worker *worker, struct error *error)
{
    mail_writer_init(&worker->writer);
    worker->loop = loop_new(error);
    if (worker->loop == NULL)
        return false;
    worker->equipment =
        equipment_load(worker->loop, worker->config_path, worker->tables, NULL, error);
    if (worker->equipment == NULL ||
        !state_dir_open(&worker->state, worker->equipment->options.state_dir, error) ||
        !worker_make_parts(worker, error))
        return false;
    worker_use(worker);
    loop_timer_start(worker->tick_timer, RELAY_TICK_MS);
    return worker_connect(worker, error);
}

/* In the order in which nobody is called back who is gone: the flow stops asking, the connections
 * end what they were asked, the relay ends what it has, and then the memory goes. */
static void worker_free(struct worker *worker)
{
    if (worker->registration.loop != NULL)
        registration_cancel(&worker->registration);
    if (worker->intake.timer != NULL)
        intake_close(&worker->intake);
    if (worker->chores.timer != NULL)
        chores_close(&worker->chores);
    if (worker->flow.loop != NULL)
        message_flow_close(&worker->flow);
    queue_free(worker->queue);
    queue_free(worker->chores_queue);
    equipment_free(worker->retired);
    equipment_free(worker->equipment);
    if (worker->flow.loop != NULL)
        message_flow_free(&worker->flow);
    intake_free(&worker->intake);
    registration_free(&worker->registration);
    chores_free(&worker->chores);
    mail_writer_free(&worker->writer);
    for (size_t i = 0; i < WORKER_SIGNALS; i++)
        loop_signal_free(worker->signals[i]);
    loop_timer_free(worker->tick_timer);
    loop_timer_free(worker->stop_timer);
    if (worker->loop != NULL)
        loop_free(worker->loop);
    state_dir_close(&worker->state);
    free(worker);
}

int worker_run(const char *config_path, const struct setting *const *tables, struct error *error)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        error_set(error, EX_OSERR, "no memory");
        return EX_OSERR;
    }
    worker->config_path = config_path;
    worker->tables = tables;
    worker->state.lock_fd = -1;
    if (worker_start(worker, &worker->failure))
        loop_run(worker->loop);
    else if (worker->failure.exit_status == 0)
        worker->failure.exit_status = EX_OSERR;
    int exit_status = worker->failure.exit_status;
    tally_log(&worker->flow.tally, worker->flow.lists.held);
    if (exit_status != 0)
        *error = worker->failure;
    else
        LOG(LOG_LEVEL_INFO, "worker_stopped", log_int("unrecorded", worker->flow.lists.held));
    worker_free(worker);
    return exit_status;
}
