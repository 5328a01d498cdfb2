/* Whether a worker still looks for work: what its watchdog asks. */
#include "worker/flow/intake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { POLL_MS = 1000 };

static bool is_moving_after(struct loop *loop, bool is_open, uint64_t still_ms)
{
    struct intake intake = {.loop = loop,
                            .is_open = is_open,
                            .options.poll_ms = POLL_MS,
                            .polled_at_ms = loop_now_ms(loop) - still_ms};
    return intake_is_moving(&intake);
}

static void an_intake_moves_until_no_poll_could_take_so_long(void **state)
{
    struct error error = {0};
    struct loop *loop = loop_new(&error);
    (void)state;
    assert_non_null(loop);
    assert_true(is_moving_after(loop, true, 0));
    assert_true(is_moving_after(loop, true, INTAKE_STILL_MS + POLL_MS));
    assert_false(is_moving_after(loop, true, INTAKE_STILL_MS + POLL_MS + 1));
    /* without a database there is nothing to ask, however long */
    assert_true(is_moving_after(loop, false, 86400000));
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_intake_moves_until_no_poll_could_take_so_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
