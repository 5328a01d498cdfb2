/* Dates in words. The calendar is the proleptic Gregorian one; nothing here asks what time it is.
 */
#include "worker/mail/date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* The days with their word before them, which Welsh changes: "Dydd Llun", "dydd Llun", "ddydd
 * Llun".
 */
struct date_words {
    const char *day_starting_line;
    const char *day_in_sentence; /* the word that says "on" included */
    const char *day_after_comma;
    const char *days[7]; /* Sunday first */
    const char *months[12];
    const char *noon;
    const char *midnight;
    const char *at_day_end; /* between midnight and the day that it ends */
    const char *to;
};

static const struct date_words words_of[LANGUAGE_COUNT] = {
    [LANGUAGE_EN_GB] = {.day_starting_line = "",
                        .day_in_sentence = "on ",
                        .day_after_comma = "",
                        .days = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
                                 "Saturday"},
                        .months = {"January", "February", "March", "April", "May", "June", "July",
                                   "August", "September", "October", "November", "December"},
                        .noon = "12 noon",
                        .midnight = "midnight",
                        .at_day_end = " at the end of ",
                        .to = " to "},
    [LANGUAGE_CY] = {.day_starting_line = "Dydd ",
                     .day_in_sentence = "ddydd ",
                     .day_after_comma = "dydd ",
                     .days = {"Sul", "Llun", "Mawrth", "Mercher", "Iau", "Gwener", "Sadwrn"},
                     .months = {"Ionawr", "Chwefror", "Mawrth", "Ebrill", "Mai", "Mehefin",
                                "Gorffennaf", "Awst", "Medi", "Hydref", "Tachwedd", "Rhagfyr"},
                     .noon = "hanner dydd",
                     .midnight = "hanner nos",
                     .at_day_end = " ar ddiwedd dydd ",
                     .to = " i "},
};

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

/* "WORDLlun 23 Tachwedd". */
static bool append_day(struct buf *out, const struct mail_date *date, const char *word,
                       const struct date_words *words)
{
    return buf_printf(out, "%s%s %d %s", word, words->days[weekday(date)], date->day,
                      words->months[date->month - 1]);
}

bool mail_date_append_short_day(struct buf *out, const struct mail_date *date,
                                enum language language)
{
    const struct date_words *words = &words_of[language];
    return append_day(out, date, words->day_after_comma, words);
}

bool mail_date_append_day(struct buf *out, const struct mail_date *date, enum language language)
{
    const struct date_words *words = &words_of[language];
    return append_day(out, date, words->day_starting_line, words) &&
           buf_printf(out, " %d", date->year);
}

bool mail_date_append_on_day(struct buf *out, const struct mail_date *date, enum language language)
{
    const struct date_words *words = &words_of[language];
    return append_day(out, date, words->day_in_sentence, words) &&
           buf_printf(out, " %d", date->year);
}

bool mail_date_append_time(struct buf *out, const struct mail_date *date, enum language language)
{
    if (date->minute == 0 && date->hour == 0)
        return buf_append_text(out, words_of[language].midnight);
    if (date->minute == 0 && date->hour == 12)
        return buf_append_text(out, words_of[language].noon);
    int hour = date->hour % 12 == 0 ? 12 : date->hour % 12;
    const char *half = date->hour < 12 ? "am" : "pm";
    if (date->minute == 0)
        return buf_printf(out, "%d%s", hour, half);
    return buf_printf(out, "%d.%02d%s", hour, date->minute, half);
}

static bool is_midnight(const struct mail_date *date)
{
    return date->hour == 0 && date->minute == 0;
}

static struct mail_date day_before(struct mail_date date)
{
    if (--date.day == 0) {
        date.month = date.month == 1 ? 12 : date.month - 1;
        date.year -= date.month == 12;
        date.day = days_in_month(date.year, date.month);
    }
    return date;
}

/* Behind "midnight": that of Tuesday is read as the one between Tuesday and Wednesday, so the day
 * that ends is named. */
static bool append_day_end(struct buf *out, const struct mail_date *date, enum language language)
{
    const struct mail_date ended = day_before(*date);
    const struct date_words *words = &words_of[language];
    return append_day(out, &ended, words->at_day_end, words) && buf_printf(out, " %d", ended.year);
}

static bool append_end_day(struct buf *out, const struct mail_date *date, enum language language)
{
    if (is_midnight(date))
        return append_day_end(out, date, language);
    return buf_append_char(out, ' ') && mail_date_append_on_day(out, date, language);
}

bool mail_date_append_moment(struct buf *out, const struct mail_date *date, enum language language)
{
    mail_date_append_time(out, date, language);
    return append_end_day(out, date, language);
}

/* Where a zone has no word for itself its offset stands for one: "+0545". */
static void append_zone(struct buf *out, const char *zone)
{
    if (zone[0] != '\0')
        buf_printf(out, zone[0] == '+' || zone[0] == '-' ? " UTC%s" : " %s", zone);
}

/* An evening's end at midnight is still the same day's. */
static bool is_end_of(const struct mail_date *start, const struct mail_date *end)
{
    const struct mail_date ended = is_midnight(end) ? day_before(*end) : *end;
    return mail_date_is_same_day(start, end) || mail_date_is_same_day(start, &ended);
}

bool mail_date_append_times(struct buf *out, const struct mail_date_span *span,
                            enum language language)
{
    const char *zone = span->start_zone;
    mail_date_append_time(out, &span->start, language);
    if (span->end.day != 0) {
        if (span->end_zone[0] != '\0' && strcmp(span->end_zone, zone) != 0) {
            append_zone(out, zone);
            zone = span->end_zone;
        }
        buf_append_text(out, words_of[language].to);
        mail_date_append_time(out, &span->end, language);
    }
    append_zone(out, zone);
    if (span->end.day != 0 && !is_end_of(&span->start, &span->end))
        append_end_day(out, &span->end, language);
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
    const struct date_words *words = &words_of[LANGUAGE_EN_GB];
    /* %.3s: strftime's names would follow the process's locale. */
    (void)snprintf(text, MAIL_DATE_RFC5322_BYTES, "%.3s, %02u %.3s %04u %02u:%02u:%02u +0000",
                   words->days[parts.tm_wday], (unsigned)parts.tm_mday % 100U,
                   words->months[parts.tm_mon], (unsigned)(parts.tm_year + 1900) % 10000U,
                   (unsigned)parts.tm_hour % 100U, (unsigned)parts.tm_min % 100U,
                   (unsigned)parts.tm_sec % 100U);
}
