/* Acknowledge what was written, then look for more. */
#include "worker/flow/keep_tail.h"

#include "worker/base/clock.h"
#include "worker/base/log.h"

#include <string.h>

static void tail_log(const struct pg_result *result, const char *what)
{
    if (result->kind == PG_RESULT_REFUSED)
        LOG(LOG_LEVEL_ERROR, "keep_tail_refused", log_text("call", what),
            log_text("sqlstate", result->sqlstate), log_text("reason", result->text));
}

static void on_seen(void *context, const struct pg_result *result, const struct keep_answer *answer)
{
    struct keep_tail *tail = context;
    tail_log(result, "keep_seen");
    if (result->kind != PG_RESULT_ROWS || answer->system_identifier == 0)
        return;
    const struct keep_place place = {.system_identifier = answer->system_identifier,
                                     .timeline = answer->timeline,
                                     .position = answer->position,
                                     .kept = answer->kept};
    tail->told_settled = answer->kept;
    keep_note_place(tail->keep, &place);
}

static void tail_tell(struct keep_tail *tail)
{
    uint64_t settled = keep_settled(tail->keep);
    uint64_t now_ms = clock_monotonic_ms();
    /* Each answer writes a place into the file: that alone is no news. */
    if (tail->count == 0 && settled <= tail->told_settled + 1 && tail->told_at_ms != 0 &&
        now_ms - tail->told_at_ms < KEEP_TAIL_PLACE_MS)
        return;
    if (keep_calls_seen(tail->queue, tail->owner, settled, tail->tenant_ids, tail->numbers,
                        tail->count, on_seen, tail)) {
        tail->told_at_ms = now_ms;
        tail->count = 0; /* should the answer be lost, the next look finds them once more */
    }
}

static void on_changes(void *context, const struct pg_result *result,
                       const struct keep_change *changes, size_t count)
{
    struct keep_tail *tail = context;
    tail->is_asking = false;
    tail_log(result, "keep_changes");
    for (size_t i = 0; i < count && tail->is_open; i++) {
        uint64_t number = keep_add(tail->keep, changes[i].line, strlen(changes[i].line));
        if (number == 0)
            break; /* no room: at a later look */
        keep_settle(tail->keep, number);
        bool is_same = tail->count > 0 && tail->tenant_ids[tail->count - 1] == changes[i].tenant_id;
        tail->count += !is_same;
        tail->tenant_ids[tail->count - 1] = changes[i].tenant_id;
        tail->numbers[tail->count - 1] = changes[i].number;
    }
}

static void on_time(void *context)
{
    struct keep_tail *tail = context;
    if (!tail->is_open)
        return;
    if (!tail->is_asking) {
        tail_tell(tail);
        tail->is_asking = keep_calls_changes(tail->queue, tail->owner, on_changes, tail);
    }
    loop_timer_start(tail->timer, KEEP_TAIL_MS);
}

bool keep_tail_init(struct keep_tail *tail, struct loop *loop, struct keep *keep, const char *owner)
{
    *tail = (struct keep_tail){.keep = keep, .owner = owner};
    tail->timer = loop_timer_new(loop, on_time, tail);
    return tail->timer != NULL;
}

void keep_tail_free(struct keep_tail *tail)
{
    loop_timer_free(tail->timer);
    tail->timer = NULL;
}

void keep_tail_open(struct keep_tail *tail, struct queue *queue)
{
    tail->queue = queue;
    tail->is_open = true;
    tail->count = 0;
    tail->told_at_ms = 0;
    loop_timer_start(tail->timer, 0);
}

void keep_tail_close(struct keep_tail *tail)
{
    tail->is_open = false;
    loop_timer_stop(tail->timer);
}
