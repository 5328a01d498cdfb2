/* How many sessions are used: grows soon, is cut when the relay says so, and comes back slowly. */
#include "worker/model/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void it_begins_small_and_each_answer_opens_another(void **state)
{
    (void)state;
    struct window window;
    window_init(&window, 20, 1000);
    assert_int_equal(window.size, WINDOW_START);
    window_count_success(&window);
    assert_int_equal(window.size, WINDOW_START + 1);
    for (int i = 0; i < 100; i++)
        window_count_success(&window);
    assert_int_equal(window.size, 20);
}

static void a_relay_of_three_gets_three(void **state)
{
    (void)state;
    struct window window;
    window_init(&window, 3, 1000);
    assert_int_equal(window.size, 3);
    window_pass_time(&window, 100000);
    window_count_success(&window);
    assert_int_equal(window.size, 3);
}

static void a_relay_that_answers_late_gets_more_by_time(void **state)
{
    (void)state;
    struct window window;
    window_init(&window, 20, 1000);
    window_pass_time(&window, 1000 + WINDOW_STEP_MS - 1);
    assert_int_equal(window.size, 4);
    window_pass_time(&window, 1000 + WINDOW_STEP_MS);
    window_pass_time(&window, 1000 + WINDOW_STEP_MS + 1);
    assert_int_equal(window.size, 8);
    window_pass_time(&window, 1000 + 2 * WINDOW_STEP_MS);
    window_pass_time(&window, 1000 + 3 * WINDOW_STEP_MS);
    assert_int_equal(window.size, 20);
}

static void what_failed_together_halves_it_once(void **state)
{
    (void)state;
    struct window window;
    window_init(&window, 20, 1000);
    window.size = 20;
    for (uint64_t i = 0; i < 20; i++)
        window_count_failure(&window, 5000 + i);
    assert_int_equal(window.size, 10);
    window_count_failure(&window, 5000 + WINDOW_CUT_MS);
    assert_int_equal(window.size, 5);
}

static void it_never_falls_below_one(void **state)
{
    (void)state;
    struct window window;
    window_init(&window, 20, 1000);
    for (uint64_t i = 0; i < 10; i++)
        window_count_failure(&window, 5000 + i * WINDOW_CUT_MS);
    assert_int_equal(window.size, 1);
}

static void after_a_cut_it_grows_by_one_a_round_and_not_by_time(void **state)
{
    (void)state;
    struct window window;
    window_init(&window, 20, 1000);
    window.size = 20;
    window_count_failure(&window, 5000);
    window_pass_time(&window, 60000);
    assert_int_equal(window.size, 10);
    for (int i = 0; i < 9; i++)
        window_count_success(&window);
    assert_int_equal(window.size, 10);
    window_count_success(&window);
    assert_int_equal(window.size, 11);
}

static void another_bound_keeps_what_was_learnt(void **state)
{
    (void)state;
    struct window window;
    window_init(&window, 20, 1000);
    window_set_most(&window, 50);
    for (int i = 0; i < 100; i++)
        window_count_success(&window);
    assert_int_equal(window.size, 50);
    window_count_failure(&window, 5000);
    window_set_most(&window, 40);
    assert_int_equal(window.size, 25);
    window_set_most(&window, 2);
    assert_int_equal(window.size, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_begins_small_and_each_answer_opens_another),
        cmocka_unit_test(a_relay_of_three_gets_three),
        cmocka_unit_test(a_relay_that_answers_late_gets_more_by_time),
        cmocka_unit_test(what_failed_together_halves_it_once),
        cmocka_unit_test(it_never_falls_below_one),
        cmocka_unit_test(after_a_cut_it_grows_by_one_a_round_and_not_by_time),
        cmocka_unit_test(another_bound_keeps_what_was_learnt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
