/* Which domains are left alone, for how long, and that the table is bounded. */
#include "worker/model/domain_pauses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct outcome trouble = {.kind = OUTCOME_DEFERRED,
                                       .scope = OUTCOME_SCOPE_DOMAIN,
                                       .verb = OUTCOME_VERB_RCPT,
                                       .code = 451};
static const struct outcome sent = {.kind = OUTCOME_SENT, .verb = OUTCOME_VERB_BODY, .code = 250};

enum { SECOND = 1000, LONGEST = 59, NOW = 5 * SECOND };

static struct domain_pauses *new_pauses(void **state)
{
    struct domain_pauses *pauses = *state;
    *pauses = (struct domain_pauses){.count = 0};
    return pauses;
}

static void a_domain_in_trouble_is_left_alone_and_no_other_is(void **state)
{
    struct domain_pauses *pauses = new_pauses(state);
    assert_int_equal(domain_pauses_wait_s(pauses, "a@example.org", NOW, 0), 0);
    assert_true(domain_pauses_count(pauses, "a@example.org", &trouble, NOW, 0));
    assert_int_equal(domain_pauses_wait_s(pauses, "b@EXAMPLE.org", NOW, 0), 30);
    assert_int_equal(domain_pauses_wait_s(pauses, "b@EXAMPLE.org", NOW, LONGEST), 30 + LONGEST);
    assert_int_equal(domain_pauses_wait_s(pauses, "\"x@y\"@example.org", NOW, 0), 30);
    assert_int_equal(domain_pauses_wait_s(pauses, "a@sub.example.org", NOW, 0), 0);
    assert_int_equal(domain_pauses_wait_s(pauses, "a@example.com", NOW, 0), 0);
    assert_int_equal(domain_pauses_wait_s(pauses, "a@example.org", NOW + 29 * SECOND + 1, 0), 1);
    assert_int_equal(domain_pauses_wait_s(pauses, "a@example.org", NOW + 30 * SECOND, 0), 0);
}

static void pauses_grow_while_trouble_lasts_and_end_with_a_good_answer(void **state)
{
    static const uint32_t expected_s[] = {30, 60, 120, 240, 480, 900, 900};
    struct domain_pauses *pauses = new_pauses(state);
    uint64_t now_ms = NOW;
    for (size_t i = 0; i < sizeof expected_s / sizeof expected_s[0]; i++) {
        assert_true(domain_pauses_count(pauses, "a@example.org", &trouble, now_ms, 0));
        assert_int_equal(domain_pauses_wait_s(pauses, "a@example.org", now_ms, 0), expected_s[i]);
        /* What was on the wire when it began says nothing new, be it good or bad. */
        assert_false(domain_pauses_count(pauses, "a@example.org", &trouble, now_ms + 1, 0));
        assert_false(domain_pauses_count(pauses, "a@example.org", &sent, now_ms + 1, 0));
        now_ms += (uint64_t)expected_s[i] * SECOND;
    }
    assert_false(domain_pauses_count(pauses, "b@example.org", &sent, now_ms, 0));
    assert_int_equal(pauses->count, 0);
    domain_pauses_count(pauses, "a@example.org", &trouble, now_ms, 0);
    assert_int_equal(domain_pauses_wait_s(pauses, "a@example.org", now_ms, 0), 30);
}

static void trouble_long_ago_is_forgotten(void **state)
{
    struct domain_pauses *pauses = new_pauses(state);
    uint64_t later_ms = NOW + (uint64_t)(DOMAIN_PAUSE_MEMORY_S + 31) * SECOND;
    domain_pauses_count(pauses, "a@example.org", &trouble, NOW, 0);
    domain_pauses_count(pauses, "a@example.org", &trouble, later_ms, 0);
    assert_int_equal(domain_pauses_wait_s(pauses, "a@example.org", later_ms, 0), 30);
}

static void what_says_nothing_of_the_domain_pauses_nothing(void **state)
{
    static const struct outcome others[] = {
        {.kind = OUTCOME_DEFERRED, .scope = OUTCOME_SCOPE_RECIPIENT, .verb = OUTCOME_VERB_RCPT},
        {.kind = OUTCOME_DEFERRED, .scope = OUTCOME_SCOPE_RELAY, .verb = OUTCOME_VERB_RCPT},
        {.kind = OUTCOME_DEFERRED, .scope = OUTCOME_SCOPE_NONE},
        {.kind = OUTCOME_REFUSED, .scope = OUTCOME_SCOPE_RECIPIENT, .verb = OUTCOME_VERB_RCPT},
        {.kind = OUTCOME_SENT, .verb = OUTCOME_VERB_BODY},
    };
    struct domain_pauses *pauses = new_pauses(state);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(domain_pauses_count(pauses, "a@example.org", &others[i], NOW, 0));
    assert_false(domain_pauses_count(pauses, "nobody", &trouble, NOW, 0));
    assert_false(domain_pauses_count(pauses, "nobody@", &trouble, NOW, 0));
    assert_int_equal(pauses->count, 0);
    /* A relay that is away is no word of the domain's: its story goes on. */
    domain_pauses_count(pauses, "a@example.org", &trouble, NOW, 0);
    assert_false(domain_pauses_count(pauses, "a@example.org", &others[1], NOW + 60 * SECOND, 0));
    assert_int_equal(pauses->count, 1);
}

static void the_table_is_bounded_and_forgets_what_ends_soonest(void **state)
{
    struct domain_pauses *pauses = new_pauses(state);
    char address[64];
    for (unsigned i = 0; i < 2 * DOMAIN_PAUSES_MAXIMUM; i++) {
        snprintf(address, sizeof address, "a@d%u.example.org", i);
        assert_true(domain_pauses_count(pauses, address, &trouble, NOW + i, 0));
    }
    assert_int_equal(pauses->count, DOMAIN_PAUSES_MAXIMUM);
    assert_int_equal(domain_pauses_wait_s(pauses, "a@d0.example.org", NOW, 0), 0);
    assert_true(domain_pauses_wait_s(pauses, address, NOW, 0) > 0);
}

int main(void)
{
    struct domain_pauses *pauses = malloc(sizeof *pauses);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_domain_in_trouble_is_left_alone_and_no_other_is, pauses),
        cmocka_unit_test_prestate(pauses_grow_while_trouble_lasts_and_end_with_a_good_answer,
                                  pauses),
        cmocka_unit_test_prestate(trouble_long_ago_is_forgotten, pauses),
        cmocka_unit_test_prestate(what_says_nothing_of_the_domain_pauses_nothing, pauses),
        cmocka_unit_test_prestate(the_table_is_bounded_and_forgets_what_ends_soonest, pauses),
    };
    int failed = pauses == NULL ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
    free(pauses);
    return failed;
}
