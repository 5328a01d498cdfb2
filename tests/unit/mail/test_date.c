/* Proves that dates read as people of England write them, and that none is invented. */
#include "worker/mail/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_local_time_is_read_or_refused(void **state)
{
    (void)state;
    static const char *const right[] = {"2026-11-23T09:30",        "2026-11-23T09:30:00",
                                        "2026-11-23 09:30:59.123", "2024-02-29T00:00",
                                        "2000-02-29T23:59",        "0001-01-01T00:00"};
    static const char *const wrong[] = {"",
                                        "2026-11-23",
                                        "2026-11-23T09",
                                        "2026-11-23T09:3",
                                        "2026-11-31T09:30",
                                        "2026-02-29T09:30",
                                        "1900-02-29T09:30",
                                        "2026-13-01T09:30",
                                        "2026-00-01T09:30",
                                        "2026-01-00T09:30",
                                        "2026-11-23T24:00",
                                        "2026-11-23T09:60",
                                        "0000-01-01T00:00",
                                        "2026-11-23T09:30Z",
                                        "2026-11-23T09:30:61",
                                        " 2026-11-23T09:30",
                                        "-026-11-23T09:30"};
    struct mail_date date;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        assert_true(mail_date_parse(right[i], &date));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (mail_date_parse(wrong[i], &date))
            fail_msg("%s", wrong[i]);
        assert_int_equal(date.day, 0);
    }
}

static void days_and_times_are_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *start;
        const char *end;
        const char *zone;
        const char *day;
        const char *times;
    } rows[] = {
        {"2026-11-23T09:30", "2026-11-23T15:30", "GMT", "Monday 23 November 2026",
         "9.30am to 3.30pm GMT"},
        {"2026-06-01T13:00", "2026-06-01T14:05", "BST", "Monday 1 June 2026", "1pm to 2.05pm BST"},
        {"2026-11-22T00:00", "2026-11-22T12:00", "", "Sunday 22 November 2026",
         "midnight to 12 noon"},
        {"2028-02-29T00:05", "2028-02-29T12:30", "GMT", "Tuesday 29 February 2028",
         "12.05am to 12.30pm GMT"},
        {"2026-11-23T18:00", "2026-11-24T01:00", "GMT", "Monday 23 November 2026",
         "6pm to 1am on Tuesday 24 November 2026 GMT"},
        {"2026-01-01T09:00", NULL, "GMT", "Thursday 1 January 2026", "9am GMT"},
        {"2000-01-01T09:00", NULL, "", "Saturday 1 January 2000", "9am"},
        {"1999-12-31T09:00", NULL, "", "Friday 31 December 1999", "9am"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mail_date start;
        struct mail_date end;
        struct buf out;
        buf_init(&out, 200);
        assert_true(mail_date_parse(rows[i].start, &start));
        assert_true(rows[i].end == NULL || mail_date_parse(rows[i].end, &end));
        assert_true(mail_date_append_day(&out, &start));
        assert_string_equal(out.data, rows[i].day);
        buf_reset(&out);
        assert_true(
            mail_date_append_times(&out, &start, rows[i].end != NULL ? &end : NULL, rows[i].zone));
        assert_string_equal(out.data, rows[i].times);
        buf_reset(&out);
        assert_true(mail_date_append_short_day(&out, &start));
        assert_int_equal(strncmp(out.data, rows[i].day, out.size), 0);
        assert_int_equal(strlen(rows[i].day), out.size + 5);
        buf_free(&out);
    }
}

static void the_date_header_is_of_rfc_5322(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 +0000"},
        {1795426200, "Mon, 23 Nov 2026 09:30:00 +0000"},
        {951782399, "Mon, 28 Feb 2000 23:59:59 +0000"},
        {-1, "Thu, 01 Jan 1970 00:00:00 +0000"},
        {INT64_MAX, "Fri, 31 Dec 9999 23:59:59 +0000"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[MAIL_DATE_RFC5322_BYTES];
        mail_date_write_rfc5322(rows[i].seconds, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_local_time_is_read_or_refused),
        cmocka_unit_test(days_and_times_are_in_words),
        cmocka_unit_test(the_date_header_is_of_rfc_5322),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
