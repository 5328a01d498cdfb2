/* Proves that text stays itself, but for what pretends to be structure. */
#include "worker/model/plain_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(literal) literal, sizeof(literal) - 1

struct row {
    const char *text;
    size_t size;
    const char *expected;
};

static void check(const struct row *rows, size_t count,
                  bool (*append)(struct buf *, const char *, size_t))
{
    for (size_t i = 0; i < count; i++) {
        struct buf out;
        buf_init(&out, 1000);
        assert_true(append(&out, rows[i].text, rows[i].size));
        assert_string_equal(out.data, rows[i].expected);
        assert_int_equal(out.size, strlen(rows[i].expected));
        buf_free(&out);
    }
}

static void a_line_never_breaks(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {TEXT("Maths for Year 5"), "Maths for Year 5"},
        {TEXT("a\r\nBcc: x"), "a Bcc: x"},
        {TEXT("\r\n a \n\r b \t\n"), "a b"},
        {TEXT("a\0b"), "a b"},
        {TEXT("a\xe2\x80\xa8"
              "b\xe2\x80\xa9"
              "c\xc2\x85"
              "d"),
         "a b c d"},
        {TEXT("a\x7f\x1b[0m"), "a [0m"},
        {TEXT("Sian\xe2\x80\xae"
              "elif\xe2\x80\xac"),
         "Sianelif"},
        {TEXT("a\xe2\x81\xa6"
              "b\xe2\x81\xa9\xef\xbb\xbf\xe2\x80\x8b"
              "c"),
         "abc"},
        {TEXT("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xac"),
         "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xac"},
        {TEXT("{{x}} %s <script> & \"'"), "{{x}} %s <script> & \"'"},
        {TEXT(""), ""},
        {TEXT(" \n"), ""},
    };
    check(rows, sizeof(rows) / sizeof(rows[0]), plain_text_append_line);
}

static void a_body_keeps_lines_and_tabs_alone(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {TEXT("a\r\nb\tc\n\n"), "a\nb\tc\n\n"},
        {TEXT("a\rb\0c\x1b"
              "d\x7f"),
         "abcd"},
        {TEXT("a\xe2\x80\xa8"
              "b"),
         "a\nb"},
        {TEXT("\xe2\x80\xae"
              "x <b>"),
         "x <b>"},
    };
    check(rows, sizeof(rows) / sizeof(rows[0]), plain_text_append_body);
}

static void markup_becomes_references_in_html(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {TEXT("<script>'&\"</script>"), "&lt;script&gt;&#39;&amp;&quot;&lt;/script&gt;"},
        {TEXT("Si\xc3\xa2n\r\n\x01O'Brien"), "Si\xc3\xa2n\nO&#39;Brien"},
    };
    check(rows, sizeof(rows) / sizeof(rows[0]), plain_text_append_html);
}

static void bytes_that_are_no_utf_8_are_replaced_one_by_one(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {TEXT("a\xff"
              "b"),
         "a\xef\xbf\xbd"
         "b"},
        {TEXT("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd"},
        {TEXT("\xe0\x80\xaf"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {TEXT("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {TEXT("\xf4\x90\x80\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {TEXT("x\xe2\x82"), "x\xef\xbf\xbd\xef\xbf\xbd"},
        {TEXT("\xc3\n"), "\xef\xbf\xbd\n"},
    };
    check(rows, sizeof(rows) / sizeof(rows[0]), plain_text_append_body);
}

static void a_full_buffer_is_said(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4);
    assert_false(plain_text_append_line(&out, TEXT("abcde")));
    buf_reset(&out);
    assert_true(plain_text_append_line(&out, TEXT("abcd")));
    buf_reset(&out);
    assert_false(plain_text_append_html(&out, TEXT("&&")));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_never_breaks),
        cmocka_unit_test(a_body_keeps_lines_and_tabs_alone),
        cmocka_unit_test(markup_becomes_references_in_html),
        cmocka_unit_test(bytes_that_are_no_utf_8_are_replaced_one_by_one),
        cmocka_unit_test(a_full_buffer_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
