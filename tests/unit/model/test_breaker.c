/* Proves when a relay is left alone, and how it is tried again. */
#include "worker/model/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct breaker opened_at(uint64_t now_ms)
{
    struct breaker breaker = {0};
    for (int i = 0; i < BREAKER_FAILURES; i++)
        breaker_count_failure(&breaker, now_ms, 0);
    return breaker;
}

static void it_opens_at_the_third_failure_in_a_row_and_says_so_once(void **state)
{
    (void)state;
    struct breaker breaker = {0};
    assert_false(breaker_count_failure(&breaker, 0, 0));
    assert_false(breaker_count_failure(&breaker, 0, 0));
    assert_false(breaker_count_success(&breaker));
    assert_false(breaker_count_failure(&breaker, 0, 0));
    assert_false(breaker_count_failure(&breaker, 0, 0));
    assert_int_equal(breaker_room(&breaker, 0, 5, 40), 40);
    assert_true(breaker_count_failure(&breaker, 0, 0));
    assert_false(breaker_count_failure(&breaker, 0, 0));
    assert_true(breaker_is_open(&breaker));
}

static void it_pauses_and_then_lets_one_mail_try(void **state)
{
    (void)state;
    struct breaker breaker = opened_at(10000);
    assert_true(breaker.retry_at_ms >= 10000 + BREAKER_BASE_MS / 2);
    assert_int_equal(breaker_room(&breaker, breaker.retry_at_ms - 1, 0, 40), 0);
    assert_int_equal(breaker_room(&breaker, breaker.retry_at_ms, 0, 40), 1);
    assert_int_equal(breaker_room(&breaker, breaker.retry_at_ms, 1, 40), 0);
    assert_int_equal(breaker_room(&breaker, breaker.retry_at_ms, 0, 0), 0);
    assert_true(breaker_count_success(&breaker));
    assert_int_equal(breaker_room(&breaker, 0, 0, 40), 40);
}

static void each_trial_that_fails_pauses_for_longer_up_to_a_minute(void **state)
{
    (void)state;
    struct breaker breaker = opened_at(0);
    uint64_t last_pause_ms = breaker.retry_at_ms;
    for (int i = 0; i < 40; i++) {
        uint64_t now_ms = breaker.retry_at_ms;
        assert_false(breaker_count_failure(&breaker, now_ms, 0));
        assert_true(breaker.retry_at_ms - now_ms >= last_pause_ms);
        last_pause_ms = breaker.retry_at_ms - now_ms;
        assert_true(last_pause_ms <= BREAKER_CAP_MS);
    }
    assert_int_equal(last_pause_ms, BREAKER_CAP_MS / 2);
}

static void failures_of_what_was_under_way_do_not_lengthen_the_pause(void **state)
{
    (void)state;
    struct breaker breaker = opened_at(0);
    uint64_t retry_at_ms = breaker.retry_at_ms;
    for (int i = 0; i < 20; i++)
        breaker_count_failure(&breaker, 1, UINT64_MAX);
    assert_int_equal(breaker.retry_at_ms, retry_at_ms);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_at_the_third_failure_in_a_row_and_says_so_once),
        cmocka_unit_test(it_pauses_and_then_lets_one_mail_try),
        cmocka_unit_test(each_trial_that_fails_pauses_for_longer_up_to_a_minute),
        cmocka_unit_test(failures_of_what_was_under_way_do_not_lengthen_the_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
