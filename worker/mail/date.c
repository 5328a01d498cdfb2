/* Dates in words. The calendar is the proleptic Gregorian one; nothing here asks what time it is.
 */
#include "worker/mail/date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const day_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};
static const char *const month_names[] = {"January",   "February", "March",    "April",
                                          "May",       "June",     "July",     "August",
                                          "September", "October",  "November", "December"};

static bool digits_read(const char **text, int count, int *value)
{
    *value = 0;
    for (int i = 0; i < count; i++) {
        char c = (*text)[i];
        if (c < '0' || c > '9')
            return false;
        *value = *value * 10 + (c - '0');
    }
    *text += count;
    return true;
}

static bool sign_read(const char **text, const char *signs)
{
    if (**text == '\0' || strchr(signs, **text) == NULL)
        return false;
    (*text)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

static bool is_date(const struct mail_date *date)
{
    return date->year >= 1 && date->month >= 1 && date->month <= 12 && date->day >= 1 &&
           date->day <= days_in_month(date->year, date->month) && date->hour <= 23 &&
           date->minute <= 59;
}

/* ":30", ":30.25" or nothing. */
static bool is_seconds(const char *text)
{
    int seconds = 0;
    if (*text == '\0')
        return true;
    if (!sign_read(&text, ":") || !digits_read(&text, 2, &seconds) || seconds > 60)
        return false;
    if (*text == '.')
        text += 1 + strspn(text + 1, "0123456789");
    return *text == '\0';
}

bool mail_date_parse(const char *text, struct mail_date *date)
{
    struct mail_date read = {0};
    bool is_read = digits_read(&text, 4, &read.year) && sign_read(&text, "-") &&
                   digits_read(&text, 2, &read.month) && sign_read(&text, "-") &&
                   digits_read(&text, 2, &read.day) && sign_read(&text, "T ") &&
                   digits_read(&text, 2, &read.hour) && sign_read(&text, ":") &&
                   digits_read(&text, 2, &read.minute) && is_seconds(text) && is_date(&read);
    *date = is_read ? read : (struct mail_date){0};
    return is_read;
}

bool mail_date_is_same_day(const struct mail_date *a, const struct mail_date *b)
{
    return a->year == b->year && a->month == b->month && a->day == b->day;
}

/* Sakamoto's rule: 0 is Sunday. */
static int weekday(const struct mail_date *date)
{
    static const int shifts[] = {0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4};
    int year = date->year - (date->month < 3);
    return (year + year / 4 - year / 100 + year / 400 + shifts[date->month - 1] + date->day) % 7;
}

bool mail_date_append_short_day(struct buf *out, const struct mail_date *date)
{
    return buf_printf(out, "%s %d %s", day_names[weekday(date)], date->day,
                      month_names[date->month - 1]);
}

bool mail_date_append_day(struct buf *out, const struct mail_date *date)
{
    return mail_date_append_short_day(out, date) && buf_printf(out, " %d", date->year);
}

bool mail_date_append_time(struct buf *out, const struct mail_date *date)
{
    if (date->minute == 0 && date->hour == 0)
        return buf_append_text(out, "midnight");
    if (date->minute == 0 && date->hour == 12)
        return buf_append_text(out, "12 noon");
    int hour = date->hour % 12 == 0 ? 12 : date->hour % 12;
    const char *half = date->hour < 12 ? "am" : "pm";
    if (date->minute == 0)
        return buf_printf(out, "%d%s", hour, half);
    return buf_printf(out, "%d.%02d%s", hour, date->minute, half);
}

bool mail_date_append_times(struct buf *out, const struct mail_date *start,
                            const struct mail_date *end, const char *zone)
{
    mail_date_append_time(out, start);
    if (end != NULL) {
        buf_append_text(out, " to ");
        mail_date_append_time(out, end);
        if (!mail_date_is_same_day(start, end)) {
            buf_append_text(out, " on ");
            mail_date_append_day(out, end);
        }
    }
    if (zone[0] != '\0')
        buf_printf(out, " %s", zone);
    return !out->has_failed;
}

void mail_date_write_rfc5322(int64_t unix_seconds, char text[MAIL_DATE_RFC5322_BYTES])
{
    static const int64_t last_second = INT64_C(253402300799);
    struct tm parts = {0};
    time_t seconds = unix_seconds < 0             ? 0
                     : unix_seconds > last_second ? (time_t)last_second
                                                  : (time_t)unix_seconds;
    (void)gmtime_r(&seconds, &parts);
    /* %.3s: strftime's names would follow the process's locale. */
    (void)snprintf(text, MAIL_DATE_RFC5322_BYTES, "%.3s, %02u %.3s %04u %02u:%02u:%02u +0000",
                   day_names[parts.tm_wday], (unsigned)parts.tm_mday % 100U,
                   month_names[parts.tm_mon], (unsigned)(parts.tm_year + 1900) % 10000U,
                   (unsigned)parts.tm_hour % 100U, (unsigned)parts.tm_min % 100U,
                   (unsigned)parts.tm_sec % 100U);
}
