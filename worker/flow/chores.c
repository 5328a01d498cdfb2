/* The second connection's work. */
#include "worker/flow/chores.h"

#include "worker/base/clock.h"
#include "worker/flow/refusal.h"

#include <string.h>

static void chores_next(struct chores *chores);

/* ---- Jobs and rules. ---- */

static void chore_log_failure(struct chores *chores, const struct pg_result *result)
{
    bool is_job = chores->chores[0].what == QUEUE_WORK_JOB;
    refusal_log(&chores->trouble, is_job ? "fan_out_failed" : "fire_rules_failed", result,
                chores->chores[0].tenant_id, 0);
}

/* `has_more`: it goes to the end of the line. Otherwise nobody is woken: what was made has told of
 * itself (NOTIFY), and what could not be made, because another session holds it, waits for the next
 * poll. */
static void chore_end(struct chores *chores, const struct pg_result *result, bool has_more)
{
    struct chore chore = chores->chores[0];

    if (result->kind != PG_RESULT_ROWS)
        chore_log_failure(chores, result);
    chores->is_busy = false;
    chores->count--;
    memmove(&chores->chores[0], &chores->chores[1], chores->count * sizeof chores->chores[0]);
    if (has_more)
        chores_add(chores, chore.tenant_id, chore.what);
    if (result->kind == PG_RESULT_ROWS && has_more)
        chores->on_made(chores->context);
    chores_next(chores);
}

static void on_fanned_out(void *context, const struct pg_result *result, bool has_more)
{
    chore_end(context, result, has_more);
}

static void on_fired(void *context, const struct pg_result *result, int64_t count)
{
    chore_end(context, result, count > 0);
}

static void chores_next(struct chores *chores)
{
    if (!chores->is_open || chores->is_busy || chores->count == 0)
        return;
    const struct chore *chore = &chores->chores[0];
    if (chore->what == QUEUE_WORK_JOB)
        chores->is_busy = queue_fan_out(chores->queue, chore->tenant_id, CHORES_FAN_OUT_PEOPLE,
                                        on_fanned_out, chores);
    else
        chores->is_busy = queue_fire_rules(chores->queue, chore->tenant_id, on_fired, chores);
    if (!chores->is_busy) /* without memory: the next poll tells of it again */
        chores->count = 0;
}

void chores_add(struct chores *chores, int64_t tenant_id, enum queue_work what)
{
    /* The first is under way: what came up since it began needs another. */
    for (size_t i = chores->is_busy; i < chores->count; i++)
        if (chores->chores[i].tenant_id == tenant_id && chores->chores[i].what == what)
            return;
    if (!chores->is_open || chores->count == CHORES_QUEUE)
        return;
    chores->chores[chores->count++] = (struct chore){.tenant_id = tenant_id, .what = what};
    chores_next(chores);
}

/* ---- Workers that died, and the house. ---- */

static void chores_take_over_next(struct chores *chores)
{
    if (!chores->is_open || chores->dead_count == 0 || chores->take_over.is_under_way)
        return;
    const struct queue_dead_worker *dead = &chores->dead[--chores->dead_count];
    take_over_begin(&chores->take_over, chores->queue, dead->owner, dead->is_grace_over);
}

static void on_taken_over(void *context, bool is_whole)
{
    struct chores *chores = context;
    if (is_whole && chores->take_over.released + chores->take_over.uncertain > 0)
        chores->on_made(chores->context);
    chores_take_over_next(chores);
}

static void on_dead_workers(void *context, const struct pg_result *result,
                            const struct queue_dead_worker *dead, size_t count)
{
    struct chores *chores = context;
    if (result->kind == PG_RESULT_REFUSED)
        refusal_log(&chores->look_trouble, "look_for_dead_workers_failed", result, 0, 0);
    chores->dead_count = count < CHORES_DEAD ? count : CHORES_DEAD;
    for (size_t i = 0; i < chores->dead_count; i++)
        chores->dead[i] = dead[i];
    chores_take_over_next(chores);
}

static void on_housekept(void *context, const struct pg_result *result)
{
    struct chores *chores = context;
    if (result->kind != PG_RESULT_ROWS)
        chores->housekept_at_ms = 0; /* at the next look */
    if (result->kind == PG_RESULT_REFUSED)
        refusal_log(&chores->house_trouble, "housekeeping_failed", result, 0, 0);
}

static void on_look_time(void *context)
{
    struct chores *chores = context;
    uint64_t now_ms = clock_monotonic_ms();

    if (!chores->is_open)
        return;
    if (!chores->take_over.is_under_way)
        queue_dead_workers(chores->queue, chores->takeover_grace_s, on_dead_workers, chores);
    if (chores->housekept_at_ms == 0 || now_ms - chores->housekept_at_ms > CHORES_HOUSEKEEP_MS) {
        chores->housekept_at_ms = now_ms;
        queue_housekeep(chores->queue, on_housekept, chores);
    }
    loop_timer_start(chores->timer, CHORES_LOOK_MS);
}

/* ---- */

bool chores_init(struct chores *chores, struct loop *loop, void (*on_made)(void *context),
                 void *context)
{
    *chores = (struct chores){.loop = loop, .on_made = on_made, .context = context};
    chores->take_over.on_done = on_taken_over;
    chores->take_over.context = chores;
    chores->timer = loop_timer_new(loop, on_look_time, chores);
    return fail_over_init(&chores->fail_over, loop) && chores->timer != NULL;
}

void chores_free(struct chores *chores)
{
    fail_over_free(&chores->fail_over);
    loop_timer_free(chores->timer);
    chores->timer = NULL;
}

void chores_open(struct chores *chores, struct queue *queue)
{
    chores->queue = queue;
    chores->is_open = true;
    loop_timer_start(chores->timer, 0);
    fail_over_open(&chores->fail_over, queue);
    chores_next(chores);
}

void chores_close(struct chores *chores)
{
    chores->is_open = false;
    chores->count = chores->is_busy ? 1 : 0;
    fail_over_close(&chores->fail_over);
    loop_timer_stop(chores->timer);
}
