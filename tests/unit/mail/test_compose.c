/* Proves that a mail has the headers it should, and that no text becomes one. */
#include "worker/mail/compose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

static struct mail plain_mail(void)
{
    return (struct mail){
        .from = {"Training", "courses@example.org"},
        .to = {"Ann", "ann@example.net"},
        .subject = "Hello",
        .message_id = "m1.7@example.org",
        .date_unix_seconds = 1795426200,
        .text = "Hello\n",
    };
}

static void compose(const struct mail *mail, struct buf *out)
{
    struct error error = {0};
    buf_init(out, 4 << 20);
    if (!mail_compose(mail, out, &error))
        fail_msg("%s", error.text);
}

static void a_plain_mail_is_exactly_this(void **state)
{
    (void)state;
    struct buf out;
    struct mail mail = plain_mail();
    compose(&mail, &out);
    assert_string_equal(out.data, "Date: Mon, 23 Nov 2026 09:30:00 +0000\r\n"
                                  "From: Training <courses@example.org>\r\n"
                                  "To: Ann <ann@example.net>\r\n"
                                  "Subject: Hello\r\n"
                                  "Message-ID: <m1.7@example.org>\r\n"
                                  "MIME-Version: 1.0\r\n"
                                  "Content-Type: text/plain; charset=utf-8\r\n"
                                  "Content-Transfer-Encoding: quoted-printable\r\n"
                                  "\r\n"
                                  "Hello\r\n");
    buf_free(&out);
}

static void a_bulk_mail_says_how_to_stop_it(void **state)
{
    (void)state;
    struct buf out;
    struct mail mail = plain_mail();
    mail.reply_to = (struct mail_address){"", "desk@example.org"};
    mail.unsubscribe_url = "https://mail.example.org/u/abc";
    mail.unsubscribe_mailto = "u-abc@mail.example.org?subject=stop";
    mail.list_id = "alerts.demo.example.org";
    mail.feedback_id = "course_alert:demo:handbell:1";
    mail.is_automatic = true;
    mail.html = "<p>Hello</p>";
    compose(&mail, &out);
    assert_non_null(strstr(out.data, "\r\nReply-To: desk@example.org\r\n"));
    assert_non_null(strstr(out.data, "\r\nAuto-Submitted: auto-generated\r\n"
                                     "X-Auto-Response-Suppress: OOF, AutoReply\r\n"
                                     "List-Unsubscribe: <https://mail.example.org/u/abc>,\r\n"
                                     " <mailto:u-abc@mail.example.org?subject=stop>\r\n"
                                     "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
                                     "List-Id: <alerts.demo.example.org>\r\n"
                                     "Feedback-ID: course_alert:demo:handbell:1\r\n"));
    assert_null(strstr(out.data, "Precedence"));
    buf_free(&out);
}

static void the_same_mail_gives_the_same_bytes(void **state)
{
    (void)state;
    struct buf first;
    struct buf second;
    struct mail mail = plain_mail();
    mail.html = "<p>--=_</p>";
    compose(&mail, &first);
    compose(&mail, &second);
    assert_string_equal(first.data, second.data);
    buf_free(&second);
    mail.message_id = "m2.7@example.org";
    compose(&mail, &second);
    const char *boundary = strstr(first.data, "boundary=");
    assert_non_null(boundary);
    assert_null(strstr(second.data, (char[]){boundary[12], boundary[13], boundary[14], boundary[15],
                                             boundary[16], boundary[17], boundary[18], '\0'}));
    buf_free(&first);
    buf_free(&second);
}

static size_t count_lines(const struct buf *out, size_t *longest)
{
    size_t lines = 0;
    *longest = 0;
    const char *body = strstr(out->data, "\r\n\r\n");
    assert_non_null(body);
    for (const char *line = out->data; line < body + 2; lines++) {
        const char *end = strstr(line, "\r\n");
        size_t size = (size_t)(end - line);
        assert_null(memchr(line, '\n', size));
        assert_null(memchr(line, '\r', size));
        *longest = size > *longest ? size : *longest;
        line = end + 2;
    }
    return lines;
}

static void no_text_becomes_a_header(void **state)
{
    (void)state;
    static const char *const evil[] = {
        "a\r\nBcc: evil@example.com",
        "a\nBcc: evil@example.com",
        "a\rBcc: evil@example.com",
        "\r\n\r\n<script>",
        "a\xe2\x80\xa8"
        "Bcc: evil@example.com",
        "a\xc2\x85"
        "Bcc: evil@example.com",
        "\xe2\x80\xaemoc.live",
        "=?utf-8?B?DQpCY2M6IGE=?=",
        "\"\\\r\n Bcc: x\"",
        "ends with a backslash \\",
        "a,b;c:<d@example.com>",
    };
    for (size_t i = 0; i < sizeof(evil) / sizeof(evil[0]); i++) {
        struct buf out;
        size_t longest = 0;
        struct mail mail = plain_mail();
        mail.subject = mail.from.name = mail.to.name = evil[i];
        mail.reply_to = (struct mail_address){evil[i], "desk@example.org"};
        compose(&mail, &out);
        size_t lines = count_lines(&out, &longest);
        assert_true(longest <= 78);
        size_t folded = 0;
        for (const char *at = strstr(out.data, "\r\n "); at != NULL; at = strstr(at + 2, "\r\n "))
            folded++;
        assert_int_equal(lines - folded, 9);
        assert_null(strstr(out.data, "\nBcc"));
        assert_null(strstr(out.data, "\xe2\x80"));
        buf_free(&out);
    }
}

static void headers_are_folded_and_long_ones_cut(void **state)
{
    (void)state;
    static char words[4001];
    static char letters[4001];
    static char bells[4001];
    for (size_t i = 0; i < 4000; i++) {
        words[i] = i % 7 == 6 ? ' ' : 'w';
        letters[i] = 'l';
        bells[i] = "\xf0\x9f\x94\x94"[i % 4];
    }
    const char *const texts[] = {words, letters, bells};
    for (size_t i = 0; i < 3; i++) {
        struct buf out;
        size_t longest = 0;
        struct mail mail = plain_mail();
        mail.subject = mail.to.name = texts[i];
        compose(&mail, &out);
        count_lines(&out, &longest);
        assert_true(longest <= 78);
        assert_true(out.size < 8000);
        buf_free(&out);
    }
}

static void what_cannot_be_sent_is_refused_by_field(void **state)
{
    (void)state;
    static char long_url[MAIL_URL_BYTES + 2] = "https://";
    memset(long_url + 8, 'a', sizeof(long_url) - 9);
    struct mail rows[10];
    static const char *const problems[] = {
        "from: malformed address",      "to: no address",
        "reply_to: malformed address",  "message_id: missing",
        "message_id: has a blank",      "text: missing",
        "unsubscribe_url: neither",     "unsubscribe_url: has a blank",
        "unsubscribe_url: longer than", "list_id: has a blank",
    };
    for (size_t i = 0; i < 10; i++)
        rows[i] = plain_mail();
    rows[0].from.address = "a@b\r\nBcc: c";
    rows[1].to.address = "";
    rows[2].reply_to.address = "a b@example.org";
    rows[3].message_id = NULL;
    rows[4].message_id = "a@b>\r\nX: y";
    rows[5].text = "";
    rows[6].unsubscribe_url = "javascript:alert(1)";
    rows[7].unsubscribe_url = "https://example.org/\r\nBcc:x";
    rows[8].unsubscribe_url = long_url;
    rows[9].list_id = "a b";
    for (size_t i = 0; i < 10; i++) {
        struct buf out;
        struct error error = {0};
        buf_init(&out, 100000);
        buf_append_text(&out, "before");
        assert_false(mail_compose(&rows[i], &out, &error));
        assert_int_equal(error.exit_status, EX_DATAERR);
        if (strncmp(error.text, problems[i], strlen(problems[i])) != 0)
            fail_msg("row %zu: %s", i, error.text);
        assert_string_equal(out.data, "before");
        buf_free(&out);
    }
}

static void a_mail_past_its_ceiling_is_refused_whole(void **state)
{
    (void)state;
    struct error error = {0};
    struct buf out;
    struct mail mail = plain_mail();
    buf_init(&out, 200);
    assert_false(mail_compose(&mail, &out, &error));
    assert_non_null(strstr(error.text, "larger than 200 bytes"));
    assert_int_equal(out.size, 0);
    buf_free(&out);
}

static void addresses_are_judged_by_their_shape(void **state)
{
    (void)state;
    static const char *const right[] = {
        "a@b",
        "ann.o'brien+x=y@example.org",
        "u-abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuvw@mail.example.org",
        "si\xc3\xa2n@caf\xc3\xa9.example",
        "a@xn--caf-dma.example",
        "{{a}}%s@example.org",
    };
    static const char *const wrong[] = {
        "a",
        "@b",
        "a@",
        "a@b@c",
        "a b@c",
        "a@b c",
        "a@b..c",
        "a@.b",
        "a@b.",
        "a@-b",
        "a@b-",
        "a@b_c",
        ".a@b",
        "a.@b",
        "a..b@c",
        "a\n@b",
        "a@b\r\nX: y",
        "<a@b>",
        "a,b@c",
        "\"a b\"@c",
        "a@[1.2.3]",
        "a(x)@b",
        "a\x7f@b",
        "a\xff@b",
        "a\xe2\x80\xae@b",
        "a\xe2\x80\xa8@b",
        "a\\b@c",
        "a@b:25",
        "a@b\t",
    };
    struct error error = {0};
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        if (!mail_address_check(right[i], "to", &error))
            fail_msg("%s", right[i]);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (mail_address_check(wrong[i], "to", &error))
            fail_msg("%s", wrong[i]);
        assert_string_equal(error.text, "to: malformed address");
    }
    char local[80] = "";
    memset(local, 'a', 65);
    strcpy(local + 65, "@b");
    assert_false(mail_address_check(local, "to", &error));
    assert_true(mail_address_check(local + 1, "to", &error));
    assert_false(mail_address_check(NULL, "to", &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_mail_is_exactly_this),
        cmocka_unit_test(a_bulk_mail_says_how_to_stop_it),
        cmocka_unit_test(the_same_mail_gives_the_same_bytes),
        cmocka_unit_test(no_text_becomes_a_header),
        cmocka_unit_test(headers_are_folded_and_long_ones_cut),
        cmocka_unit_test(what_cannot_be_sent_is_refused_by_field),
        cmocka_unit_test(a_mail_past_its_ceiling_is_refused_whole),
        cmocka_unit_test(addresses_are_judged_by_their_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
