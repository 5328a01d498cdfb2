/* Clocks: the monotonic one never goes back, the other one knows the year. */
#include "worker/base/clock.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

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
    uint64_t last_ms = clock_monotonic_ms();
    for (int i = 0; i < 10000; i++) {
        uint64_t now_ms = clock_monotonic_ms();
        assert_true(now_ms >= last_ms);
        last_ms = now_ms;
    }
}

/* In a time namespace whose machine slept for two hours. */
static void the_clock_of_leases_goes_on_while_the_machine_sleeps(void **state)
{
    (void)state;
    int offsets = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    if (offsets < 0 || unshare(CLONE_NEWTIME) != 0 || write(offsets, "boottime 7200 0", 15) != 15) {
        printf("no time namespace may be made here\n");
        skip();
    }
    close(offsets);
    pid_t child = fork();
    if (child == 0) {
        uint64_t awake_ms = clock_monotonic_us() / 1000;
        _exit(clock_monotonic_ms() - awake_ms >= 7200 * 1000 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
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
        cmocka_unit_test(the_clock_of_leases_goes_on_while_the_machine_sleeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
