/* Proves which names and types a part of a mail may have, and where each part stands. */
#include "worker/mail/attachment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

static void a_file_name_keeps_its_ending_and_no_path(void **state)
{
    (void)state;
    static const struct {
        const char *given;
        const char *expected;
    } rows[] = {
        {"plan.pdf", "plan.pdf"},
        {"a/b\\c/plan.pdf", "plan.pdf"},
        {"/etc/", "attachment"},
        {"..", "attachment"},
        {". . .x", "x"},
        {"x. . .", "x"},
        {"con:*?\"<>|.txt", "con.txt"},
        {"a\r\n\tb.txt", "a b.txt"},
        {"\xe2\x80\xaegpj.exe", "gpj.exe"},
        {"\xff.txt", "\xef\xbf\xbd.txt"},
        {"", "attachment"},
        {NULL, "attachment"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out;
        buf_init(&out, 1000);
        assert_true(mail_attachment_append_name(&out, rows[i].given));
        assert_string_equal(out.data, rows[i].expected);
        buf_free(&out);
    }
}

/* Every length, about the limits most of all: the name is whole UTF-8 and ends as it did. */
static void a_long_file_name_is_cut_at_a_character(void **state)
{
    (void)state;
    for (size_t count = 1; count < 600; count++) {
        char given[3 * 600 + 8] = "";
        for (size_t i = 0; i < count; i++)
            memcpy(given + 3 * i, "\xe6\x9d\x8e", 3);
        memcpy(given + 3 * count, ".pdf", 5);
        struct buf out;
        buf_init(&out, 1000);
        assert_true(mail_attachment_append_name(&out, given));
        assert_true(out.size <= MAIL_FILE_NAME_BYTES);
        assert_int_equal((out.size - 4) % 3, 0);
        assert_string_equal(out.data + out.size - 4, ".pdf");
        assert_memory_equal(out.data, given, out.size - 4);
        buf_free(&out);
    }
}

static struct mail plain_mail(void)
{
    return (struct mail){
        .from = {"Training", "courses@example.org"},
        .to = {"Ann", "ann@example.net"},
        .subject = "Hello",
        .message_id = "m1.7@example.org",
        .text = "Hello\n",
        .html = "<p>Hello</p>\n",
    };
}

static void each_part_stands_on_its_level(void **state)
{
    (void)state;
    static const struct mail_calendar_part calendar = {MAIL_CALENDAR_CANCEL, "BEGIN", 5, "s.ics"};
    static const struct mail_attachment file = {"plan.pdf", "application/pdf", "%PDF", 4};
    struct error error = {0};
    struct mail mail = plain_mail();
    mail.logo = (struct mail_logo){"image/gif", "GIF89a", 6, "logo@example.org"};
    mail.calendars = &calendar;
    mail.calendar_count = 1;
    mail.attachments = &file;
    mail.attachment_count = 1;
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_true(mail_compose(&mail, &out, &error));
    static const char *const in_order[] = {
        "Content-Type: multipart/mixed;\r\n boundary=\"=_",
        "Content-Type: multipart/alternative;\r\n boundary=\"=_",
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable",
        "Content-Type: multipart/related; type=\"text/html\";\r\n boundary=\"=_",
        "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable",
        "Content-Type: image/gif\r\nContent-Transfer-Encoding: base64\r\n"
        "Content-ID: <logo@example.org>\r\n"
        "Content-Disposition: inline; filename=\"logo.gif\"\r\n\r\nR0lGODlh\r\n",
        "r--\r\n",
        "Content-Type: text/calendar; charset=utf-8; method=CANCEL\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\nQkVHSU4=\r\n",
        "a--\r\n",
        "Content-Type: text/calendar; charset=utf-8; method=CANCEL;\r\n name=\"s.ics\"\r\n"
        "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n"
        " filename=\"s.ics\"\r\n\r\nQkVHSU4=\r\n",
        "Content-Type: application/pdf;\r\n name=\"plan.pdf\"\r\n"
        "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n"
        " filename=\"plan.pdf\"\r\n\r\nJVBERg==\r\n",
        "m--\r\n",
    };
    const char *at = out.data;
    for (size_t i = 0; i < sizeof(in_order) / sizeof(in_order[0]); i++) {
        at = strstr(at, in_order[i]);
        assert_non_null(at);
        at += strlen(in_order[i]);
    }
    assert_string_equal(at, "");
    buf_free(&out);
}

static void assert_refused(const struct mail *mail, const char *problem)
{
    struct error error = {0};
    struct buf out;
    buf_init(&out, 32 << 20);
    buf_append_text(&out, "before");
    assert_false(mail_compose(mail, &out, &error));
    assert_int_equal(error.exit_status, EX_DATAERR);
    assert_string_equal(error.text, problem);
    assert_string_equal(out.data, "before");
    buf_free(&out);
}

static void files_together_have_a_limit(void **state)
{
    (void)state;
    size_t half = MAIL_ATTACHMENTS_BYTES / 2;
    char *bytes = calloc(1, half + 1);
    assert_non_null(bytes);
    struct mail_attachment files[2] = {{"a", "application/octet-stream", bytes, half},
                                       {"b", "application/octet-stream", bytes, half}};
    struct error error = {0};
    struct mail mail = plain_mail();
    struct buf out;
    mail.attachments = files;
    mail.attachment_count = 2;
    buf_init(&out, 32 << 20);
    assert_true(mail_compose(&mail, &out, &error));
    buf_free(&out);
    files[1].size++;
    assert_refused(&mail, "attachments: larger than 7340032 bytes together");
    free(bytes);
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    struct mail mail = plain_mail();
    struct mail_calendar_part calendar = {MAIL_CALENDAR_REQUEST, "", 0, "s.ics"};
    mail.calendars = &calendar;
    mail.calendar_count = 1;
    assert_refused(&mail, "calendars[0]: empty");
    calendar = (struct mail_calendar_part){MAIL_CALENDAR_REQUEST, "x", MAIL_CALENDAR_BYTES + 1, ""};
    assert_refused(&mail, "calendars[0]: larger than 65536 bytes");

    mail = plain_mail();
    struct mail_attachment file = {"a", NULL, "x", 1};
    mail.attachments = &file;
    mail.attachment_count = 1;
    assert_refused(&mail, "attachments[0]: malformed type");
    static const char *const types[] = {"",      "/",     "a/",      "/b",
                                        "a/b/c", "a b/c", "a/b;c=d", "a/\xc3\xa9"};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        file.type = types[i];
        assert_refused(&mail, "attachments[0]: malformed type");
    }
    file = (struct mail_attachment){"a", "a/b", NULL, 1};
    assert_refused(&mail, "attachments[0]: no content");

    mail = plain_mail();
    mail.logo = (struct mail_logo){"image/png", "x", 1, "no at"};
    assert_refused(&mail, "logo: malformed content id");
    mail.logo = (struct mail_logo){"image/png", NULL, 1, "a@b"};
    assert_refused(&mail, "logo: neither png nor jpeg nor gif");
    mail.html = NULL;
    assert_refused(&mail, "logo: the mail has no html to show it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_name_keeps_its_ending_and_no_path),
        cmocka_unit_test(a_long_file_name_is_cut_at_a_character),
        cmocka_unit_test(each_part_stands_on_its_level),
        cmocka_unit_test(files_together_have_a_limit),
        cmocka_unit_test(what_is_missing_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
