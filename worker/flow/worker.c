/* The worker as a whole. It has five connections to the database, so that nothing waits behind what
 * is slower: a claim computes for milliseconds, a mark and a record wait for the disk (all three on
 * one connection halved the rate, measured), fan-out may take seconds, and what is urgent waits for
 * none of these. */
#include "worker/flow/worker.h"

#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/base/log_pause.h"
#include "worker/flow/chores.h"
#include "worker/flow/equipment.h"
#include "worker/flow/intake.h"
#include "worker/flow/journal.h"
#include "worker/flow/keeping.h"
#include "worker/flow/registration.h"
#include "worker/flow/relays.h"
#include "worker/flow/retired.h"
#include "worker/flow/state_dir.h"
#include "worker/flow/watchdog.h"
#include "worker/io/service.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum {
    WORKER_SIGNALS = 3,
};

enum worker_phase {
    WORKER_STARTING, /* not yet registered once */
    WORKER_RUNNING,
    WORKER_STOPPING, /* finishes what is on the wire */
};

enum worker_link_kind {
    WORKER_LINK_BELL, /* hears of new work, polls, claims and marks what is urgent; has the lock */
    WORKER_LINK_CLAIM,
    WORKER_LINK_MARK,
    WORKER_LINK_RECORD,
    WORKER_LINK_CHORES,
    WORKER_LINKS,
};

/* One connection. */
struct worker_link {
    struct worker *worker;
    enum worker_link_kind kind;
    struct queue *queue;
    bool is_up;
};

struct worker {
    const char *config_path;
    const struct setting *const *tables;
    struct loop *loop;
    struct loop_signal *signals[WORKER_SIGNALS];
    struct loop_timer *tick_timer;
    struct loop_timer *stop_timer;
    struct state_dir state;
    struct journal *journal;
    struct keeping keeping;
    struct equipment *equipment;
    struct retired retired;
    struct mail_writer writer;
    struct relays relays;
    struct intake intake;
    struct registration registration;
    struct chores chores;
    struct watchdog watchdog;
    struct worker_link links[WORKER_LINKS];
    enum worker_phase phase;
    struct log_pause away;
    bool is_away_said; /* and not yet that it was found again */
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

    relays_renew_lease(&worker->relays, worker->registration.asked_at_ms);
    relays_open(&worker->relays, worker->state.owner, worker->links[WORKER_LINK_BELL].queue,
                worker->links[WORKER_LINK_MARK].queue, worker->links[WORKER_LINK_RECORD].queue);
    keeping_serve(&worker->keeping);
    if (worker->phase == WORKER_STOPPING)
        return;
    intake_open(&worker->intake, worker->links[WORKER_LINK_BELL].queue,
                worker->links[WORKER_LINK_CLAIM].queue);
    if (worker->phase == WORKER_STARTING || worker->is_away_said)
        equipment_log(worker->equipment, worker->state.owner,
                      worker->phase == WORKER_STARTING ? "worker_started" : "database_found_again");
    worker->is_away_said = false;
    if (worker->phase == WORKER_STARTING)
        service_notify_ready();
    worker->phase = WORKER_RUNNING;
    if (worker->links[WORKER_LINK_CHORES].is_up)
        chores_open(&worker->chores, worker->links[WORKER_LINK_CHORES].queue);
}

/* It may wait for days, for an operator: that is no failed start. */
static void on_registration_waiting(void *context)
{
    const struct worker *worker = context;
    if (worker->phase == WORKER_STARTING)
        service_notify_ready();
}

static void on_registration_failed(void *context, const struct error *error)
{
    worker_fail(context, error);
}

static void worker_take_link(struct worker *worker, const struct worker_link *link)
{
    if (link->kind == WORKER_LINK_CHORES) {
        if (worker->phase == WORKER_RUNNING)
            chores_open(&worker->chores, link->queue);
        return;
    }
    for (int kind = WORKER_LINK_BELL; kind <= WORKER_LINK_RECORD; kind++)
        if (!worker->links[kind].is_up)
            return;
    registration_begin(&worker->registration, worker->links[WORKER_LINK_BELL].queue);
}

/* Ends what has not begun and registers anew, which gives back all that is claimed for this worker.
 * Not at once: memory that is short now is short for a while. */
static void on_claims_lost(void *context)
{
    struct worker *worker = context;
    struct queue *queue = worker->links[WORKER_LINK_BELL].queue;

    if (worker->phase != WORKER_RUNNING || registration_is_under_way(&worker->registration) ||
        !queue_is_up(queue))
        return;
    LOG(LOG_LEVEL_ERROR, "claims_lost", log_int("in_memory", relays_held(&worker->relays)));
    intake_close(&worker->intake);
    relays_close(&worker->relays);
    keeping_pause(&worker->keeping);
    registration_begin_later(&worker->registration, queue);
}

static void worker_lose_link(struct worker *worker, const struct worker_link *link,
                             const char *reason)
{
    static const char *const names[] = {"bell", "claim", "mark", "record", "chores"};
    uint32_t left_out = 0;

    if (log_pause_over(&worker->away, clock_monotonic_ms(), &left_out)) {
        worker->is_away_said = true;
        LOG(LOG_LEVEL_WARNING, "database_away", log_text("connection", names[link->kind]),
            log_text("reason", reason), log_int("left_out", left_out),
            log_int("in_memory", relays_held(&worker->relays)));
    }
    if (link->kind == WORKER_LINK_CHORES) {
        chores_close(&worker->chores);
        return;
    }
    registration_cancel(&worker->registration);
    intake_close(&worker->intake);
    relays_close(&worker->relays);
    keeping_pause(&worker->keeping);
}

static void on_link_state(void *context, enum pg_state state, const char *reason)
{
    struct worker_link *link = context;
    struct error unfit;

    link->is_up = state == PG_STATE_UP;
    switch (state) {
    case PG_STATE_UP:
        worker_take_link(link->worker, link);
        return;
    case PG_STATE_DOWN:
        worker_lose_link(link->worker, link, reason);
        return;
    case PG_STATE_UNFIT:
        error_set(&unfit, EX_CONFIG, "[database] url: %s", reason);
        worker_fail(link->worker, &unfit);
        return;
    }
}

static void on_work_due(void *context)
{
    struct worker_link *link = context;
    intake_wake(&link->worker->intake);
}

static void on_word(void *context)
{
    struct worker_link *link = context;
    keeping_hear(&link->worker->keeping);
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
    if (worker->phase == WORKER_STOPPING && worker->is_drained && relays_are_empty(&worker->relays))
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
    LOG(LOG_LEVEL_INFO, "worker_stopping", log_int("in_memory", relays_held(&worker->relays)),
        log_int("on_the_wire", relays_sending(&worker->relays)));
    intake_close(&worker->intake);
    chores_close(&worker->chores);
    relays_stop(&worker->relays);
    equipment_drain(worker->equipment, WORKER_DRAIN_MS, on_drained, worker);
    retired_hurry(&worker->retired, WORKER_DRAIN_MS);
    loop_timer_start(worker->stop_timer, WORKER_STOP_MS);
}

/* ---- Reloading. ---- */

static void worker_use(struct worker *worker)
{
    const struct worker_options *options = &worker->equipment->options;
    const struct intake_options intake = {.batch = options->batch, .poll_ms = options->poll_ms};

    log_set_level(options->log_level);
    worker->writer.templates = worker->equipment->templates;
    worker->writer.keys = &worker->equipment->keys;
    worker->chores.takeover_grace_s = options->takeover_grace_s;
    worker->registration.grace_s = options->takeover_grace_s;
    intake_set_options(&worker->intake, &intake);
    journal_set_options(worker->journal, options->journal_sync, options->journal_bytes);
    keep_set_days(worker->keeping.keep, options->keep_days);
    relays_use(&worker->relays, worker->equipment);
}

static bool worker_reload(struct worker *worker, struct error *error)
{
    struct equipment *before = worker->equipment;

    if (!retired_has_room(&worker->retired))
        return error_set(error, EX_TEMPFAIL, "the reloads before are still finishing their mails");
    struct equipment *now =
        equipment_load(worker->loop, worker->config_path, worker->tables, before, error);
    if (now == NULL)
        return false;
    equipment_warn_of_restart(before, now);
    worker->equipment = now;
    worker_use(worker);
    retired_take(&worker->retired, before);
    return true;
}

static void on_reload(struct worker *worker)
{
    struct error error = {0};
    if (worker->phase == WORKER_STOPPING)
        return;
    service_notify_reloading();
    if (worker_reload(worker, &error))
        equipment_log(worker->equipment, worker->state.owner, "settings_reloaded");
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
    journal_tick(worker->journal);
    relays_tick(&worker->relays);
    worker->is_second_tick = !worker->is_second_tick;
    if (worker->is_second_tick)
        tally_log(&worker->relays.tally, relays_held(&worker->relays));
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
    retired_init(&worker->retired, loop);
    worker->tick_timer = loop_timer_new(loop, on_tick, worker);
    worker->stop_timer = loop_timer_new(loop, on_stop_time, worker);
    if (worker->tick_timer == NULL || worker->stop_timer == NULL ||
        !relays_init(&worker->relays, loop, worker->journal, worker->keeping.keep, &worker->writer,
                     on_room, worker) ||
        !intake_init(&worker->intake, loop, &worker->relays, on_chore, on_claims_lost, worker) ||
        !registration_init(&worker->registration, loop, worker->state.owner, worker->journal,
                           on_registered, on_registration_failed, worker) ||
        !chores_init(&worker->chores, loop, on_due, worker))
        return error_set(error, EX_OSERR, "no memory");
    worker->registration.on_waiting = on_registration_waiting;
    keeping_join(&worker->keeping, &worker->registration);
    return true;
}

static bool worker_connect(struct worker *worker, struct error *error)
{
    static const char *const names[] = {"handbell worker", "handbell claim", "handbell mark",
                                        "handbell record", "handbell chores"};

    for (int kind = 0; kind < WORKER_LINKS; kind++) {
        struct worker_link *link = &worker->links[kind];
        const struct queue_options options = {
            .config = worker->equipment->config,
            .application_name = names[kind],
            .owner = worker->state.owner,
            .is_listening = kind == WORKER_LINK_BELL,
            .on_state = on_link_state,
            .on_due = on_work_due,
            .on_word = on_word,
            .context = link,
        };
        *link = (struct worker_link){.worker = worker, .kind = (enum worker_link_kind)kind};
        link->queue = queue_new(worker->loop, &options, error);
        if (link->queue == NULL)
            return false;
    }
    return true;
}

static bool worker_open_files(struct worker *worker, struct error *error)
{
    const struct worker_options *options = &worker->equipment->options;
    const struct journal_options journal = {
        .directory = options->state_dir,
        .owner = worker->state.owner,
        .sync = options->journal_sync,
        .bytes = options->journal_bytes,
        .is_new_owner = worker->state.is_new_owner,
    };
    worker->journal = journal_open(&journal, error);
    return worker->journal != NULL &&
           keeping_open(&worker->keeping, worker->loop, options->state_dir, worker->state.owner,
                        options->keep_days, error);
}

/* The loop turns, or this would not be asked; and work is looked for. Without a database it is not,
 * and a new process could not do it either. */
static bool worker_is_moving(void *context)
{
    const struct worker *worker = context;
    return intake_is_moving(&worker->intake);
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
        !worker_open_files(worker, error) || !worker_make_parts(worker, error))
        return false;
    worker_use(worker);
    loop_timer_start(worker->tick_timer, RELAY_TICK_MS);
    if (!watchdog_start(&worker->watchdog, worker->loop, worker_is_moving, worker))
        return error_set(error, EX_OSERR, "no memory");
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
    if (worker->relays.signing.loop != NULL)
        relays_close(&worker->relays);
    for (int kind = 0; kind < WORKER_LINKS; kind++)
        queue_free(worker->links[kind].queue);
    retired_free(&worker->retired);
    equipment_free(worker->equipment);
    relays_free(&worker->relays);
    journal_close(worker->journal);
    keeping_free(&worker->keeping);
    intake_free(&worker->intake);
    registration_free(&worker->registration);
    chores_free(&worker->chores);
    mail_writer_free(&worker->writer);
    for (size_t i = 0; i < WORKER_SIGNALS; i++)
        loop_signal_free(worker->signals[i]);
    watchdog_stop(&worker->watchdog);
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
    tally_log(&worker->relays.tally, relays_held(&worker->relays));
    if (exit_status != 0)
        *error = worker->failure;
    else
        LOG(LOG_LEVEL_INFO, "worker_stopped", log_int("unrecorded", relays_held(&worker->relays)));
    worker_free(worker);
    return exit_status;
}
