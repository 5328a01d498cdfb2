/* Proves that tag lists are read as RFC 6376 section 3.2 writes them, and that others are refused.
 */
#include "worker/model/tag_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void tags_are_found_without_the_blanks_around_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t count;
        const char *value; /* of p */
    } rows[] = {
        {"v=DKIM1; k=rsa; p=abc", 3, "abc"},
        {"v=DKIM1;k=rsa;p=abc;", 3, "abc"},
        {" p = a b \t; ", 1, "a b"},
        {"p=", 1, ""},
        {"p=a=b==", 1, "a=b=="},
        {"p=abc;\r\n\t;", 1, "abc"},
        {"x_1=y;\r\n p=abc", 2, "abc"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tag_list list;
        assert_true(tag_list_parse(rows[i].text, &list));
        const struct tag *tag = tag_list_find(&list, "p");
        assert_non_null(tag);
        assert_int_equal(list.count, rows[i].count);
        assert_true(tag_is(tag, rows[i].value));
        assert_null(tag_list_find(&list, "P"));
    }
}

static void what_is_no_list_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"p", "=x", "1=x", "p=a;p=b", "a b=c", "p=a;;q=b", "\xff=a"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct tag_list list;
        assert_false(tag_list_parse(texts[i], &list));
    }
}

static void more_tags_than_fit_are_refused(void **state)
{
    (void)state;
    char text[TAG_LIST_MAXIMUM * 8] = "";
    struct tag_list list;
    for (int i = 0; i < TAG_LIST_MAXIMUM; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "t%d=x;", i);
    assert_true(tag_list_parse(text, &list));
    assert_int_equal(list.count, TAG_LIST_MAXIMUM);
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), "u=x");
    assert_false(tag_list_parse(text, &list));
}

static void nothing_is_an_empty_list(void **state)
{
    (void)state;
    struct tag_list list;
    assert_true(tag_list_parse("", &list));
    assert_int_equal(list.count, 0);
    assert_null(tag_list_find(&list, "v"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_are_found_without_the_blanks_around_them),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(more_tags_than_fit_are_refused),
        cmocka_unit_test(nothing_is_an_empty_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
