/* Proves the waiting times: within their limits, over the whole range, and never 0. */
#include "worker/model/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void the_limit_doubles_until_the_cap(void **state)
{
    (void)state;
    static const struct {
        uint32_t attempt;
        uint32_t limit;
    } rows[] = {{0, 60},   {1, 120},   {2, 240},   {5, 1920},         {6, 3600},
                {7, 3600}, {31, 3600}, {32, 3600}, {UINT32_MAX, 3600}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(backoff_limit(60, 3600, rows[i].attempt), rows[i].limit);
    assert_int_equal(backoff_limit(0, 3600, 40), 0);
}

static void jitter_reaches_both_ends_and_never_passes_them(void **state)
{
    (void)state;
    assert_int_equal(backoff_jitter(60, 3600, 1, 0), 0);
    assert_int_equal(backoff_jitter(60, 3600, 1, 120), 120);
    assert_int_equal(backoff_jitter(60, 3600, 1, 121), 0);
    for (uint64_t chance = 0; chance < 5000; chance++)
        assert_true(backoff_jitter(60, 3600, 2, chance * UINT64_C(0x9e3779b97f4a7c15)) <= 240);
}

static void relay_trouble_waits_shorter_than_a_greylisted_mail(void **state)
{
    (void)state;
    assert_int_equal(backoff_delay_s(OUTCOME_SCOPE_RELAY, 0, 5), 5);
    assert_int_equal(backoff_delay_s(OUTCOME_SCOPE_RELAY, 60, 300), 300);
    assert_int_equal(backoff_delay_s(OUTCOME_SCOPE_RECIPIENT, 0, 60), 60);
    assert_int_equal(backoff_delay_s(OUTCOME_SCOPE_MESSAGE, 60, 3600), 3600);
}

static void a_deferred_mail_waits_at_least_a_second(void **state)
{
    (void)state;
    assert_int_equal(backoff_delay_s(OUTCOME_SCOPE_RELAY, 0, 0), 1);
    assert_int_equal(backoff_delay_s(OUTCOME_SCOPE_NONE, 9, 0), 1);
}

static const struct wish_row {
    struct outcome outcome;
    uint32_t attempt;
    uint32_t least_s;
    uint32_t most_s;
} wishes[] = {
    {{.kind = OUTCOME_DEFERRED,
      .scope = OUTCOME_SCOPE_RECIPIENT,
      .verb = OUTCOME_VERB_RCPT,
      .code = 450,
      .enhanced = "4.7.1",
      .text = "Greylisted, come back in 300 seconds"},
     0,
     300,
     360},
    {{.kind = OUTCOME_DEFERRED,
      .scope = OUTCOME_SCOPE_RECIPIENT,
      .verb = OUTCOME_VERB_RCPT,
      .code = 451,
      .enhanced = "4.7.1",
      .text = "Try again later"},
     0,
     60,
     120},
    {{.kind = OUTCOME_DEFERRED,
      .scope = OUTCOME_SCOPE_RECIPIENT,
      .verb = OUTCOME_VERB_RCPT,
      .code = 450,
      .enhanced = "4.2.0",
      .text = "Greylisted"},
     1,
     60,
     180},
    {{.kind = OUTCOME_DEFERRED,
      .scope = OUTCOME_SCOPE_RECIPIENT,
      .verb = OUTCOME_VERB_RCPT,
      .code = 450,
      .text = "wait 10 hours"},
     9,
     3600,
     3600 + 960},
    {{.kind = OUTCOME_DEFERRED,
      .scope = OUTCOME_SCOPE_RECIPIENT,
      .verb = OUTCOME_VERB_RCPT,
      .code = 452,
      .enhanced = "4.2.2",
      .text = "mailbox full"},
     0,
     1,
     60},
    /* The relay's own words are no wish of the recipient's side. */
    {{.kind = OUTCOME_DEFERRED,
      .scope = OUTCOME_SCOPE_RELAY,
      .verb = OUTCOME_VERB_MAIL,
      .code = 421,
      .text = "wait 300 seconds"},
     0,
     1,
     5},
    {{.kind = OUTCOME_UNCERTAIN,
      .scope = OUTCOME_SCOPE_RELAY,
      .verb = OUTCOME_VERB_BODY,
      .text = "no reply in 300 seconds"},
     0,
     1,
     5},
};

static void a_server_s_wish_and_greylisting_come_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++)
        for (uint64_t chance = 0; chance < 4000; chance++) {
            uint32_t wait_s = backoff_after_s(&wishes[i].outcome, wishes[i].attempt, chance);
            assert_in_range(wait_s, wishes[i].least_s, wishes[i].most_s);
        }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_doubles_until_the_cap),
        cmocka_unit_test(jitter_reaches_both_ends_and_never_passes_them),
        cmocka_unit_test(relay_trouble_waits_shorter_than_a_greylisted_mail),
        cmocka_unit_test(a_deferred_mail_waits_at_least_a_second),
        cmocka_unit_test(a_server_s_wish_and_greylisting_come_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
