/* Dates as people of England and Wales read them, and as RFC 5322 wants them. No clock and no time
 * zone database here: local times come ready from the facts, the present comes as an argument. */
#ifndef HANDBELL_MAIL_DATE_H
#define HANDBELL_MAIL_DATE_H

#include "worker/base/buf.h"
#include "worker/model/language.h"

#include <stdint.h>

/* A local time as the facts give it: "2026-11-23T09:30" (seconds may follow and are dropped). */
struct mail_date {
    int year; /* 1 to 9999 */
    int month;
    int day;
    int hour;
    int minute;
};

enum { MAIL_DATE_RFC5322_BYTES = 32 };

/* False, and `date` zeroed, for a text that is no such time or names a day that does not exist. */
bool mail_date_parse(const char *text, struct mail_date *date);
bool mail_date_is_same_day(const struct mail_date *a, const struct mail_date *b);

/* Each returns false as buf_append does. Welsh changes the first sound of "dydd" where it says when
 * something happens ("ddydd Llun"), so a sentence has a form of its own.
 *
 *   day        starts a line     "Monday 23 November 2026"     "Dydd Llun 23 Tachwedd 2026"
 *   on_day     in a sentence     "on Monday 23 November 2026"  "ddydd Llun 23 Tachwedd 2026"
 *   short_day  behind a comma    "Monday 23 November"          "dydd Llun 23 Tachwedd"
 *   time       "9am", "9.30am", "12 noon", "midnight"
 *              "9am", "9.30am", "hanner dydd", "hanner nos": 12 hours, am and pm in both languages
 *   moment     behind "by", "erbyn"  "5pm on Monday ..."      "5pm ddydd Llun ..."
 *              where Monday ends     "midnight at the end of Monday ...",
 *                                    "hanner nos ar ddiwedd dydd Llun ..." */
bool mail_date_append_day(struct buf *out, const struct mail_date *date, enum language language);
bool mail_date_append_on_day(struct buf *out, const struct mail_date *date, enum language language);
bool mail_date_append_short_day(struct buf *out, const struct mail_date *date,
                                enum language language);
bool mail_date_append_time(struct buf *out, const struct mail_date *date, enum language language);
bool mail_date_append_moment(struct buf *out, const struct mail_date *date, enum language language);

/* From when to when, as the clocks on the wall show it; zones are "GMT", "BST", "+0545" where there
 * is no word for one (written "UTC+0545"), or "" where nobody said. */
struct mail_date_span {
    struct mail_date start;
    struct mail_date end; /* day 0: nobody said */
    const char *start_zone;
    const char *end_zone; /* "": as at the start */
};

/* "9.30am to 3.30pm GMT", "9.30am i 3.30pm GMT". Where the end is on another day "6pm to 1am GMT on
 * Tuesday 24 November 2026" (but "10pm to midnight GMT", whose day is the evening's), and where the
 * clocks change in between "9am BST to 4pm GMT on ...". */
bool mail_date_append_times(struct buf *out, const struct mail_date_span *span,
                            enum language language);

/* A Date header's value (RFC 5322 section 3.3): "Mon, 23 Nov 2026 09:30:00 +0000". Seconds outside
 * the years 1970 to 9999 are taken as the nearer end. */
void mail_date_write_rfc5322(int64_t unix_seconds, char text[MAIL_DATE_RFC5322_BYTES]);

#endif
