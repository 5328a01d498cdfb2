/* Array literals carry every value as itself. */
#include "worker/io/pg_array.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { CEILING_BYTES = 4096 };

static void numbers_are_written_whole_to_their_limits(void **state)
{
    static const int64_t large[] = {INT64_MIN, -1, 0, INT64_MAX};
    static const int32_t small[] = {INT32_MIN, 7, INT32_MAX};
    struct buf buf;
    (void)state;
    buf_init(&buf, CEILING_BYTES);
    assert_true(pg_array_append_int64(&buf, large, 4));
    assert_string_equal(buf.data, "{-9223372036854775808,-1,0,9223372036854775807}");
    buf_reset(&buf);
    assert_true(pg_array_append_int32(&buf, small, 3));
    assert_string_equal(buf.data, "{-2147483648,7,2147483647}");
    buf_free(&buf);
}

static void nothing_is_an_empty_array(void **state)
{
    struct buf buf;
    (void)state;
    buf_init(&buf, CEILING_BYTES);
    assert_true(pg_array_append_int64(&buf, NULL, 0));
    assert_true(pg_array_append_int32(&buf, NULL, 0));
    assert_true(pg_array_append_text(&buf, NULL, 0));
    assert_string_equal(buf.data, "{}{}{}");
    buf_free(&buf);
}

static void a_text_that_looks_like_syntax_is_quoted(void **state)
{
    static const struct {
        const char *text;
        const char *literal;
    } rows[] = {
        {"", "{\"\"}"},
        {"plain", "{\"plain\"}"},
        {"NULL", "{\"NULL\"}"},
        {NULL, "{NULL}"},
        {"a,b", "{\"a,b\"}"},
        {"{}", "{\"{}\"}"},
        {"say \"no\"", "{\"say \\\"no\\\"\"}"},
        {"back\\slash", "{\"back\\\\slash\"}"},
        {" two\nlines\t", "{\" two\nlines\t\"}"},
        {"'; drop table x; --", "{\"'; drop table x; --\"}"},
    };
    struct buf buf;
    (void)state;
    buf_init(&buf, CEILING_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_reset(&buf);
        assert_true(pg_array_append_text(&buf, &rows[i].text, 1));
        assert_string_equal(buf.data, rows[i].literal);
    }
    buf_free(&buf);
}

static void elements_stand_in_their_order(void **state)
{
    static const char *const texts[] = {"one", NULL, "three"};
    struct buf buf;
    (void)state;
    buf_init(&buf, CEILING_BYTES);
    assert_true(pg_array_append_text(&buf, texts, 3));
    assert_string_equal(buf.data, "{\"one\",NULL,\"three\"}");
    buf_free(&buf);
}

static void an_array_past_the_ceiling_says_so(void **state)
{
    static const char *const texts[] = {"0123456789", "0123456789"};
    static const int64_t numbers[] = {1000, 2000, 3000, 4000, 5000};
    struct buf buf;
    (void)state;
    buf_init(&buf, 16);
    assert_false(pg_array_append_text(&buf, texts, 2));
    buf_reset(&buf);
    assert_false(pg_array_append_int64(&buf, numbers, 5));
    buf_free(&buf);
}

static void what_was_written_is_read_back(void **state)
{
    static const int64_t numbers[] = {INT64_MIN, -1, 0, 42, INT64_MAX};
    int64_t read[5];
    bool is_valid = false;
    struct buf buf;
    (void)state;
    buf_init(&buf, CEILING_BYTES);
    assert_true(pg_array_append_int64(&buf, numbers, 5));
    assert_int_equal(pg_array_read_int64(buf.data, read, 5, &is_valid), 5);
    assert_true(is_valid);
    assert_memory_equal(read, numbers, sizeof numbers);
    buf_free(&buf);
    assert_int_equal(pg_array_read_int64("{}", read, 5, &is_valid), 0);
    assert_true(is_valid);
}

static void anything_else_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "}",
        "1",
        "{1",
        "{1,",
        "{1,}",
        "{,1}",
        "{1}x",
        "{}x",
        "{a}",
        "{1;2}",
        "{NULL}",
        "{ 1}",
        "{1 }",
        "{{1}}",
        "{1,2,3}",
        "{--1}",
        "{-}",
        "{9223372036854775808}",
        "[0:1]={1,2}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int64_t read[2];
        bool is_valid = true;
        assert_int_equal(pg_array_read_int64(texts[i], read, 2, &is_valid), 0);
        assert_false(is_valid);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_whole_to_their_limits),
        cmocka_unit_test(nothing_is_an_empty_array),
        cmocka_unit_test(a_text_that_looks_like_syntax_is_quoted),
        cmocka_unit_test(elements_stand_in_their_order),
        cmocka_unit_test(an_array_past_the_ceiling_says_so),
        cmocka_unit_test(what_was_written_is_read_back),
        cmocka_unit_test(anything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
