/* Proves that each encoding keeps its limits and decodes to what went in. */
#include "worker/mail/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(literal) literal, sizeof(literal) - 1

static void quoted_printable_is_as_rfc_2045_says(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        const char *expected;
    } rows[] = {
        {TEXT("a\nb"), "a\r\nb\r\n"},
        {TEXT("a\r\nb\r\n"), "a\r\nb\r\n"},
        {TEXT("a \nb\t\n "), "a=20\r\nb=09\r\n=20\r\n"},
        {TEXT("  a  b"), "  a  b\r\n"},
        {TEXT("1 = 1"), "1 =3D 1\r\n"},
        {TEXT("Si\xc3\xa2n"), "Si=C3=A2n\r\n"},
        {TEXT("a\0b\rc\x7f"), "a=00b=0Dc=7F\r\n"},
        {TEXT("\n.\n"), "\r\n.\r\n"},
        {TEXT("\n\n"), "\r\n\r\n"},
        {TEXT(""), ""},
        {TEXT(" \r\n"), "=20\r\n"},
        {TEXT("\r"), "=0D\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out;
        buf_init(&out, 1000);
        assert_true(mail_encode_quoted_printable(&out, rows[i].text, rows[i].size));
        assert_string_equal(out.data, rows[i].expected);
        buf_free(&out);
    }
}

static int hex_value(char c)
{
    return c <= '9' ? c - '0' : c - 'A' + 10;
}

/* Decodes, and looks at each line's length and end on the way. */
static void decode(const struct buf *encoded, struct buf *out)
{
    for (size_t i = 0; i < encoded->size;) {
        const char *line = encoded->data + i;
        const char *end = strstr(line, "\r\n");
        assert_non_null(end);
        assert_true(end - line <= 76);
        assert_false(end > line && (end[-1] == ' ' || end[-1] == '\t'));
        bool is_soft = end > line && end[-1] == '=';
        for (const char *c = line; c < end - is_soft; c++) {
            assert_true((*c >= ' ' && *c <= '~') || *c == '\t');
            if (*c != '=') {
                buf_append_char(out, *c);
                continue;
            }
            buf_append_char(out, (char)(hex_value(c[1]) << 4 | hex_value(c[2])));
            c += 2;
        }
        if (!is_soft)
            buf_append_char(out, '\n');
        i += (size_t)(end - line) + 2;
    }
}

static void quoted_printable_of_any_bytes_decodes_to_them(void **state)
{
    (void)state;
    static const char pool[] = "aaaaabbb   \t\n\n=.\xc3\xa2\xff\x01-";
    unsigned seed = 1;
    for (int round = 0; round < 300; round++) {
        static char text[20000];
        size_t size = (size_t)rand_r(&seed) % (round < 280 ? 400 : sizeof(text));
        for (size_t i = 0; i < size; i++)
            text[i] = pool[(size_t)rand_r(&seed) % (sizeof(pool) - 1)];
        struct buf encoded;
        struct buf decoded;
        buf_init(&encoded, 1 << 20);
        buf_init(&decoded, 1 << 20);
        assert_true(mail_encode_quoted_printable(&encoded, text, size));
        decode(&encoded, &decoded);
        if (size > 0 && text[size - 1] != '\n')
            text[size++] = '\n';
        assert_int_equal(decoded.size, size);
        assert_memory_equal(decoded.data, text, size);
        buf_free(&encoded);
        buf_free(&decoded);
    }
}

static void an_encoded_word_keeps_to_75_and_to_whole_characters(void **state)
{
    (void)state;
    static const char *const units[] = {"\xf0\x9f\x94\x94", "\xe6\x9d\x8e", "\xc3\xa2",
                                        "ab \xc3\xa9",      "\"",           "a"};
    for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
        char text[1024] = "";
        for (size_t i = 0; i < 200; i++)
            strcat(text, units[u]);
        for (size_t column = 0; column < 76; column += 15) {
            struct buf out;
            buf_init(&out, 100000);
            size_t end = mail_encode_words(&out, text, strlen(text), column);
            char *rest = NULL;
            size_t at = out.data[0] == '\r' ? 1 : column;
            for (char *word = strtok_r(out.data, "\r\n ", &rest); word != NULL;
                 word = strtok_r(NULL, "\r\n ", &rest)) {
                assert_true(strlen(word) <= 75);
                assert_true(at + strlen(word) <= 76);
                at = 1;
                assert_int_equal(strncmp(word, "=?utf-8?", 8), 0);
                assert_string_equal(word + strlen(word) - 2, "?=");
                bool is_q = word[8] == 'Q';
                char first = word[10];
                /* A continuation byte is =80 to =BF in Q. */
                assert_false(is_q && first == '=' && strchr("89AB", word[11]) != NULL);
            }
            assert_true(end <= 76);
            buf_free(&out);
        }
    }
}

static void words_take_the_shorter_encoding(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(mail_encode_words(&out, TEXT("Si\xc3\xa2n O'Brien"), 4), 35);
    assert_string_equal(out.data, "=?utf-8?Q?Si=C3=A2n_O=27Brien?=");
    buf_reset(&out);
    mail_encode_words(&out, TEXT("\xe6\x9d\x8e"), 4);
    assert_string_equal(out.data, "=?utf-8?B?5p2O?=");
    buf_free(&out);
}

static void parameters_are_plain_or_of_rfc_2231(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 2000);
    assert_true(mail_encode_parameter(&out, "filename", "notes 1.pdf"));
    assert_string_equal(out.data, ";\r\n filename=\"notes 1.pdf\"");
    buf_reset(&out);
    assert_true(mail_encode_parameter(&out, "filename", "Si\xc3\xa2n \"x\".pdf"));
    assert_string_equal(out.data, ";\r\n filename*=utf-8''Si%C3%A2n%20%22x%22.pdf");
    buf_reset(&out);
    char longer[121];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[120] = '\0';
    assert_true(mail_encode_parameter(&out, "filename", longer));
    assert_non_null(strstr(out.data, ";\r\n filename*2*="));
    assert_null(strstr(out.data, "filename*3*="));
    buf_free(&out);
}

static void base64_is_as_rfc_4648_says(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        const char *expected;
    } rows[] = {
        {TEXT(""), ""},
        {TEXT("f"), "Zg==\r\n"},
        {TEXT("fo"), "Zm8=\r\n"},
        {TEXT("foo"), "Zm9v\r\n"},
        {TEXT("foob"), "Zm9vYg==\r\n"},
        {TEXT("fooba"), "Zm9vYmE=\r\n"},
        {TEXT("foobar"), "Zm9vYmFy\r\n"},
        {TEXT("\xff\xef\xbe\0"), "/+++AA==\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out;
        buf_init(&out, 1000);
        assert_true(mail_encode_base64(&out, rows[i].text, rows[i].size));
        assert_string_equal(out.data, rows[i].expected);
        buf_free(&out);
    }
}

static void base64_lines_are_full_but_for_the_last(void **state)
{
    (void)state;
    static const char zeros[20000];
    for (size_t size = 0; size <= sizeof(zeros); size += size < 300 ? 1 : 911) {
        struct buf out;
        buf_init(&out, 100000);
        assert_true(mail_encode_base64(&out, zeros, size));
        size_t digits = (size + 2) / 3 * 4;
        assert_int_equal(out.size, digits + 2 * ((digits + 75) / 76));
        for (size_t at = 0; at < out.size; at += 78) {
            size_t left = out.size - at;
            assert_memory_equal(out.data + at + (left < 78 ? left : 78) - 2, "\r\n", 2);
        }
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_as_rfc_4648_says),
        cmocka_unit_test(base64_lines_are_full_but_for_the_last),
        cmocka_unit_test(quoted_printable_is_as_rfc_2045_says),
        cmocka_unit_test(quoted_printable_of_any_bytes_decodes_to_them),
        cmocka_unit_test(an_encoded_word_keeps_to_75_and_to_whole_characters),
        cmocka_unit_test(words_take_the_shorter_encoding),
        cmocka_unit_test(parameters_are_plain_or_of_rfc_2231),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
