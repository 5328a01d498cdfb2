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

/* What may be acknowledged: a change that is not on the disk yet would be lost with the machine's
 * power, and never asked for again. */
static size_t tail_list(struct keep_tail *tail, uint64_t now_ms)
{
    bool are_all_safe = now_ms - tail->taken_at_ms >= KEEP_TAIL_DISK_MS;
    size_t count = 0;
    for (size_t i = 0; i < tail->count; i++) {
        struct keep_tail_entry *entry = &tail->entries[i];
        if (are_all_safe)
            entry->safe = entry->number;
        if (entry->safe == 0)
            continue;
        tail->told_tenant_ids[count] = entry->tenant_id;
        tail->told_numbers[count++] = entry->safe;
    }
    return count;
}

/* Should the answer be lost, the next look finds once more what is dropped here. */
static void tail_drop_told(struct keep_tail *tail)
{
    size_t left = 0;
    for (size_t i = 0; i < tail->count; i++)
        if (tail->entries[i].safe < tail->entries[i].number)
            tail->entries[left++] = tail->entries[i];
    tail->count = left;
}

static void tail_tell(struct keep_tail *tail)
{
    uint64_t settled = keep_settled(tail->keep);
    uint64_t now_ms = clock_monotonic_ms();
    size_t count = tail_list(tail, now_ms);
    /* Each answer writes a place into the file: that alone is no news. */
    bool is_news = count > 0 || settled > tail->told_settled + 1 || tail->told_at_ms == 0 ||
                   now_ms - tail->told_at_ms >= KEEP_TAIL_PLACE_MS;
    if (is_news && keep_calls_seen(tail->queue, tail->owner, settled, tail->told_tenant_ids,
                                   tail->told_numbers, count, on_seen, tail)) {
        tail->told_at_ms = now_ms;
        tail_drop_told(tail);
    }
    for (size_t i = 0; i < tail->count; i++)
        tail->entries[i].safe = tail->entries[i].number;
}

/* Where the tenant is, or is to be, in what is not acknowledged. `from`: where the one before was.
 */
static size_t tail_find(const struct keep_tail *tail, int64_t tenant_id, size_t from)
{
    for (size_t i = from; i < tail->count; i++)
        if (tail->entries[i].tenant_id == tenant_id)
            return i;
    for (size_t i = 0; i < from && i < tail->count; i++)
        if (tail->entries[i].tenant_id == tenant_id)
            return i;
    return tail->count;
}

/* False: there is no room. At a later look. */
static bool tail_take(struct keep_tail *tail, const struct keep_change *change, size_t *at)
{
    *at = tail_find(tail, change->tenant_id, *at);
    if (*at < tail->count && change->number <= tail->entries[*at].number)
        return true; /* not acknowledged yet */
    if (*at == KEEP_CALLS_LINES_MOST)
        return false;
    uint64_t number = keep_add(tail->keep, change->line, strlen(change->line));
    if (number == 0)
        return false;
    keep_settle(tail->keep, number);
    if (*at == tail->count)
        tail->entries[tail->count++] = (struct keep_tail_entry){.tenant_id = change->tenant_id};
    tail->entries[*at].number = change->number;
    tail->taken_at_ms = clock_monotonic_ms();
    return true;
}

static void tail_hear_soon(struct keep_tail *tail);

static void on_changes(void *context, const struct pg_result *result,
                       const struct keep_change *changes, size_t count)
{
    struct keep_tail *tail = context;
    size_t at = 0;
    tail->is_asking = false;
    tail->is_full = count == KEEP_CALLS_LINES_MOST;
    tail_log(result, "keep_changes");
    for (size_t i = 0; i < count && tail->is_open; i++)
        if (!tail_take(tail, &changes[i], &at))
            break;
    if (tail->is_to_hear)
        tail_hear_soon(tail);
}

static void tail_ask(struct keep_tail *tail)
{
    tail->is_asking = keep_calls_changes(tail->queue, tail->owner, on_changes, tail);
}

static void on_hear_time(void *context)
{
    struct keep_tail *tail = context;
    if (!tail->is_open || tail->is_asking)
        return; /* on_changes comes back to it */
    tail->is_to_hear = false;
    if (!tail->is_full) /* it would be the same ones again */
        tail_ask(tail);
}

static void tail_hear_soon(struct keep_tail *tail)
{
    if (tail->is_open)
        loop_timer_start(tail->hear_timer, KEEP_TAIL_HEAR_MS);
}

void keep_tail_hear(struct keep_tail *tail)
{
    if (!tail->is_open || tail->is_to_hear)
        return;
    tail->is_to_hear = true;
    tail_hear_soon(tail);
}

static void on_time(void *context)
{
    struct keep_tail *tail = context;
    if (!tail->is_open)
        return;
    if (!tail->is_asking) {
        tail_tell(tail);
        tail_ask(tail);
    }
    loop_timer_start(tail->timer, KEEP_TAIL_MS);
}

bool keep_tail_init(struct keep_tail *tail, struct loop *loop, struct keep *keep, const char *owner)
{
    *tail = (struct keep_tail){.keep = keep, .owner = owner};
    tail->timer = loop_timer_new(loop, on_time, tail);
    tail->hear_timer = loop_timer_new(loop, on_hear_time, tail);
    return tail->timer != NULL && tail->hear_timer != NULL;
}

void keep_tail_free(struct keep_tail *tail)
{
    loop_timer_free(tail->timer);
    loop_timer_free(tail->hear_timer);
    tail->timer = NULL;
    tail->hear_timer = NULL;
}

void keep_tail_open(struct keep_tail *tail, struct queue *queue)
{
    tail->queue = queue;
    tail->is_open = true;
    tail->is_to_hear = false;
    tail->is_full = false;
    tail->count = 0;
    tail->told_at_ms = 0;
    loop_timer_start(tail->timer, 0);
}

void keep_tail_close(struct keep_tail *tail)
{
    tail->is_open = false;
    loop_timer_stop(tail->timer);
    loop_timer_stop(tail->hear_timer);
}
