/* Dates as people of England read them, and as RFC 5322 wants them. No clock and no time zone
 * database here: local times come ready from the facts, the present comes as an argument. */
#ifndef HANDBELL_MAIL_DATE_H
#define HANDBELL_MAIL_DATE_H

#include "worker/base/buf.h"

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

/* "Monday 23 November 2026"; "Monday 23 November"; "9.30am" (noon is "12 noon", midnight
 * "midnight"). Each returns false as buf_append does. */
bool mail_date_append_day(struct buf *out, const struct mail_date *date);
bool mail_date_append_short_day(struct buf *out, const struct mail_date *date);
bool mail_date_append_time(struct buf *out, const struct mail_date *date);
/* "9.30am to 3.30pm GMT". `end` may be NULL; `zone` may be "". Where the end is on another day:
 * "9.30am to 3.30pm on Tuesday 24 November 2026 GMT". */
bool mail_date_append_times(struct buf *out, const struct mail_date *start,
                            const struct mail_date *end, const char *zone);

/* A Date header's value (RFC 5322 section 3.3): "Mon, 23 Nov 2026 09:30:00 +0000". Seconds outside
 * the years 1970 to 9999 are taken as the nearer end. */
void mail_date_write_rfc5322(int64_t unix_seconds, char text[MAIL_DATE_RFC5322_BYTES]);

#endif
