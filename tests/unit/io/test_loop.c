/* The loop: nothing fires inside the call that started it, nothing after its _free. */
#include "worker/io/loop.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct trace {
    struct loop *loop;
    char text[32];
    struct loop_timer *timer;
    struct loop_poll *poll;
    struct loop_defer defer;
    struct loop_defer other;
    int fds[2];
    unsigned events;
};

static struct loop *new_loop(void)
{
    struct error error = {0};
    struct loop *loop = loop_new(&error);
    assert_non_null(loop);
    return loop;
}

static void note(struct trace *trace, const char *word)
{
    strncat(trace->text, word, sizeof trace->text - strlen(trace->text) - 1);
}

static void note_timer(void *context)
{
    note(context, "t");
}

static void note_defer(void *context)
{
    note(context, "d");
}

static void timers_fire_once_in_their_order(void **state)
{
    (void)state;
    struct trace trace = {.loop = new_loop()};
    struct loop_timer *late = loop_timer_new(trace.loop, note_timer, &trace);
    struct loop_timer *never = loop_timer_new(trace.loop, note_timer, &trace);
    uint64_t began_ms = loop_now_ms(trace.loop);
    loop_timer_start(late, 20);
    loop_timer_start(never, 10);
    loop_timer_stop(never);
    assert_false(loop_timer_is_running(never));
    assert_true(loop_timer_is_running(late));
    assert_string_equal(trace.text, "");
    loop_run(trace.loop);
    assert_string_equal(trace.text, "t");
    assert_true(loop_now_ms(trace.loop) >= began_ms + 20);
    loop_timer_free(late);
    loop_timer_free(never);
    loop_free(trace.loop);
}

static void free_own_timer(void *context)
{
    struct trace *trace = context;
    note(trace, "t");
    loop_timer_free(trace->timer);
}

static void a_timer_may_free_itself_and_a_freed_one_is_silent(void **state)
{
    (void)state;
    struct trace trace = {.loop = new_loop()};
    struct loop_timer *other = loop_timer_new(trace.loop, note_timer, &trace);
    trace.timer = loop_timer_new(trace.loop, free_own_timer, &trace);
    loop_timer_start(trace.timer, 0);
    loop_timer_start(other, 0);
    loop_timer_free(other);
    loop_run(trace.loop);
    assert_string_equal(trace.text, "t");
    loop_free(trace.loop);
}

static void defer_again(void *context)
{
    struct trace *trace = context;
    note(trace, "a");
    if (strlen(trace->text) < 4)
        loop_defer(trace->loop, &trace->defer);
}

static void cancel_other(void *context)
{
    struct trace *trace = context;
    note(trace, "c");
    loop_defer_cancel(&trace->other);
}

static void deferred_calls_run_later_once_and_in_order(void **state)
{
    (void)state;
    struct trace trace = {.loop = new_loop()};
    trace.defer = (struct loop_defer){.run = defer_again, .context = &trace};
    trace.other = (struct loop_defer){.run = note_defer, .context = &trace};
    loop_defer(trace.loop, &trace.defer);
    loop_defer(trace.loop, &trace.other);
    loop_defer(trace.loop, &trace.other);
    assert_string_equal(trace.text, "");
    loop_run(trace.loop);
    assert_string_equal(trace.text, "adaa");
    loop_free(trace.loop);
}

static void a_deferred_call_can_be_cancelled_even_by_one_of_its_turn(void **state)
{
    (void)state;
    struct trace trace = {.loop = new_loop()};
    trace.defer = (struct loop_defer){.run = cancel_other, .context = &trace};
    trace.other = (struct loop_defer){.run = note_defer, .context = &trace};
    loop_defer(trace.loop, &trace.defer);
    loop_defer(trace.loop, &trace.other);
    loop_run(trace.loop);
    assert_string_equal(trace.text, "c");
    loop_defer_cancel(&trace.other);
    loop_defer(trace.loop, &trace.other);
    loop_defer_cancel(&trace.other);
    loop_run(trace.loop);
    assert_string_equal(trace.text, "c");
    loop_free(trace.loop);
}

static void read_and_replace(void *context, unsigned events)
{
    struct trace *trace = context;
    char byte;
    struct error error = {0};
    trace->events |= events;
    assert_int_equal(read(trace->fds[0], &byte, 1), 1);
    note(trace, (char[]){byte, '\0'});
    loop_poll_free(trace->poll);
    trace->poll = NULL;
    if (byte == 'b')
        return;
    /* The same descriptor in the same turn. */
    trace->poll = loop_poll_new(trace->loop, trace->fds[0], read_and_replace, trace, &error);
    assert_non_null(trace->poll);
    loop_poll_set(trace->poll, LOOP_READABLE);
}

static void a_descriptor_can_be_watched_anew_at_once(void **state)
{
    (void)state;
    struct trace trace = {.loop = new_loop()};
    struct error error = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, trace.fds), 0);
    trace.poll = loop_poll_new(trace.loop, trace.fds[0], read_and_replace, &trace, &error);
    loop_poll_set(trace.poll, LOOP_READABLE);
    assert_int_equal(write(trace.fds[1], "ab", 2), 2);
    loop_run(trace.loop);
    assert_string_equal(trace.text, "ab");
    assert_int_equal(trace.events, LOOP_READABLE);
    close(trace.fds[0]);
    close(trace.fds[1]);
    loop_free(trace.loop);
}

static void note_events(void *context, unsigned events)
{
    struct trace *trace = context;
    trace->events = events;
    note(trace, "p");
    loop_poll_set(trace->poll, 0);
}

static void a_hang_up_is_readable(void **state)
{
    (void)state;
    struct trace trace = {.loop = new_loop()};
    struct error error = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, trace.fds), 0);
    trace.poll = loop_poll_new(trace.loop, trace.fds[0], note_events, &trace, &error);
    loop_poll_set(trace.poll, LOOP_READABLE);
    close(trace.fds[1]);
    loop_run(trace.loop);
    assert_true(trace.events & LOOP_READABLE);
    loop_poll_free(trace.poll);
    close(trace.fds[0]);
    loop_free(trace.loop);
}

static void what_cannot_be_watched_is_an_error(void **state)
{
    (void)state;
    struct error error = {0};
    struct loop *loop = new_loop();
    assert_null(loop_poll_new(loop, -1, note_events, NULL, &error));
    assert_string_not_equal(error.text, "");
    loop_free(loop);
}

static void stop_on_signal(void *context, int number)
{
    struct trace *trace = context;
    note(trace, number == SIGHUP ? "h" : "?");
    loop_stop(trace->loop);
}

static void a_signal_is_a_callback(void **state)
{
    (void)state;
    struct trace trace = {.loop = new_loop()};
    struct error error = {0};
    struct loop_timer *guard = loop_timer_new(trace.loop, note_timer, &trace);
    struct loop_signal *watch = loop_signal_new(trace.loop, SIGHUP, stop_on_signal, &trace, &error);
    assert_non_null(watch);
    loop_timer_start(guard, 5000);
    raise(SIGHUP);
    assert_string_equal(trace.text, "");
    loop_run(trace.loop);
    assert_string_equal(trace.text, "h");
    loop_signal_free(watch);
    loop_timer_free(guard);
    loop_free(trace.loop);
}

static void never_called(void *context, int number)
{
    (void)context;
    (void)number;
}

/* A process that ends is sent the same signal again, by somebody impatient. */
static void a_signal_that_is_no_longer_listened_to_kills_nobody(void **state)
{
    (void)state;
    struct error error = {0};
    pid_t self = getpid();
    (void)signal(SIGTERM, SIG_IGN);
    pid_t sender = fork();
    if (sender == 0) {
        while (getppid() == self && kill(self, SIGTERM) == 0)
            continue;
        _exit(0);
    }
    for (int i = 0; i < 50; i++) {
        struct loop *loop = new_loop();
        for (int j = 0; j < 20; j++)
            loop_signal_free(loop_signal_new(loop, SIGTERM, never_called, NULL, &error));
        assert_non_null(loop_signal_new(loop, SIGTERM, never_called, NULL, &error));
        loop_free(loop);
    }
    (void)kill(sender, SIGKILL);
    assert_int_equal(waitpid(sender, NULL, 0), sender);
}

static void work_apart(void *context)
{
    note(context, "w");
}

static void work_was_done(void *context)
{
    note(context, "!");
}

static void work_is_done_apart_and_reported_in_the_loop(void **state)
{
    (void)state;
    struct trace trace = {.loop = new_loop()};
    assert_true(loop_work(trace.loop, work_apart, work_was_done, &trace));
    loop_run(trace.loop);
    assert_string_equal(trace.text, "w!");
    /* Freeing the loop waits for what is under way. */
    assert_true(loop_work(trace.loop, work_apart, work_was_done, &trace));
    loop_free(trace.loop);
    assert_string_equal(trace.text, "w!w!");
}

static void a_loop_closes_what_owners_left(void **state)
{
    (void)state;
    struct trace trace = {.loop = new_loop()};
    struct error error = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, trace.fds), 0);
    loop_timer_start(loop_timer_new(trace.loop, note_timer, &trace), 1);
    trace.poll = loop_poll_new(trace.loop, trace.fds[0], note_events, &trace, &error);
    loop_poll_set(trace.poll, LOOP_WRITABLE);
    assert_non_null(loop_signal_new(trace.loop, SIGUSR1, stop_on_signal, &trace, &error));
    loop_free(trace.loop);
    assert_string_equal(trace.text, "");
    close(trace.fds[0]);
    close(trace.fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_once_in_their_order),
        cmocka_unit_test(a_timer_may_free_itself_and_a_freed_one_is_silent),
        cmocka_unit_test(deferred_calls_run_later_once_and_in_order),
        cmocka_unit_test(a_deferred_call_can_be_cancelled_even_by_one_of_its_turn),
        cmocka_unit_test(a_descriptor_can_be_watched_anew_at_once),
        cmocka_unit_test(a_hang_up_is_readable),
        cmocka_unit_test(what_cannot_be_watched_is_an_error),
        cmocka_unit_test(a_signal_is_a_callback),
        cmocka_unit_test(a_signal_that_is_no_longer_listened_to_kills_nobody),
        cmocka_unit_test(work_is_done_apart_and_reported_in_the_loop),
        cmocka_unit_test(a_loop_closes_what_owners_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
