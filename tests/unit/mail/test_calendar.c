/* Proves what one calendar object looks like, and that a calendar keeps its limits. What calendars
 * make of it is for tests/e2e/test_calendar_client.py. */
#include "worker/mail/calendar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

static struct mail_calendar_event plain_event(void)
{
    return (struct mail_calendar_event){
        .method = MAIL_CALENDAR_REQUEST,
        .uid = "hb.1.2.3@example.org",
        .sequence = 4,
        .stamp_unix_seconds = 1794562200,
        .starts_unix_seconds = 1795426200,
        .ends_unix_seconds = 1795447800,
        .zone = "Europe/London",
        .summary = "Phonics",
        .organizer = {"Training", "courses@example.org"},
        .attendee = {"Ann", "ann@example.net"},
    };
}

static void an_object_is_exactly_this(void **state)
{
    struct mail_calendar *calendar = *state;
    struct mail_calendar_event event = plain_event();
    struct error error = {0};
    struct buf out;
    buf_init(&out, MAIL_CALENDAR_BYTES);
    assert_true(mail_calendar_append(calendar, &event, &out, &error));
    assert_string_equal(
        out.data, "BEGIN:VCALENDAR\r\n"
                  "PRODID:-//Handbell//Handbell//EN\r\n"
                  "VERSION:2.0\r\n"
                  "CALSCALE:GREGORIAN\r\n"
                  "METHOD:REQUEST\r\n"
                  "BEGIN:VTIMEZONE\r\n"
                  "TZID:Europe/London\r\n"
                  "BEGIN:STANDARD\r\n"
                  "TZNAME:GMT\r\n"
                  "TZOFFSETFROM:+0100\r\n"
                  "TZOFFSETTO:+0000\r\n"
                  "DTSTART:19991031T020000\r\n"
                  "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\n"
                  "END:STANDARD\r\n"
                  "BEGIN:DAYLIGHT\r\n"
                  "TZNAME:BST\r\n"
                  "TZOFFSETFROM:+0000\r\n"
                  "TZOFFSETTO:+0100\r\n"
                  "DTSTART:19810329T010000\r\n"
                  "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\n"
                  "END:DAYLIGHT\r\n"
                  "END:VTIMEZONE\r\n"
                  "BEGIN:VEVENT\r\n"
                  "UID:hb.1.2.3@example.org\r\n"
                  "SEQUENCE:4\r\n"
                  "DTSTAMP:20261113T093000Z\r\n"
                  "DTSTART;TZID=Europe/London:20261123T093000\r\n"
                  "DTEND;TZID=Europe/London:20261123T153000\r\n"
                  "SUMMARY:Phonics\r\n"
                  "ORGANIZER;CN=Training:mailto:courses@example.org\r\n"
                  "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;RSVP=FALS\r\n"
                  " E;CN=Ann:mailto:ann@example.net\r\n"
                  "STATUS:CONFIRMED\r\n"
                  "TRANSP:OPAQUE\r\n"
                  "X-MICROSOFT-DISALLOW-COUNTER:TRUE\r\n"
                  "END:VEVENT\r\n"
                  "END:VCALENDAR\r\n");
    buf_free(&out);
}

static void append(struct mail_calendar *calendar, const struct mail_calendar_event *event,
                   struct buf *out)
{
    struct error error = {0};
    buf_init(out, MAIL_CALENDAR_BYTES);
    if (!mail_calendar_append(calendar, event, out, &error))
        fail_msg("%s", error.text);
}

/* In any order of summer and winter, and with more zones than are kept. */
static void the_same_event_gives_the_same_bytes(void **state)
{
    struct mail_calendar *calendar = *state;
    static const char *const zones[] = {
        "Europe/London",  "Europe/Paris",     "Europe/Dublin",       "Europe/Athens",
        "Europe/Madrid",  "Europe/Lisbon",    "Europe/Oslo",         "Europe/Rome",
        "Europe/Vienna",  "Europe/Warsaw",    "America/New_York",    "America/Phoenix",
        "Asia/Kolkata",   "Asia/Kathmandu",   "Australia/Lord_Howe", "Pacific/Chatham",
        "Europe/Prague",  "Africa/Cairo",     "America/Bogota",      "America/Denver",
        "Europe/Tallinn", "Africa/Casablanca"};
    enum { COUNT = sizeof(zones) / sizeof(zones[0]), SUMMER_S = 180 * 86400 };
    struct buf first[2 * COUNT];
    _Static_assert((int)COUNT > (int)MAIL_CALENDAR_ZONES_MAXIMUM, "some zones must make room");
    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < 2 * COUNT; i++) {
            size_t place = round == 1 ? 2 * COUNT - 1 - i : i;
            struct mail_calendar_event event = plain_event();
            struct buf out;
            event.zone = zones[place / 2];
            event.starts_unix_seconds += place % 2 * SUMMER_S;
            event.ends_unix_seconds += place % 2 * SUMMER_S;
            append(calendar, &event, round == 0 ? &first[place] : &out);
            if (round > 0) {
                assert_string_equal(out.data, first[place].data);
                buf_free(&out);
            }
        }
    for (size_t i = 0; i < 2 * COUNT; i++)
        buf_free(&first[i]);
}

static void times_in_utc_need_no_zone(void **state)
{
    struct mail_calendar_event event = plain_event();
    struct buf out;
    event.zone = "UTC";
    append(*state, &event, &out);
    assert_null(strstr(out.data, "TZID"));
    assert_non_null(strstr(out.data, "\r\nDTSTART:20261123T093000Z\r\n"
                                     "DTEND:20261123T153000Z\r\n"));
    buf_free(&out);
}

static void an_end_at_the_start_is_no_end(void **state)
{
    struct mail_calendar_event event = plain_event();
    struct buf out;
    event.ends_unix_seconds = event.starts_unix_seconds;
    append(*state, &event, &out);
    assert_null(strstr(out.data, "DTEND"));
    buf_free(&out);
}

static void what_is_refused_leaves_the_buffer_alone(void **state)
{
    struct mail_calendar_event event = plain_event();
    struct error error = {0};
    struct buf out;
    buf_init(&out, 600);
    buf_append_text(&out, "before");
    assert_false(mail_calendar_append(*state, &event, &out, &error));
    assert_int_equal(error.exit_status, EX_DATAERR);
    assert_string_equal(error.text, "calendar: larger than 600 bytes");
    assert_string_equal(out.data, "before");
    event.zone = "Nowhere";
    assert_false(mail_calendar_append(*state, &event, &out, &error));
    assert_string_equal(error.text, "zone: not in the system's zone data");
    assert_string_equal(out.data, "before");
    buf_free(&out);
}

/* The longest of everything, each byte the worst for its place. */
static void the_largest_object_is_within_its_limit(void **state)
{
    static char worst[16384];
    static char uid[MAIL_CALENDAR_UID_BYTES + 1];
    static char url[2001];
    memset(worst, ';', sizeof(worst) - 1);
    memset(uid, ',', sizeof(uid) - 1);
    memset(url, 'x', sizeof(url) - 1);
    memcpy(url, "https://", 8);
    struct mail_calendar_event event = plain_event();
    event.uid = uid;
    event.url = url;
    event.summary = event.location = event.description = worst;
    event.organizer.name = event.attendee.name = worst;
    struct buf out;
    append(*state, &event, &out);
    assert_true(out.size < MAIL_CALENDAR_BYTES);
    buf_free(&out);
}

static int open_calendar(void **state)
{
    *state = mail_calendar_new();
    return *state != NULL ? 0 : -1;
}

static int close_calendar(void **state)
{
    mail_calendar_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_exactly_this),
        cmocka_unit_test(the_same_event_gives_the_same_bytes),
        cmocka_unit_test(times_in_utc_need_no_zone),
        cmocka_unit_test(an_end_at_the_start_is_no_end),
        cmocka_unit_test(what_is_refused_leaves_the_buffer_alone),
        cmocka_unit_test(the_largest_object_is_within_its_limit),
    };
    return cmocka_run_group_tests(tests, open_calendar, close_calendar);
}
