/* Proves when the flow leaves its relay alone, and how much it holds for it. */
#include "worker/flow/relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct outcome sent = {.kind = OUTCOME_SENT, .verb = OUTCOME_VERB_BODY, .code = 250};
static const struct outcome away = {
    .kind = OUTCOME_DEFERRED, .scope = OUTCOME_SCOPE_RELAY, .verb = OUTCOME_VERB_CONNECT};
static const struct outcome unknown = {
    .kind = OUTCOME_REFUSED, .scope = OUTCOME_SCOPE_RECIPIENT, .verb = OUTCOME_VERB_RCPT};
static const struct outcome unfit = {.kind = OUTCOME_REFUSED, .scope = OUTCOME_SCOPE_MESSAGE};

static void three_failures_in_a_row_pause_it_and_one_reply_ends_the_pause(void **state)
{
    (void)state;
    struct relay relay = {.connections = 20};
    assert_false(relay_take_outcome(&relay, &away, 1000));
    assert_false(relay_take_outcome(&relay, &away, 1000));
    assert_false(relay_take_outcome(&relay, &unknown, 1000));
    assert_false(relay_take_outcome(&relay, &away, 1000));
    assert_false(relay_take_outcome(&relay, &away, 1000));
    assert_true(relay_take_outcome(&relay, &away, 1000));
    assert_true(relay.breaker.retry_at_ms > 1000);
    assert_false(relay_take_outcome(&relay, &away, 1001));
    assert_false(relay_take_outcome(&relay, &sent, 1002));
    assert_false(breaker_is_open(&relay.breaker));
}

static void a_mail_that_the_relay_never_saw_says_nothing_of_it(void **state)
{
    (void)state;
    struct relay relay = {.connections = 20};
    for (int i = 0; i < 3; i++)
        relay_take_outcome(&relay, &away, 1000);
    assert_false(relay_take_outcome(&relay, &unfit, 1001));
    assert_true(breaker_is_open(&relay.breaker));
}

static void as_much_is_held_as_it_takes_in_ten_seconds(void **state)
{
    (void)state;
    struct relay relay = {.connections = 20};
    assert_int_equal(relay_hold_limit(&relay, 400), 400);
    for (int i = 0; i < 100; i++)
        relay_take_outcome(&relay, &sent, 1000);
    assert_int_equal(relay_hold_limit(&relay, 400), 2000);
    relay_tick(&relay, 0, 0, 1000);
    assert_int_equal(relay_hold_limit(&relay, 400), 2000);
    relay_tick(&relay, 0, 0, 1000);
    assert_int_equal(relay_hold_limit(&relay, 400), 400);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_failures_in_a_row_pause_it_and_one_reply_ends_the_pause),
        cmocka_unit_test(a_mail_that_the_relay_never_saw_says_nothing_of_it),
        cmocka_unit_test(as_much_is_held_as_it_takes_in_ten_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
