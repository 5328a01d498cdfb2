/* Little more than who calls whom. */
#include "worker/flow/keeping.h"

#include <sysexits.h>

static void keeping_say_place(struct keeping *keeping)
{
    const struct keep_place place = keep_last_place(keeping->keep);
    const struct queue_log_place known = {.system_identifier = (int64_t)place.system_identifier,
                                          .timeline = (int32_t)place.timeline,
                                          .position = (int64_t)place.position,
                                          .kept = (int64_t)place.kept};
    registration_set_known(keeping->registration, &known);
}

static void on_no_memory(void *context)
{
    struct keeping *keeping = context;
    registration_step_done(keeping->registration, false);
}

static void on_applied(void *context, const struct error *error)
{
    struct keeping *keeping = context;
    registration_step_done(keeping->registration, error == NULL);
}

static void on_step(void *context, struct queue *queue, bool is_reconciling)
{
    struct keeping *keeping = context;
    keeping->queue = queue;
    if (!keep_apply_begin(&keeping->apply, queue, is_reconciling)) /* no memory */
        loop_defer(keeping->loop, &keeping->no_memory);
}

static void on_cancel(void *context)
{
    struct keeping *keeping = context;
    keep_apply_cancel(&keeping->apply);
    loop_defer_cancel(&keeping->no_memory);
}

bool keeping_open(struct keeping *keeping, struct loop *loop, const char *state_dir,
                  const char *owner, uint32_t keep_days, struct error *error)
{
    *keeping = (struct keeping){.loop = loop};
    keeping->no_memory = (struct loop_defer){.run = on_no_memory, .context = keeping};
    keeping->keep = keep_open(loop, state_dir, owner, keep_days, error);
    if (keeping->keep == NULL)
        return false;
    keep_apply_init(&keeping->apply, keeping->keep, owner, on_applied, keeping);
    return keep_tail_init(&keeping->tail, loop, keeping->keep, owner) ||
           error_set(error, EX_OSERR, "no memory");
}

void keeping_free(struct keeping *keeping)
{
    if (keeping->keep == NULL)
        return;
    keep_apply_cancel(&keeping->apply);
    loop_defer_cancel(&keeping->no_memory);
    keep_tail_free(&keeping->tail);
    keep_close(keeping->keep);
    keeping->keep = NULL;
}

void keeping_join(struct keeping *keeping, struct registration *registration)
{
    const struct registration_step step = {
        .begin = on_step, .cancel = on_cancel, .context = keeping};
    keeping->registration = registration;
    registration_set_step(registration, &step);
    keeping_say_place(keeping);
}

void keeping_serve(struct keeping *keeping)
{
    keep_tail_open(&keeping->tail, keeping->queue);
}

void keeping_hear(struct keeping *keeping)
{
    keep_tail_hear(&keeping->tail);
}

void keeping_pause(struct keeping *keeping)
{
    if (keeping->keep == NULL || keeping->registration == NULL)
        return;
    keep_tail_close(&keeping->tail);
    keeping_say_place(keeping);
}
