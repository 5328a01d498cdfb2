/* The mail as it goes over the wire, and the addresses that may go with it. */
#include "worker/io/smtp_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct row {
    const char *bytes;
    size_t size;
    const char *wire;
    size_t counted;
};

#define ROW(bytes, wire, counted)                                                                  \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, wire, counted                                                    \
    }

static const struct row rows[] = {
    ROW("", ".\r\n", 0),
    ROW("a", "a\r\n.\r\n", 3),
    ROW("a\r\n", "a\r\n.\r\n", 3),
    ROW("a\n", "a\r\n.\r\n", 3),
    ROW("a\r", "a\r\n.\r\n", 3),
    ROW("\r\n", "\r\n.\r\n", 2),
    ROW(".", "..\r\n.\r\n", 3),
    ROW(".\r\n", "..\r\n.\r\n", 3),
    ROW("..\r\n.a\r\n", "...\r\n..a\r\n.\r\n", 8),
    ROW("a.\r\nb.c\r\n", "a.\r\nb.c\r\n.\r\n", 9),
    ROW("a\n.\nb\n", "a\r\n..\r\nb\r\n.\r\n", 9),
    ROW("a\r.\rb\r", "a\r\n..\r\nb\r\n.\r\n", 9),
    ROW("a\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n", 9),
    ROW("a\r\r\nb\r\n", "a\r\n\r\nb\r\n.\r\n", 8),
    ROW("a\n\rb\r\n", "a\r\n\r\nb\r\n.\r\n", 8),
    ROW("a\0b\r\n", "a?b\r\n.\r\n", 5),
    ROW("\0.\r\n", "?.\r\n.\r\n", 4),
    ROW("a\r\n.\0\r\n", "a\r\n..?\r\n.\r\n", 7),
};

static void every_body_becomes_canonical(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf wire;
        struct smtp_body body;
        buf_init(&wire, 1000);
        assert_true(smtp_body_encode(&wire, rows[i].bytes, rows[i].size, &body));
        assert_string_equal(wire.data, rows[i].wire);
        assert_int_equal(wire.size, strlen(rows[i].wire));
        assert_int_equal(body.size_bytes, rows[i].counted);
        assert_false(body.has_8bit);
        buf_free(&wire);
    }
}

/* Every text of up to six of these bytes: no line but the last is a dot, no CR or LF is bare. */
static void no_body_can_end_early(void **state)
{
    (void)state;
    static const char alphabet[] = {'\r', '\n', '.', '\0', 'a'};
    for (unsigned number = 0; number < 5 * 5 * 5 * 5 * 5 * 5; number++) {
        char bytes[6];
        unsigned rest = number;
        struct buf wire;
        struct smtp_body body;
        for (size_t i = 0; i < sizeof bytes; i++, rest /= 5)
            bytes[i] = alphabet[rest % 5];
        buf_init(&wire, 100);
        assert_true(smtp_body_encode(&wire, bytes, sizeof bytes, &body));
        assert_int_equal(strlen(wire.data), wire.size);
        assert_true(strstr(wire.data, "\r\n.\r\n") + 5 == wire.data + wire.size);
        assert_true(strncmp(wire.data, ".\r\n", 3) != 0);
        for (size_t i = 0; i < wire.size; i++) {
            assert_true(wire.data[i] != '\r' || wire.data[i + 1] == '\n');
            assert_true(wire.data[i] != '\n' || (i > 0 && wire.data[i - 1] == '\r'));
        }
        buf_free(&wire);
    }
}

static void eight_bit_is_seen(void **state)
{
    (void)state;
    struct buf wire;
    struct smtp_body body;
    buf_init(&wire, 100);
    assert_true(smtp_body_encode(&wire, "gr\xC3\xBC\r\n", 6, &body));
    assert_true(body.has_8bit);
    buf_free(&wire);
}

static void what_does_not_fit_is_no_mail(void **state)
{
    (void)state;
    struct buf wire;
    struct smtp_body body;
    buf_init(&wire, 5);
    assert_false(smtp_body_encode(&wire, "a\r\nb\r\n", 6, &body));
    buf_free(&wire);
}

static void sane_addresses_pass(void **state)
{
    (void)state;
    static const char *const good[] = {"a@b", "bounce+12=x@b.example", "o'neil@b.example",
                                       "postmaster", "j\xC3\xB6rg@sch\xC3\xBCle.example"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_string_equal(smtp_address_problem(good[i]), "");
}

static void addresses_that_could_be_commands_do_not(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "a@b\r\nDATA",
                                      "a@b\n",
                                      "a@b\r",
                                      "a b@c",
                                      "<a@b>",
                                      "a@b> SIZE=1",
                                      "a\t@b",
                                      "a\x7F@b",
                                      "a\xC2\x85@b",
                                      "a\xC3@b",
                                      "a\xC0\x80@b",
                                      "a\xED\xA0\x80@b",
                                      "a\xF5\x80\x80\x80@b",
                                      "a\xE0\x80\x80@b",
                                      "a\xF0\x80\x80\x80@b",
                                      "a\xF4\x90\x80\x80@b",
                                      "a\x80@b"};
    char longest[SMTP_ADDRESS_BYTES + 2];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (smtp_address_problem(bad[i])[0] == '\0')
            fail_msg("row %zu passes", i);
    memset(longest, 'a', sizeof longest);
    longest[SMTP_ADDRESS_BYTES] = '\0';
    assert_string_equal(smtp_address_problem(longest), "");
    longest[SMTP_ADDRESS_BYTES] = 'a';
    longest[SMTP_ADDRESS_BYTES + 1] = '\0';
    assert_string_not_equal(smtp_address_problem(longest), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_body_becomes_canonical),
        cmocka_unit_test(no_body_can_end_early),
        cmocka_unit_test(eight_bit_is_seen),
        cmocka_unit_test(what_does_not_fit_is_no_mail),
        cmocka_unit_test(sane_addresses_pass),
        cmocka_unit_test(addresses_that_could_be_commands_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
