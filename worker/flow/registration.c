/* The way to 'serving', from top to bottom: lock, journal, the other part's step, the gate, and
 * what was claimed and not begun. */
#include "worker/flow/registration.h"

#include "queue/client/problem.h"
#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/flow/refusal.h"

#include <sysexits.h>

static void registration_wait_again(struct registration *registration)
{
    loop_timer_start(registration->timer, REGISTRATION_RETRY_MS);
}

/* Everything from the start once more, a little later: each step may be done twice. */
static void registration_try_again(struct registration *registration)
{
    registration->state = REGISTRATION_STARTING;
    registration_wait_again(registration);
}

static void registration_fail(struct registration *registration, int exit_status,
                              const char *format, const char *detail)
{
    struct error error;
    error_set(&error, exit_status, "%s%s", format, detail);
    registration->state = REGISTRATION_IDLE;
    registration->on_failed(registration->context, &error);
}

/* ---- 1. The lock. ---- */

static void on_started(void *context, const struct pg_result *result, enum queue_start answer);

static void registration_start(struct registration *registration)
{
    if (!queue_worker_start(registration->queue, registration->owner, &registration->known,
                            on_started, registration))
        registration_wait_again(registration);
}

static void registration_replay(struct registration *registration);
static void registration_begin_step(struct registration *registration);

/* False: it has failed for good. */
static bool registration_take_refusal(struct registration *registration,
                                      const struct pg_result *result)
{
    if (result->kind == PG_RESULT_REFUSED) {
        refusal_log(&registration->trouble, "registration_refused", result, 0, 0);
        if (!registration->was_done && !queue_problem_passes(result)) {
            registration_fail(registration, EX_UNAVAILABLE,
                              "the database refuses this worker (is it migrated?): ", result->text);
            return false;
        }
    } else if (result->kind == PG_RESULT_ROWS) {
        uint32_t left_out = 0;
        if (log_pause_over(&registration->waiting, clock_monotonic_ms(), &left_out))
            LOG(LOG_LEVEL_WARNING, "registration_waits", log_text("owner", registration->owner),
                log_int("left_out", left_out));
        if (!registration->was_done &&
            clock_monotonic_ms() - registration->begun_at_ms > REGISTRATION_PATIENCE_MS) {
            registration_fail(registration, EX_TEMPFAIL,
                              "another session holds this worker's lock: was its state directory "
                              "copied? owner ",
                              registration->owner);
            return false;
        }
    }
    return true;
}

static void on_started(void *context, const struct pg_result *result, enum queue_start answer)
{
    struct registration *registration = context;

    if (registration->state != REGISTRATION_STARTING)
        return;
    if (result->kind != PG_RESULT_ROWS || answer == QUEUE_START_REFUSED) {
        if (registration_take_refusal(registration, result))
            registration_wait_again(registration);
        return;
    }
    registration->is_reconciling = answer == QUEUE_START_RECONCILE;
    if (registration->is_reconciling) {
        /* A worker that has seen no database yet is the one that is new. */
        bool is_new_here = registration->known.system_identifier == 0;
        LOG(is_new_here ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "database_unknown",
            log_text("so", "it is told what was sent before anything is sent"));
        journal_hold(registration->journal);
    }
    if (registration->is_reconciling || !registration->was_done)
        registration_replay(registration);
    else
        registration_begin_step(registration);
}

/* ---- 2. The journal: what a process that has not served yet was sending, or what the database has
 * forgotten. ---- */

static void registration_replay(struct registration *registration)
{
    registration->state = REGISTRATION_REPLAYING;
    if (!replay_begin(&registration->replay, registration->queue, registration->is_reconciling))
        registration_try_again(registration);
}

static void registration_hear(struct registration *registration);

static void on_replayed(void *context, bool is_whole)
{
    struct registration *registration = context;

    if (registration->state != REGISTRATION_REPLAYING)
        return;
    if (!is_whole) {
        registration_try_again(registration);
        return;
    }
    registration->replayed_at_ms = clock_monotonic_ms();
    registration_hear(registration);
}

/* No mail begins meanwhile, and what is told next has the last replies in it. */
static void registration_hear(struct registration *registration)
{
    bool is_over = clock_monotonic_ms() - registration->replayed_at_ms >= REGISTRATION_REPLIES_MS;
    registration->state = REGISTRATION_HEARING;
    if (registration->is_reconciling && !is_over && journal_awaits_reply(registration->journal))
        registration_wait_again(registration);
    else
        registration_begin_step(registration);
}

/* ---- 3. The other part's step. ---- */

static void registration_open_gate(struct registration *registration);

static void registration_begin_step(struct registration *registration)
{
    registration->state = REGISTRATION_STEPPING;
    if (registration->step.begin != NULL)
        registration->step.begin(registration->step.context, registration->queue,
                                 registration->is_reconciling);
    else
        registration_open_gate(registration);
}

void registration_step_done(struct registration *registration, bool is_whole)
{
    if (registration->state != REGISTRATION_STEPPING)
        return;
    if (is_whole)
        registration_open_gate(registration);
    else
        registration_try_again(registration);
}

/* ---- 4. The gate. ---- */

static void registration_take(struct registration *registration);

static void on_reconciled(void *context, const struct pg_result *result, bool is_open)
{
    struct registration *registration = context;
    uint64_t now_ms = clock_monotonic_ms();

    if (registration->state != REGISTRATION_WAITING)
        return;
    if (result->kind == PG_RESULT_REFUSED)
        refusal_log(&registration->trouble, "registration_refused", result, 0, 0);
    if (result->kind == PG_RESULT_ROWS && is_open) {
        registration_take(registration);
        return;
    }
    if (result->kind == PG_RESULT_ROWS &&
        now_ms - registration->logged_at_ms >= REGISTRATION_LOG_MS) {
        registration->logged_at_ms = now_ms;
        LOG(LOG_LEVEL_WARNING, "reconciliation_waits",
            log_text("for", "workers that have not told yet what they sent; handbell check"));
    }
    if (result->kind == PG_RESULT_ROWS && registration->on_waiting != NULL)
        registration->on_waiting(registration->context);
    registration_wait_again(registration);
}

static void registration_ask_gate(struct registration *registration)
{
    if (!queue_worker_reconciled(registration->queue, registration->owner, registration->grace_s,
                                 on_reconciled, registration))
        registration_wait_again(registration);
}

static void registration_open_gate(struct registration *registration)
{
    registration->state = REGISTRATION_WAITING;
    registration_ask_gate(registration);
}

/* ---- 5. What it had claimed. ---- */

static void registration_take(struct registration *registration)
{
    registration->state = REGISTRATION_TAKING;
    registration->asked_at_ms = clock_monotonic_ms();
    take_over_begin(&registration->take_over, registration->queue, registration->owner, false);
}

static void on_taken_over(void *context, bool is_whole)
{
    struct registration *registration = context;

    if (registration->state != REGISTRATION_TAKING)
        return;
    if (!is_whole) {
        registration_try_again(registration);
        return;
    }
    registration->state = REGISTRATION_IDLE;
    if (registration->is_reconciling || !registration->was_done)
        journal_settle(registration->journal);
    journal_release(registration->journal);
    registration->was_done = true;
    registration->on_done(registration->context);
}

/* ---- ---- */

static void on_time(void *context)
{
    struct registration *registration = context;
    if (registration->state == REGISTRATION_STARTING)
        registration_start(registration);
    else if (registration->state == REGISTRATION_HEARING)
        registration_hear(registration);
    else if (registration->state == REGISTRATION_WAITING)
        registration_ask_gate(registration);
}

bool registration_init(struct registration *registration, struct loop *loop, const char *owner,
                       struct journal *journal, void (*on_done)(void *context),
                       void (*on_failed)(void *context, const struct error *error), void *context)
{
    *registration = (struct registration){.loop = loop,
                                          .owner = owner,
                                          .journal = journal,
                                          .on_done = on_done,
                                          .on_failed = on_failed,
                                          .context = context};
    replay_init(&registration->replay, journal, owner, on_replayed, registration);
    registration->take_over.on_done = on_taken_over;
    registration->take_over.context = registration;
    registration->timer = loop_timer_new(loop, on_time, registration);
    return registration->timer != NULL;
}

void registration_free(struct registration *registration)
{
    replay_cancel(&registration->replay);
    loop_timer_free(registration->timer);
    registration->timer = NULL;
}

void registration_set_step(struct registration *registration, const struct registration_step *step)
{
    registration->step = *step;
}

void registration_set_known(struct registration *registration, const struct queue_log_place *known)
{
    registration->known = *known;
}

void registration_begin(struct registration *registration, struct queue *queue)
{
    registration->queue = queue;
    registration->state = REGISTRATION_STARTING;
    registration->begun_at_ms = clock_monotonic_ms();
    registration_start(registration);
}

void registration_begin_later(struct registration *registration, struct queue *queue)
{
    registration->queue = queue;
    registration->begun_at_ms = clock_monotonic_ms();
    registration_try_again(registration);
}

void registration_cancel(struct registration *registration)
{
    if (registration->state == REGISTRATION_STEPPING && registration->step.cancel != NULL)
        registration->step.cancel(registration->step.context);
    registration->state = REGISTRATION_IDLE;
    replay_cancel(&registration->replay);
    loop_timer_stop(registration->timer);
}

bool registration_is_under_way(const struct registration *registration)
{
    return registration->state != REGISTRATION_IDLE;
}
