/* What was granted is spent once, in time, the oldest first. */
#include "worker/model/allowance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void nothing_is_allowed_before_a_grant(void **state)
{
    (void)state;
    struct allowance allowance = {0};
    assert_int_equal(allowance_left(&allowance, 1), 0);
    assert_int_equal(allowance_take(&allowance, 1), 0);
}

static void a_grant_is_spent_once(void **state)
{
    (void)state;
    struct allowance allowance = {0};
    allowance_add(&allowance, 2, 3000);
    assert_int_equal(allowance_take(&allowance, 100), 3000);
    assert_int_equal(allowance_take(&allowance, 100), 3000);
    assert_int_equal(allowance_take(&allowance, 100), 0);
}

static void a_grant_that_is_past_allows_nothing(void **state)
{
    (void)state;
    struct allowance allowance = {0};
    allowance_add(&allowance, 5, 3000);
    assert_int_equal(allowance_left(&allowance, 2999), 5);
    assert_int_equal(allowance_left(&allowance, 3000), 0);
    assert_int_equal(allowance_take(&allowance, 3000), 0);
}

static void what_ends_first_is_spent_first(void **state)
{
    (void)state;
    struct allowance allowance = {0};
    allowance_add(&allowance, 1, 5000);
    allowance_add(&allowance, 1, 4000);
    assert_int_equal(allowance_take(&allowance, 100), 4000);
    assert_int_equal(allowance_take(&allowance, 100), 5000);
}

static void what_was_taken_can_be_put_back(void **state)
{
    (void)state;
    struct allowance allowance = {0};
    allowance_add(&allowance, 3, 5000);
    uint64_t until_ms = allowance_take(&allowance, 100);
    allowance_add(&allowance, 1, until_ms);
    assert_int_equal(allowance_left(&allowance, 100), 3);
}

static void many_grants_at_once_never_make_more_of_it(void **state)
{
    (void)state;
    struct allowance allowance = {0};
    for (uint64_t i = 0; i < 100; i++)
        allowance_add(&allowance, 1, 5000 + i);
    assert_int_equal(allowance_left(&allowance, 100), ALLOWANCE_GRANTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_allowed_before_a_grant),
        cmocka_unit_test(a_grant_is_spent_once),
        cmocka_unit_test(a_grant_that_is_past_allows_nothing),
        cmocka_unit_test(what_ends_first_is_spent_first),
        cmocka_unit_test(what_was_taken_can_be_put_back),
        cmocka_unit_test(many_grants_at_once_never_make_more_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
