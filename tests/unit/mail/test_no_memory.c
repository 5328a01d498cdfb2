/* Lets the first allocation fail while a mail with everything is composed, then the second, and so
 * on to the last: it is whole or not there, and the error says that this may pass. */
#include "tests/unit/shortage.h"
#include "worker/mail/compose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

static bool write_all(struct buf *object, struct buf *out, struct error *error)
{
    struct mail_calendar *calendar = mail_calendar_new();
    if (calendar == NULL)
        return error_set(error, EX_OSERR, "calendar: out of memory");
    const struct mail_calendar_event event = {
        .uid = "hb.1.2.3@example.org",
        .starts_unix_seconds = 1795426200,
        .zone = "Europe/London",
        .summary = "Phonics for \xe6\x9d\x8e",
        .location = "Town Hall\n1 High Street\n\nYate",
        .description = "Bring a pen.\nAnd paper.",
        .organizer = {"Training", "courses@example.org"},
        .attendee = {"Si\xc3\xa2n", "ann@example.net"},
    };
    bool is_written = mail_calendar_append(calendar, &event, object, error);
    mail_calendar_free(calendar);
    const struct mail_calendar_part part = {MAIL_CALENDAR_REQUEST, object->data, object->size,
                                            "session-1.ics"};
    const struct mail_attachment file = {"Si\xc3\xa2n's plan.pdf", "application/pdf", "%PDF", 4};
    const struct mail mail = {
        .from = {"Training, desk", "courses@example.org"},
        .to = {"Si\xc3\xa2n", "ann@example.net"},
        .subject = "Phonics for \xe6\x9d\x8e",
        .message_id = "m1.7@example.org",
        .text = "Hello\n",
        .html = "<p>Hello</p>\n",
        .logo = {"image/gif", "GIF89a", 6, "logo@example.org"},
        .calendars = &part,
        .calendar_count = 1,
        .attachments = &file,
        .attachment_count = 1,
    };
    return is_written && mail_compose(&mail, out, error);
}

static void run_short(bool stays_short)
{
    static char whole[65536];
    size_t failures = 0;
    for (size_t at = SIZE_MAX;; at = at == SIZE_MAX ? 0 : at + 1) {
        struct buf object;
        struct buf out;
        struct error error = {0};
        buf_init(&object, MAIL_CALENDAR_BYTES);
        buf_init(&out, sizeof(whole) - 1);
        shortage_begin(at, stays_short);
        bool is_written = write_all(&object, &out, &error);
        bool has_failed = shortage_end();
        if (at == SIZE_MAX) {
            assert_true(is_written);
            memcpy(whole, out.data, out.size + 1);
        } else if (is_written) {
            assert_string_equal(out.data, whole);
        } else {
            assert_int_equal(error.exit_status, EX_OSERR);
            assert_int_equal(out.size, 0);
            failures++;
        }
        buf_free(&out);
        buf_free(&object);
        if (at != SIZE_MAX && !has_failed)
            break;
    }
    assert_true(failures > 10);
}

static void a_mail_is_whole_or_not_there(void **state)
{
    (void)state;
    run_short(false);
    run_short(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_mail_is_whole_or_not_there)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
