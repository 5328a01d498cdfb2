/* What goes wrong for a day makes a readable log, and the first time is said at once. */
#include "worker/base/log_pause.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SECOND = 1000, DAY = 24 * 3600 };

static void the_first_is_said_and_the_next_ones_ever_more_rarely(void **state)
{
    static const unsigned said_at_s[] = {0, 10, 30, 70, 150, 310, 630, 1230, 1830};
    struct log_pause pause = {0};
    uint32_t left_out = 0;
    size_t said = 0;
    (void)state;
    for (unsigned at_s = 0; at_s <= 1830; at_s++) {
        if (!log_pause_over(&pause, 1 + (uint64_t)at_s * SECOND, &left_out))
            continue;
        assert_int_equal(at_s, said_at_s[said]);
        assert_int_equal(left_out, said == 0 ? 0 : at_s - said_at_s[said - 1] - 1);
        said++;
    }
    assert_int_equal(said, sizeof said_at_s / sizeof said_at_s[0]);
}

static void a_day_of_trouble_each_second_takes_some_hundred_and_fifty_lines(void **state)
{
    struct log_pause pause = {0};
    uint32_t left_out;
    unsigned said = 0;
    (void)state;
    for (uint64_t at_s = 0; at_s < DAY; at_s++)
        said += log_pause_over(&pause, at_s * SECOND, &left_out);
    assert_in_range(said, 140, 160);
}

static void after_the_end_or_a_long_quiet_it_is_news_again(void **state)
{
    struct log_pause pause = {0};
    uint32_t left_out = 7;
    (void)state;
    assert_true(log_pause_over(&pause, SECOND, &left_out));
    assert_false(log_pause_over(&pause, 2 * SECOND, &left_out));
    log_pause_end(&pause);
    assert_true(log_pause_over(&pause, 3 * SECOND, &left_out));
    assert_int_equal(left_out, 0);
    assert_true(log_pause_over(&pause, 4 * SECOND + (uint64_t)LOG_PAUSE_FORGET_MS, &left_out));
    assert_int_equal(pause.said, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_said_and_the_next_ones_ever_more_rarely),
        cmocka_unit_test(a_day_of_trouble_each_second_takes_some_hundred_and_fifty_lines),
        cmocka_unit_test(after_the_end_or_a_long_quiet_it_is_news_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
