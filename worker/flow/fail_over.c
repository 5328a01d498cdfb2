/* One look, and the moves that follow from it, one after the other. */
#include "worker/flow/fail_over.h"

#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/flow/refusal.h"

static void fail_over_next(struct fail_over *fail_over);

static void log_refused(struct fail_over *fail_over, const struct pg_result *result)
{
    if (result->kind == PG_RESULT_REFUSED)
        refusal_log(&fail_over->trouble, "fail_over_failed", result, 0, 0);
}

/* A relay with limits is given its portion each minute, for as long as another is away. */
static void log_moves(struct fail_over *fail_over)
{
    uint32_t left_out = 0;
    if (log_pause_over(&fail_over->moves, clock_monotonic_ms(), &left_out))
        LOG(LOG_LEVEL_INFO, "mail_fails_over", log_int("tenants", (int64_t)fail_over->count),
            log_int("left_out", left_out));
}

static void on_moved(void *context, const struct pg_result *result, bool has_more)
{
    struct fail_over *fail_over = context;
    fail_over->is_under_way = false;
    log_refused(fail_over, result);
    /* The next look tells of what could not be moved. */
    if (result->kind != PG_RESULT_ROWS || !has_more)
        fail_over->next++;
    fail_over_next(fail_over);
}

/* Moves what was found, row by row; when all is moved, looks again later. */
static void fail_over_next(struct fail_over *fail_over)
{
    if (fail_over->queue == NULL)
        return;
    if (fail_over->next < fail_over->count) {
        fail_over->is_under_way =
            queue_move_messages(fail_over->queue, &fail_over->rows[fail_over->next],
                                FAIL_OVER_MESSAGES, on_moved, fail_over);
        if (fail_over->is_under_way)
            return;
    }
    fail_over->count = 0;
    loop_timer_start(fail_over->timer, FAIL_OVER_LOOK_MS);
}

static void on_misplaced(void *context, const struct pg_result *result,
                         const struct queue_misplaced_row *rows, size_t count)
{
    struct fail_over *fail_over = context;
    fail_over->is_under_way = false;
    log_refused(fail_over, result);
    fail_over->next = 0;
    fail_over->count = count < FAIL_OVER_ROWS ? count : FAIL_OVER_ROWS;
    for (size_t i = 0; i < fail_over->count; i++)
        fail_over->rows[i] = rows[i];
    if (fail_over->count > 0)
        log_moves(fail_over);
    fail_over_next(fail_over);
}

static void on_time(void *context)
{
    struct fail_over *fail_over = context;
    if (fail_over->queue == NULL || fail_over->is_under_way)
        return;
    bool is_thorough = fail_over->looks++ % FAIL_OVER_THOROUGH == 0;
    fail_over->is_under_way =
        queue_misplaced(fail_over->queue, FAIL_OVER_ROWS, is_thorough, on_misplaced, fail_over);
    if (!fail_over->is_under_way)
        loop_timer_start(fail_over->timer, FAIL_OVER_LOOK_MS);
}

bool fail_over_init(struct fail_over *fail_over, struct loop *loop)
{
    *fail_over = (struct fail_over){.timer = loop_timer_new(loop, on_time, fail_over)};
    return fail_over->timer != NULL;
}

void fail_over_free(struct fail_over *fail_over)
{
    loop_timer_free(fail_over->timer);
    fail_over->timer = NULL;
}

void fail_over_open(struct fail_over *fail_over, struct queue *queue)
{
    fail_over->queue = queue;
    if (!fail_over->is_under_way)
        loop_timer_start(fail_over->timer, FAIL_OVER_LOOK_MS);
}

void fail_over_close(struct fail_over *fail_over)
{
    fail_over->queue = NULL;
    fail_over->count = 0;
    if (fail_over->timer != NULL)
        loop_timer_stop(fail_over->timer);
}
