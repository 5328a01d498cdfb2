/* Proves that a backlog never takes the room of what is urgent, and that quotas are never nothing.
 */
#include "worker/model/lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void alerts_leave_a_fifth_of_the_room_to_urgent_mail(void **state)
{
    (void)state;
    assert_int_equal(lane_room(LANE_ALERT, 2000, 0), 1600);
    assert_int_equal(lane_room(LANE_ALERT, 2000, 1599), 1);
    assert_int_equal(lane_room(LANE_ALERT, 2000, 1600), 0);
    assert_int_equal(lane_room(LANE_ALERT, 2000, 1900), 0);
    assert_int_equal(lane_room(LANE_URGENT, 2000, 1600), 400);
    assert_int_equal(lane_room(LANE_ACCOUNT, 2000, 1600), 300);
}

static void account_mail_leaves_a_twentieth_to_urgent_mail(void **state)
{
    (void)state;
    assert_int_equal(lane_room(LANE_ACCOUNT, 2000, 1900), 0);
    assert_int_equal(lane_room(LANE_URGENT, 2000, 1900), 100);
    assert_int_equal(lane_room(LANE_URGENT, 2000, 2000), 0);
}

static void unknown_lanes_have_no_room_and_no_name(void **state)
{
    (void)state;
    assert_int_equal(lane_room((enum lane)0, 2000, 0), 0);
    assert_int_equal(lane_room((enum lane)7, 2000, 0), 0);
    assert_false(lane_is_known(0));
    assert_false(lane_is_known(7));
    assert_false(lane_is_known(-1));
    assert_string_equal(lane_name((enum lane)7), "");
    assert_string_equal(lane_name(LANE_URGENT), "urgent");
    assert_string_equal(lane_name(LANE_BULLETIN), "bulletin");
}

static void a_tenant_gets_an_even_share_but_a_whole_batch(void **state)
{
    (void)state;
    assert_int_equal(lane_tenant_quota(2000, 200, 0), 2000);
    assert_int_equal(lane_tenant_quota(2000, 200, 1), 2000);
    assert_int_equal(lane_tenant_quota(2000, 200, 4), 500);
    assert_int_equal(lane_tenant_quota(2000, 200, 100), 200);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(alerts_leave_a_fifth_of_the_room_to_urgent_mail),
        cmocka_unit_test(account_mail_leaves_a_twentieth_to_urgent_mail),
        cmocka_unit_test(unknown_lanes_have_no_room_and_no_name),
        cmocka_unit_test(a_tenant_gets_an_even_share_but_a_whole_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
