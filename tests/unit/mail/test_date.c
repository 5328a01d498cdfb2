/* Proves that dates read as people of England and Wales write them, and that none is invented. */
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

typedef bool append_day(struct buf *out, const struct mail_date *date, enum language language);

static void assert_day(append_day *append, const char *local, enum language language,
                       const char *words)
{
    struct mail_date date;
    struct buf out;
    buf_init(&out, 200);
    assert_true(mail_date_parse(local, &date));
    assert_true(append(&out, &date, language));
    assert_string_equal(out.data, words);
    buf_free(&out);
}

static void assert_times(const char *start, const char *end, const char *start_zone,
                         const char *end_zone, enum language language, const char *words)
{
    struct mail_date_span span = {.start_zone = start_zone, .end_zone = end_zone};
    struct buf out;
    buf_init(&out, 200);
    assert_true(mail_date_parse(start, &span.start));
    assert_true(end == NULL || mail_date_parse(end, &span.end));
    assert_true(mail_date_append_times(&out, &span, language));
    assert_string_equal(out.data, words);
    buf_free(&out);
}

static void a_day_is_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *local;
        const char *english;
        const char *welsh;
    } rows[] = {
        {"2026-11-23T09:30", "Monday 23 November 2026", "Dydd Llun 23 Tachwedd 2026"},
        {"2026-06-01T13:00", "Monday 1 June 2026", "Dydd Llun 1 Mehefin 2026"},
        {"2026-11-22T00:00", "Sunday 22 November 2026", "Dydd Sul 22 Tachwedd 2026"},
        {"2028-02-29T00:05", "Tuesday 29 February 2028", "Dydd Mawrth 29 Chwefror 2028"},
        {"2026-01-01T09:00", "Thursday 1 January 2026", "Dydd Iau 1 Ionawr 2026"},
        {"2000-01-01T09:00", "Saturday 1 January 2000", "Dydd Sadwrn 1 Ionawr 2000"},
        {"1999-12-31T09:00", "Friday 31 December 1999", "Dydd Gwener 31 Rhagfyr 1999"},
        {"2026-03-04T09:00", "Wednesday 4 March 2026", "Dydd Mercher 4 Mawrth 2026"},
        {"2026-04-06T09:00", "Monday 6 April 2026", "Dydd Llun 6 Ebrill 2026"},
        {"2026-05-05T09:00", "Tuesday 5 May 2026", "Dydd Mawrth 5 Mai 2026"},
        {"2026-07-02T09:00", "Thursday 2 July 2026", "Dydd Iau 2 Gorffennaf 2026"},
        {"2026-08-07T09:00", "Friday 7 August 2026", "Dydd Gwener 7 Awst 2026"},
        {"2026-09-05T09:00", "Saturday 5 September 2026", "Dydd Sadwrn 5 Medi 2026"},
        {"2026-10-25T09:00", "Sunday 25 October 2026", "Dydd Sul 25 Hydref 2026"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_day(mail_date_append_day, rows[i].local, LANGUAGE_EN_GB, rows[i].english);
        assert_day(mail_date_append_day, rows[i].local, LANGUAGE_CY, rows[i].welsh);
    }
}

/* Welsh changes the first sound of the day where a sentence says when. */
static void a_day_has_the_form_of_its_place(void **state)
{
    (void)state;
    static const char monday[] = "2026-11-23T17:00";
    assert_day(mail_date_append_on_day, monday, LANGUAGE_EN_GB, "on Monday 23 November 2026");
    assert_day(mail_date_append_on_day, monday, LANGUAGE_CY, "ddydd Llun 23 Tachwedd 2026");
    assert_day(mail_date_append_short_day, monday, LANGUAGE_EN_GB, "Monday 23 November");
    assert_day(mail_date_append_short_day, monday, LANGUAGE_CY, "dydd Llun 23 Tachwedd");
    assert_day(mail_date_append_moment, monday, LANGUAGE_EN_GB, "5pm on Monday 23 November 2026");
    assert_day(mail_date_append_moment, monday, LANGUAGE_CY, "5pm ddydd Llun 23 Tachwedd 2026");
}

/* Whoever reads "by midnight on Tuesday" has until Tuesday is over. */
static void a_midnight_ends_the_day_that_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *local;
        const char *english;
        const char *welsh;
    } rows[] = {
        {"2027-04-27T00:00", "midnight at the end of Monday 26 April 2027",
         "hanner nos ar ddiwedd dydd Llun 26 Ebrill 2027"},
        {"2028-03-01T00:00", "midnight at the end of Tuesday 29 February 2028",
         "hanner nos ar ddiwedd dydd Mawrth 29 Chwefror 2028"},
        {"2027-01-01T00:00", "midnight at the end of Thursday 31 December 2026",
         "hanner nos ar ddiwedd dydd Iau 31 Rhagfyr 2026"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_day(mail_date_append_moment, rows[i].local, LANGUAGE_EN_GB, rows[i].english);
        assert_day(mail_date_append_moment, rows[i].local, LANGUAGE_CY, rows[i].welsh);
    }
}

static void times_are_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *start;
        const char *end;
        const char *zone;
        const char *english;
        const char *welsh;
    } rows[] = {
        {"2026-11-23T09:30", "2026-11-23T15:30", "GMT", "9.30am to 3.30pm GMT",
         "9.30am i 3.30pm GMT"},
        {"2026-06-01T13:00", "2026-06-01T14:05", "BST", "1pm to 2.05pm BST", "1pm i 2.05pm BST"},
        {"2026-11-22T00:00", "2026-11-22T12:00", "", "midnight to 12 noon",
         "hanner nos i hanner dydd"},
        {"2028-02-29T00:05", "2028-02-29T12:30", "GMT", "12.05am to 12.30pm GMT",
         "12.05am i 12.30pm GMT"},
        {"2026-11-23T18:00", "2026-11-24T01:00", "GMT",
         "6pm to 1am GMT on Tuesday 24 November 2026",
         "6pm i 1am GMT ddydd Mawrth 24 Tachwedd 2026"},
        {"2026-11-23T18:00", "2026-11-24T00:00", "GMT", "6pm to midnight GMT",
         "6pm i hanner nos GMT"},
        {"2026-11-23T18:00", "2026-11-25T00:00", "+0545",
         "6pm to midnight UTC+0545 at the end of Tuesday 24 November 2026",
         "6pm i hanner nos UTC+0545 ar ddiwedd dydd Mawrth 24 Tachwedd 2026"},
        {"2026-01-01T09:00", NULL, "GMT", "9am GMT", "9am GMT"},
        {"2026-01-01T09:00", NULL, "-03", "9am UTC-03", "9am UTC-03"},
        {"2000-01-01T09:00", NULL, "", "9am", "9am"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_times(rows[i].start, rows[i].end, rows[i].zone, "", LANGUAGE_EN_GB, rows[i].english);
        assert_times(rows[i].start, rows[i].end, rows[i].zone, rows[i].zone, LANGUAGE_CY,
                     rows[i].welsh);
    }
}

/* A residential that begins in one time and ends in the other names both. */
static void clocks_that_change_in_between_are_said(void **state)
{
    (void)state;
    assert_times("2026-10-24T09:00", "2026-10-25T16:00", "BST", "GMT", LANGUAGE_EN_GB,
                 "9am BST to 4pm GMT on Sunday 25 October 2026");
    assert_times("2027-03-27T09:00", "2027-03-28T16:00", "GMT", "BST", LANGUAGE_CY,
                 "9am GMT i 4pm BST ddydd Sul 28 Mawrth 2027");
    assert_times("2026-10-25T00:30", "2026-10-25T01:30", "BST", "GMT", LANGUAGE_EN_GB,
                 "12.30am BST to 1.30am GMT");
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
        cmocka_unit_test(a_day_is_in_words),
        cmocka_unit_test(a_day_has_the_form_of_its_place),
        cmocka_unit_test(a_midnight_ends_the_day_that_is_named),
        cmocka_unit_test(times_are_in_words),
        cmocka_unit_test(clocks_that_change_in_between_are_said),
        cmocka_unit_test(the_date_header_is_of_rfc_5322),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
