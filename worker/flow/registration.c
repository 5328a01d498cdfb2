/* The way to 'serving': lock, then what was left behind. */
#include "worker/flow/registration.h"

#include "worker/base/clock.h"
#include "worker/base/log.h"

#include <sysexits.h>

static void on_started(void *context, const struct pg_result *result, bool is_ours);

static void registration_start(struct registration *registration)
{
    if (!queue_worker_start(registration->queue, on_started, registration))
        loop_timer_start(registration->timer, REGISTRATION_RETRY_MS);
}

static void on_time(void *context)
{
    struct registration *registration = context;
    if (registration->is_under_way)
        registration_start(registration);
}

static void registration_fail(struct registration *registration, int exit_status,
                              const char *format, const char *detail)
{
    struct error error;
    error_set(&error, exit_status, "%s%s", format, detail);
    registration->is_under_way = false;
    registration->on_failed(registration->context, &error);
}

static void on_started(void *context, const struct pg_result *result, bool is_ours)
{
    struct registration *registration = context;

    if (!registration->is_under_way)
        return;
    if (result->kind == PG_RESULT_ROWS && is_ours) {
        /* A process that has not served yet knows of nothing on the wire: what its owner was
         * sending ends now, as its kind says. Later what it is sending is its own to record. */
        take_over_begin(&registration->take_over, registration->queue, registration->owner,
                        !registration->was_done);
        return;
    }
    if (result->kind == PG_RESULT_REFUSED) {
        LOG(LOG_LEVEL_ERROR, "registration_refused", log_text("sqlstate", result->sqlstate),
            log_text("reason", result->text));
        if (!registration->was_done) {
            registration_fail(registration, EX_UNAVAILABLE,
                              "the database refuses this worker (is it migrated?): ", result->text);
            return;
        }
    } else if (result->kind == PG_RESULT_ROWS) {
        LOG(LOG_LEVEL_WARNING, "registration_waits", log_text("owner", registration->owner));
        if (!registration->was_done &&
            clock_monotonic_ms() - registration->begun_at_ms > REGISTRATION_PATIENCE_MS) {
            registration_fail(registration, EX_TEMPFAIL,
                              "another session holds this worker's lock: was its state directory "
                              "copied? owner ",
                              registration->owner);
            return;
        }
    }
    loop_timer_start(registration->timer, REGISTRATION_RETRY_MS);
}

static void on_taken_over(void *context, bool is_whole)
{
    struct registration *registration = context;

    if (!registration->is_under_way)
        return;
    if (!is_whole) {
        loop_timer_start(registration->timer, REGISTRATION_RETRY_MS);
        return;
    }
    registration->is_under_way = false;
    registration->was_done = true;
    registration->on_done(registration->context);
}

bool registration_init(struct registration *registration, struct loop *loop, const char *owner,
                       void (*on_done)(void *context),
                       void (*on_failed)(void *context, const struct error *error), void *context)
{
    *registration = (struct registration){.loop = loop,
                                          .owner = owner,
                                          .on_done = on_done,
                                          .on_failed = on_failed,
                                          .context = context};
    registration->take_over.on_done = on_taken_over;
    registration->take_over.context = registration;
    registration->timer = loop_timer_new(loop, on_time, registration);
    return registration->timer != NULL;
}

void registration_free(struct registration *registration)
{
    loop_timer_free(registration->timer);
    registration->timer = NULL;
}

void registration_begin_later(struct registration *registration, struct queue *queue)
{
    registration->queue = queue;
    registration->is_under_way = true;
    registration->begun_at_ms = clock_monotonic_ms();
    loop_timer_start(registration->timer, REGISTRATION_RETRY_MS);
}

void registration_begin(struct registration *registration, struct queue *queue)
{
    registration_begin_later(registration, queue);
    loop_timer_stop(registration->timer);
    registration_start(registration);
}

void registration_cancel(struct registration *registration)
{
    registration->is_under_way = false;
    loop_timer_stop(registration->timer);
}
