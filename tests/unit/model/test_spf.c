/* Proves that each term of an SPF record is read as RFC 7208 has it, and that a record which
 * receivers would give up is refused. */
#include "worker/model/spf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void each_kind_of_term_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *term;
        enum spf_kind kind;
        char qualifier;
        const char *domain;
        bool asks;
    } rows[] = {
        {"-all", SPF_ALL, '-', "", false},
        {"~ALL", SPF_ALL, '~', "", false},
        {"include:_spf.example.org", SPF_INCLUDE, '+', "_spf.example.org", true},
        {"?a", SPF_A, '?', "", true},
        {"a/24", SPF_A, '+', "", true},
        {"a//64", SPF_A, '+', "", true},
        {"a:x.example/24//64", SPF_A, '+', "x.example", true},
        {"+mx:x.example", SPF_MX, '+', "x.example", true},
        {"ptr", SPF_PTR, '+', "", true},
        {"ip4:192.0.2.0/24", SPF_IP4, '+', "", false},
        {"ip6:2001:db8::/32", SPF_IP6, '+', "", false},
        {"exists:%{ir}.x.example", SPF_EXISTS, '+', "%{ir}.x.example", true},
        {"redirect=x.example", SPF_REDIRECT, '+', "x.example", true},
        {"exp=x.example", SPF_EXPLANATION, '+', "x.example", false},
        {"ra=x/y", SPF_OTHER, '+', "", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static struct spf spf;
        char text[80];
        char problem[SPF_PROBLEM_BYTES];
        (void)snprintf(text, sizeof text, "v=spf1  %s ", rows[i].term);
        assert_true(spf_is_record(text));
        assert_true(spf_parse(text, &spf, problem));
        assert_int_equal(spf.count, 1);
        assert_int_equal(spf.terms[0].kind, rows[i].kind);
        assert_int_equal(spf.terms[0].qualifier, rows[i].qualifier);
        assert_string_equal(spf.terms[0].domain, rows[i].domain);
        assert_true(spf_term_asks(&spf.terms[0]) == rows[i].asks);
        assert_true(spf.terms[0].has_macro == (strchr(rows[i].term, '%') != NULL));
        assert_ptr_equal(spf_find(&spf, rows[i].kind), &spf.terms[0]);
    }
}

static void a_record_with_a_bad_term_is_refused_with_the_term(void **state)
{
    (void)state;
    static const char *const terms[] = {
        "al",
        "all:x",
        "all/24",
        "a:",
        "a/",
        "a/33",
        "a/x",
        "a///64",
        "a//129",
        "include",
        "include:",
        "exists:",
        "ip4:",
        "ip4:1.2.3",
        "ip4:1.2.3.4/",
        "ip4:::1",
        "ip6:::1/129",
        "ip6:1.2.3.4",
        "ip4:1.2.3.4//24",
        "redirect=",
        "=x",
        "--all",
        "-",
    };
    for (size_t i = 0; i < sizeof terms / sizeof terms[0]; i++) {
        static struct spf spf;
        char text[80];
        char expected[80];
        char problem[SPF_PROBLEM_BYTES];
        (void)snprintf(text, sizeof text, "v=spf1 mx %s -all", terms[i]);
        (void)snprintf(expected, sizeof expected, "cannot be read at \"%s\"", terms[i]);
        assert_false(spf_parse(text, &spf, problem));
        assert_string_equal(problem, expected);
    }
}

static void other_versions_are_no_records(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "v=spf", "v=spf10 -all", "spf2.0/pra", " v=spf1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(spf_is_record(texts[i]));
    assert_true(spf_is_record("v=spf1"));
    assert_true(spf_is_record("V=Spf1 -all"));
}

static void a_record_past_the_limits_is_refused(void **state)
{
    (void)state;
    static struct spf spf;
    char text[SPF_TERMS_MAXIMUM * 3 + 700] = "v=spf1";
    char problem[SPF_PROBLEM_BYTES];
    for (int i = 0; i < SPF_TERMS_MAXIMUM; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), " a");
    assert_true(spf_parse(text, &spf, problem));
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), " a");
    assert_false(spf_parse(text, &spf, problem));
    (void)snprintf(text, sizeof text, "v=spf1 a:%0600d", 1);
    assert_false(spf_parse(text, &spf, problem));
    (void)snprintf(text, sizeof text, "v=spf1 a:%0300d", 1);
    assert_false(spf_parse(text, &spf, problem));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_term_is_read),
        cmocka_unit_test(a_record_with_a_bad_term_is_refused_with_the_term),
        cmocka_unit_test(other_versions_are_no_records),
        cmocka_unit_test(a_record_past_the_limits_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
