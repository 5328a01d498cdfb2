/* Proves when people's words are asked for, and when they are acknowledged. The database is played
 * by this file: its two calls are below. */
#include "worker/base/clock.h"
#include "worker/flow/keep_tail.h"
#include "worker/io/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KEEP_DAYS = 35, TENANT = 7, LATE_MS = 900, OFTEN_MS = 30, OFTEN = 20, WHOLE = 1 };

static const char owner[] = "11111111-2222-4333-8444-555555555555";

struct queue {
    struct loop *loop;
    struct keep_tail tail;
    struct loop_timer *timer; /* somebody says something */
    struct loop_defer changes_defer, seen_defer;
    keep_on_changes *on_changes;
    keep_on_answer *on_seen;
    void *context;
    size_t said;
    size_t acknowledged;
    size_t asked;
    size_t heard;
    uint64_t taken_at_ms; /* 0: not yet */
};

static const struct pg_result good = {.kind = PG_RESULT_ROWS};

static void answer_changes(void *context)
{
    struct queue *queue = context;
    static struct keep_change changes[KEEP_CALLS_LINES_MOST];
    size_t count = 0;
    for (size_t number = queue->acknowledged + 1;
         number <= queue->said && count < KEEP_CALLS_LINES_MOST; number++)
        changes[count++] = (struct keep_change){TENANT, (int64_t)number, "word"};
    if (count > 0 && queue->taken_at_ms == 0)
        queue->taken_at_ms = clock_monotonic_ms();
    queue->on_changes(queue->context, &good, changes, count);
}

bool keep_calls_changes(struct queue *queue, const char *who, keep_on_changes *on_done,
                        void *context)
{
    assert_string_equal(who, owner);
    queue->asked++;
    queue->on_changes = on_done;
    queue->context = context;
    loop_defer(queue->loop, &queue->changes_defer);
    return true;
}

static void answer_seen(void *context)
{
    struct queue *queue = context;
    const struct keep_answer answer = {.system_identifier = 1, .timeline = 1};
    queue->on_seen(queue->context, &good, &answer);
    if (queue->said == WHOLE && queue->acknowledged == queue->said)
        loop_stop(queue->loop);
}

bool keep_calls_seen(struct queue *queue, const char *who, uint64_t kept, const int64_t *tenant_ids,
                     const int64_t *numbers, size_t count, keep_on_answer *on_done, void *context)
{
    (void)kept;
    assert_string_equal(who, owner);
    if (count > 0) {
        assert_int_equal(count, 1);
        assert_int_equal(tenant_ids[0], TENANT);
        assert_true(clock_monotonic_ms() - queue->taken_at_ms >= KEEP_SYNC_MS);
        queue->acknowledged = (size_t)numbers[0];
    }
    queue->on_seen = on_done;
    queue->context = context;
    loop_defer(queue->loop, &queue->seen_defer);
    return true;
}

static void run(struct queue *queue, void (*say)(void *context), uint64_t after_ms)
{
    struct error error = {0};
    char base[] = "/tmp/handbell_tail_XXXXXX";
    char command[64];
    assert_non_null(mkdtemp(base));
    queue->loop = loop_new(&error);
    queue->changes_defer = (struct loop_defer){.run = answer_changes, .context = queue};
    queue->seen_defer = (struct loop_defer){.run = answer_seen, .context = queue};
    struct keep *keep = keep_open(queue->loop, base, owner, KEEP_DAYS, &error);
    assert_non_null(keep);
    assert_true(keep_tail_init(&queue->tail, queue->loop, keep, owner));
    queue->timer = loop_timer_new(queue->loop, say, queue);
    loop_timer_start(queue->timer, after_ms);
    keep_tail_open(&queue->tail, queue);
    loop_run(queue->loop);
    loop_defer_cancel(&queue->changes_defer);
    loop_defer_cancel(&queue->seen_defer);
    keep_tail_close(&queue->tail);
    keep_tail_free(&queue->tail);
    loop_timer_free(queue->timer);
    keep_close(keep);
    loop_free(queue->loop);
    (void)snprintf(command, sizeof command, "rm -r %s", base);
    assert_int_equal(system(command), 0);
}

static void say_one(void *context)
{
    struct queue *queue = context;
    queue->said = WHOLE;
    keep_tail_hear(&queue->tail);
}

static void a_word_is_acknowledged_when_it_is_on_the_disk(void **state)
{
    (void)state;
    struct queue queue = {.said = 0};
    run(&queue, say_one, LATE_MS);
    assert_int_equal(queue.acknowledged, WHOLE);
}

static void say_often(void *context)
{
    struct queue *queue = context;
    if (queue->heard++ == OFTEN) {
        loop_stop(queue->loop);
        return;
    }
    keep_tail_hear(&queue->tail);
    loop_timer_start(queue->timer, OFTEN_MS);
}

static void a_full_answer_is_not_asked_for_again_before_it_is_acknowledged(void **state)
{
    (void)state;
    struct queue queue = {.said = (size_t)2 * KEEP_CALLS_LINES_MOST};
    uint64_t began_ms = clock_monotonic_ms();
    run(&queue, say_often, OFTEN_MS);
    assert_true(queue.asked <= 1 + (clock_monotonic_ms() - began_ms) / KEEP_TAIL_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_is_acknowledged_when_it_is_on_the_disk),
        cmocka_unit_test(a_full_answer_is_not_asked_for_again_before_it_is_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
