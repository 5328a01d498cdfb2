/* The peer's replies: whatever the pieces they come in, they read the same; what is no reply
 * breaks. */
#include "worker/io/smtp_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static size_t feed_text(struct smtp_reply *reply, const char *text)
{
    smtp_reply_init(reply);
    return smtp_reply_feed(reply, text, strlen(text));
}

struct good {
    const char *bytes;
    int code;
    const char *enhanced;
    const char *text;
};

static const struct good goods[] = {
    {"250 ok\r\n", 250, "", "ok"},
    {"250\r\n", 250, "", ""},
    {"250 \r\n", 250, "", ""},
    {"250 ok\n", 250, "", "ok"},
    {"250 2.1.0 Sender ok\r\n", 250, "2.1.0", "Sender ok"},
    {"250 2.1.0\r\n", 250, "2.1.0", ""},
    {"550 5.1.10 gone\r\n", 550, "5.1.10", "gone"},
    {"550 5.123.456 gone\r\n", 550, "5.123.456", "gone"},
    /* The class must repeat the code's (RFC 2034 4); anything else is text. */
    {"550 4.1.1 gone\r\n", 550, "", "4.1.1 gone"},
    {"550 5.1.1gone\r\n", 550, "", "5.1.1gone"},
    {"550 5.1234.1 gone\r\n", 550, "", "5.1234.1 gone"},
    {"550 5.1. gone\r\n", 550, "", "5.1. gone"},
    {"550 5..1 gone\r\n", 550, "", "5..1 gone"},
    {"550 5\r\n", 550, "", "5"},
    {"450-one\r\n450-two\r\n450 three\r\n", 450, "", "one two three"},
    {"450-4.2.1 one\r\n450 4.2.1 two\r\n", 450, "4.2.1", "one 4.2.1 two"},
    {"250-one\r\n250\r\n", 250, "", "one"},
    {"250-\r\n250-\r\n250 x\r\n", 250, "", "x"},
    {"250 a\rb\r\n", 250, "", "ab"},
};

static void whole_replies_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof goods / sizeof goods[0]; i++) {
        struct smtp_reply reply;
        assert_int_equal(feed_text(&reply, goods[i].bytes), strlen(goods[i].bytes));
        assert_int_equal(reply.state, SMTP_REPLY_COMPLETE);
        assert_int_equal(reply.code, goods[i].code);
        assert_string_equal(reply.enhanced, goods[i].enhanced);
        assert_string_equal(reply.text, goods[i].text);
    }
}

static void byte_by_byte_reads_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof goods / sizeof goods[0]; i++) {
        struct smtp_reply reply;
        size_t size = strlen(goods[i].bytes);
        smtp_reply_init(&reply);
        for (size_t at = 0; at < size; at++) {
            assert_int_equal(reply.state, SMTP_REPLY_MORE);
            assert_int_equal(smtp_reply_feed(&reply, goods[i].bytes + at, 1), 1);
        }
        assert_int_equal(reply.state, SMTP_REPLY_COMPLETE);
        assert_int_equal(reply.code, goods[i].code);
        assert_string_equal(reply.enhanced, goods[i].enhanced);
        assert_string_equal(reply.text, goods[i].text);
    }
}

static void one_reply_is_taken_at_a_time(void **state)
{
    (void)state;
    struct smtp_reply reply;
    const char *bytes = "250 one\r\n550 5.1.1 two\r\n354";
    size_t used = feed_text(&reply, bytes);
    assert_int_equal(used, 9);
    used += smtp_reply_feed(&reply, bytes + used, strlen(bytes) - used);
    assert_int_equal(used, 24);
    assert_int_equal(reply.code, 550);
    assert_string_equal(reply.enhanced, "5.1.1");
    used += smtp_reply_feed(&reply, bytes + used, strlen(bytes) - used);
    assert_int_equal(used, 27);
    assert_int_equal(reply.state, SMTP_REPLY_MORE);
    assert_string_equal(reply.enhanced, "");
}

static void what_is_no_reply_breaks(void **state)
{
    (void)state;
    static const char *const bads[] = {
        "hello\r\n",    "\r\n",        "25\r\n",         "2x0 ok\r\n", "650 ok\r\n",
        "150 ok\r\n",   "250x ok\r\n", " 250 ok\r\n",    "2 50\r\n",   "25\r0 ok\r\n",
        "-250\r\n",     "250\rx\r\n",  "250-a\r\nb\r\n", "\n",         "250-a\r\n251 b\r\n",
        "450-a\r\n\r\n"};
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        struct smtp_reply reply;
        feed_text(&reply, bads[i]);
        if (reply.state != SMTP_REPLY_BROKEN)
            fail_msg("row %zu is taken for a reply", i);
        assert_string_not_equal(reply.problem, "");
    }
}

static void a_nul_is_a_byte_like_others_in_the_text(void **state)
{
    (void)state;
    struct smtp_reply reply;
    struct outcome outcome = {0};
    smtp_reply_init(&reply);
    assert_int_equal(smtp_reply_feed(&reply, "250 a\0b\r\n", 9), 9);
    assert_int_equal(reply.state, SMTP_REPLY_COMPLETE);
    assert_int_equal(reply.text_size, 3);
    smtp_reply_describe(&reply, &outcome);
    assert_string_equal(outcome.text, "a?b");
}

static void a_long_line_is_kept_in_part_and_an_endless_one_breaks(void **state)
{
    (void)state;
    struct smtp_reply reply;
    char block[4096];
    size_t fed = 4;
    memset(block, 'x', sizeof block);
    feed_text(&reply, "250 ");
    for (; fed + sizeof block < SMTP_REPLY_BYTES; fed += sizeof block)
        smtp_reply_feed(&reply, block, sizeof block);
    assert_int_equal(reply.state, SMTP_REPLY_MORE);
    assert_int_equal(reply.text_size, SMTP_REPLY_KEPT_BYTES - 1);
    smtp_reply_feed(&reply, block, sizeof block);
    assert_int_equal(reply.state, SMTP_REPLY_BROKEN);
}

static void an_outcome_takes_code_and_redacted_text(void **state)
{
    (void)state;
    struct smtp_reply reply;
    struct outcome outcome = {0};
    feed_text(&reply, "550 5.1.1 <p1@school.example> unknown\r\n");
    smtp_reply_describe(&reply, &outcome);
    assert_int_equal(outcome.code, 550);
    assert_string_equal(outcome.enhanced, "5.1.1");
    assert_null(strchr(outcome.text, '@'));
    assert_non_null(strstr(outcome.text, "unknown"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_replies_are_read),
        cmocka_unit_test(byte_by_byte_reads_the_same),
        cmocka_unit_test(one_reply_is_taken_at_a_time),
        cmocka_unit_test(what_is_no_reply_breaks),
        cmocka_unit_test(a_nul_is_a_byte_like_others_in_the_text),
        cmocka_unit_test(a_long_line_is_kept_in_part_and_an_endless_one_breaks),
        cmocka_unit_test(an_outcome_takes_code_and_redacted_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
