/* Clocks: the monotonic one never goes back, the other one knows the year. */
#include "worker/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void the_monotonic_clock_never_goes_back(void **state)
{
    (void)state;
    uint64_t last = clock_monotonic_us();
    for (int i = 0; i < 10000; i++) {
        uint64_t now = clock_monotonic_us();
        assert_true(now >= last);
        last = now;
    }
    uint64_t now_ms = clock_monotonic_ms();
    assert_true(now_ms >= last / 1000 && now_ms <= last / 1000 + 10000);
}

static void the_wall_clock_is_in_this_century(void **state)
{
    (void)state;
    assert_true(clock_unix_seconds() > INT64_C(1735689600));
    assert_true(clock_unix_seconds() < INT64_C(4102444800));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_monotonic_clock_never_goes_back),
        cmocka_unit_test(the_wall_clock_is_in_this_century),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
