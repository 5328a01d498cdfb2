/* What people wrote, on its way into a calendar. Knows what a property may hold, not how one is
 * written. */
#include "worker/mail/calendar_text.h"

#include "worker/mail/compose.h"
#include "worker/mail/header.h"
#include "worker/model/plain_text.h"

#include <string.h>
#include <sysexits.h>

enum {
    BODY_GROWTH = 3, /* a byte that is no UTF-8 becomes three */
    LINE_OCTETS = 75,
};

/* The years 1970 to 9998: in every zone four digits. */
static const int64_t latest_unix_seconds = INT64_C(253370764799);

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static bool is_visible(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

static bool check_time(int64_t unix_seconds, const char *field, struct error *error)
{
    if (unix_seconds < 0 || unix_seconds > latest_unix_seconds)
        return error_set(error, EX_DATAERR, "%s: outside the years 1970 to 9998", field);
    return true;
}

static bool check_times(const struct mail_calendar_event *event, struct error *error)
{
    if (!check_time(event->stamp_unix_seconds, "stamp", error) ||
        !check_time(event->starts_unix_seconds, "starts", error) ||
        !check_time(event->ends_unix_seconds, "ends", error))
        return false;
    if (event->ends_unix_seconds != 0 && event->ends_unix_seconds < event->starts_unix_seconds)
        return error_set(error, EX_DATAERR, "ends: before it starts");
    return true;
}

static bool check_url(const char *url, struct error *error)
{
    if (!is_given(url))
        return true;
    if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
        return error_set(error, EX_DATAERR, "url: neither https nor http");
    if (strlen(url) > MAIL_URL_BYTES)
        return error_set(error, EX_DATAERR, "url: longer than %d bytes", MAIL_URL_BYTES);
    if (!is_visible(url))
        return error_set(error, EX_DATAERR, "url: has a blank, a control or non-ASCII");
    return true;
}

bool calendar_event_check(const struct mail_calendar_event *event, struct error *error)
{
    if (!is_given(event->uid) || strlen(event->uid) > MAIL_CALENDAR_UID_BYTES ||
        !is_visible(event->uid))
        return error_set(error, EX_DATAERR, "uid: missing, too long or not visible ASCII");
    if (event->sequence < 0 || event->sequence > INT32_MAX)
        return error_set(error, EX_DATAERR, "sequence: not within 0 and %d", INT32_MAX);
    if (!is_given(event->zone))
        return error_set(error, EX_DATAERR, "zone: missing");
    if (!is_given(event->summary))
        return error_set(error, EX_DATAERR, "summary: missing");
    return check_times(event, error) && check_url(event->url, error) &&
           mail_address_check(event->organizer.address, "organizer", error) &&
           mail_address_check(event->attendee.address, "attendee", error);
}

/* As a header's text, so that a name reads the same in both. */
static bool name_make(struct buf *name, const char *text)
{
    if (!mail_header_make_line(name, text != NULL ? text : "", MAIL_DISPLAY_NAME_BYTES))
        return false;
    for (size_t i = 0; i < name->size; i++) {
        if (name->data[i] == '"' || name->data[i] == '^')
            name->data[i] = '\'';
        else if (name->data[i] == '\\')
            name->data[i] = '/';
    }
    return true;
}

static bool body_make(struct buf *body, const char *text, size_t ceiling)
{
    text = text != NULL ? text : "";
    size_t size = strlen(text);
    buf_init(body, BODY_GROWTH * 4 * ceiling + ceiling);
    return plain_text_append_body(body, text, size < 4 * ceiling ? size : 4 * ceiling) &&
           mail_header_cut(body, ceiling);
}

/* "Town Hall, 1 High Street, Yate": a calendar shows a place on one line. */
static bool location_make(struct buf *location, const char *text)
{
    struct buf lines;
    struct buf joined;
    buf_init(location, 0);
    bool is_made = body_make(&lines, text, 4 * MAIL_CALENDAR_LOCATION_BYTES);
    buf_init(&joined, 3 * lines.size + 1);
    for (size_t i = 0; is_made && i < lines.size;) {
        size_t line = strcspn(lines.data + i, "\n");
        size_t blank = strspn(lines.data + i, " \t,");
        if (blank < line) {
            is_made = (joined.size == 0 || buf_append_text(&joined, ", ")) &&
                      buf_append(&joined, lines.data + i, line);
            while (joined.size > 0 && strchr(" \t,", joined.data[joined.size - 1]) != NULL)
                joined.data[--joined.size] = '\0';
        }
        i += line + (lines.data[i + line] == '\n');
    }
    is_made = is_made && mail_header_make_line(location, joined.data, MAIL_CALENDAR_LOCATION_BYTES);
    buf_free(&joined);
    buf_free(&lines);
    return is_made;
}

/* RFC 6068 section 2: what a URI cannot hold, or would read as its own, is escaped. */
static bool mailto_make(struct buf *uri, const char *address)
{
    static const char hex[] = "0123456789ABCDEF";
    static const char literal[] = "@.-_~!$'*+:";
    buf_init(uri, sizeof("mailto:") + 3 * MAIL_ADDRESS_BYTES);
    buf_append_text(uri, "mailto:");
    for (; *address != '\0'; address++) {
        unsigned char byte = (unsigned char)*address;
        bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        bool is_digit = byte >= '0' && byte <= '9';
        if (is_letter || is_digit || strchr(literal, *address) != NULL)
            buf_append_char(uri, *address);
        else
            buf_append(uri, (const char[]){'%', hex[byte >> 4], hex[byte & 15U]}, 3);
    }
    return !uri->has_failed;
}

bool calendar_texts_make(struct calendar_texts *texts, const struct mail_calendar_event *event)
{
    struct buf *const all[] = {&texts->summary,      &texts->location, &texts->description,
                               &texts->organizer,    &texts->attendee, &texts->organizer_name,
                               &texts->attendee_name};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        buf_init(all[i], 0);
    return mail_header_make_line(&texts->summary, event->summary, MAIL_CALENDAR_SUMMARY_BYTES) &&
           location_make(&texts->location, event->location) &&
           body_make(&texts->description, event->description, MAIL_CALENDAR_DESCRIPTION_BYTES) &&
           mailto_make(&texts->organizer, event->organizer.address) &&
           mailto_make(&texts->attendee, event->attendee.address) &&
           name_make(&texts->organizer_name, event->organizer.name) &&
           name_make(&texts->attendee_name, event->attendee.name);
}

void calendar_texts_free(struct calendar_texts *texts)
{
    buf_free(&texts->summary);
    buf_free(&texts->location);
    buf_free(&texts->description);
    buf_free(&texts->organizer);
    buf_free(&texts->organizer_name);
    buf_free(&texts->attendee);
    buf_free(&texts->attendee_name);
}

static void append_line(struct buf *out, const char *line, size_t size)
{
    size_t room = LINE_OCTETS;
    while (size > room) {
        size_t cut = room;
        while (cut > 1 && ((unsigned char)line[cut] & 0xc0U) == 0x80U)
            cut--;
        buf_append(out, line, cut);
        buf_append_text(out, "\r\n ");
        line += cut;
        size -= cut;
        room = LINE_OCTETS - 1;
    }
    buf_append(out, line, size);
    buf_append_text(out, "\r\n");
}

bool calendar_fold(struct buf *folded, const char *printed)
{
    struct buf plain;
    size_t size = strlen(printed);
    buf_init(&plain, size);
    buf_init(folded, 2 * size + 2);
    for (const char *fold = strstr(printed, "\r\n "); fold != NULL;
         fold = strstr(printed, "\r\n ")) {
        buf_append(&plain, printed, (size_t)(fold - printed));
        printed = fold + 3;
    }
    bool is_done = buf_append_text(&plain, printed) && !plain.has_failed;
    for (size_t i = 0; is_done && i < plain.size;) {
        const char *end = strstr(plain.data + i, "\r\n");
        size_t line = end != NULL ? (size_t)(end - plain.data) - i : plain.size - i;
        append_line(folded, plain.data + i, line);
        i += line + 2;
    }
    buf_free(&plain);
    return is_done && !folded->has_failed;
}
