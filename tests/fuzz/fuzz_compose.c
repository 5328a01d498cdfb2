/* Any bytes as the parts of a mail (split at 0xFE), and as facts: refused by field, or a mail whose
 * headers are only those that we wrote, each line short and of ASCII. */
#include "worker/mail/compose.h"
#include "worker/mail/context.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADER_CHARACTERS = 998, BODY_CHARACTERS = 76, CALENDAR_CHARACTERS = 75 };

/* What each part of the input is. */
enum part {
    PART_FROM_NAME,
    PART_NAME,
    PART_TO,
    PART_REPLY_TO,
    PART_SUBJECT,
    PART_UNSUBSCRIBE_URL,
    PART_TEXT,
    PART_HTML,
    PART_LOGO_TYPE,
    PART_LOGO_BYTES,
    PART_LOGO_CONTENT_ID,
    PART_FILE_NAME,
    PART_FILE_TYPE,
    PART_FILE_BYTES,
    PART_UID,
    PART_ZONE,
    PART_SUMMARY,
    PART_LOCATION,
    PART_DESCRIPTION,
    PART_EVENT_URL,
    PART_STARTS,
    PART_ENDS,
    PART_COUNT,
};

static const char *const header_names[] = {
    "Date:",
    "From:",
    "To:",
    "Reply-To:",
    "Subject:",
    "Message-ID:",
    "MIME-Version:",
    "Content-Type:",
    "Content-Transfer-Encoding:",
    "List-Unsubscribe:",
    "List-Unsubscribe-Post:",
};

static bool is_ours(const char *line)
{
    if (line[0] == ' ')
        return true;
    for (size_t i = 0; i < sizeof(header_names) / sizeof(header_names[0]); i++)
        if (strncmp(line, header_names[i], strlen(header_names[i])) == 0)
            return true;
    return false;
}

/* A part's type and id, which may be long, have no place to be folded. */
static bool is_named(const char *line, size_t size)
{
    static const char folded[] = "\r\nContent-Type:\r\n";
    enum { BEFORE = sizeof(folded) - 1 };
    return memmem(line, size, "Content-Type: ", 14) == line ||
           memmem(line, size, "Content-ID: ", 12) == line ||
           (line[0] == ' ' && memcmp(line - BEFORE, folded, BEFORE) == 0);
}

/* Addresses may be UTF-8; all else is ASCII. */
static void check_mail(const struct buf *out)
{
    bool is_header = true;
    for (size_t i = 0; i < out->size;) {
        const char *line = out->data + i;
        const char *end = memchr(line, '\n', out->size - i);
        if (end == NULL || end == line || end[-1] != '\r')
            abort();
        size_t size = (size_t)(end - line) - 1;
        if (memchr(line, '\r', size) != NULL || memchr(line, '\0', size) != NULL)
            abort();
        if (size == 0)
            is_header = false;
        else if (is_header && !is_ours(line))
            abort();
        if (size > HEADER_CHARACTERS ||
            (size > BODY_CHARACTERS && !is_header && !is_named(line, size)))
            abort();
        i += size + 2;
    }
}

static const char *or_else(const char *text, const char *otherwise)
{
    return text[0] != '\0' ? text : otherwise;
}

static const char *const property_names[] = {
    "BEGIN:VCALENDAR\r",
    "PRODID:-//Handbell//Handbell//EN\r",
    "VERSION:2.0\r",
    "CALSCALE:GREGORIAN\r",
    "METHOD:REQUEST\r",
    "BEGIN:VTIMEZONE\r",
    "TZID:",
    "BEGIN:STANDARD\r",
    "BEGIN:DAYLIGHT\r",
    "TZNAME:",
    "TZOFFSETFROM:",
    "TZOFFSETTO:",
    "DTSTART:",
    "RRULE:FREQ=YEARLY;BYDAY=",
    "END:STANDARD\r",
    "END:DAYLIGHT\r",
    "END:VTIMEZONE\r",
    "BEGIN:VEVENT\r",
    "UID:",
    "SEQUENCE:7\r",
    "DTSTAMP:",
    "DTSTART;",
    "DTEND:",
    "DTEND;",
    "SUMMARY:",
    "LOCATION:",
    "DESCRIPTION:",
    "URL:",
    "ORGANIZER:",
    "ORGANIZER;",
    "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;",
    "STATUS:CONFIRMED\r",
    "TRANSP:OPAQUE\r",
    "X-MICROSOFT-DISALLOW-COUNTER:TRUE\r",
    "END:VEVENT\r",
    "END:VCALENDAR\r",
};

static bool is_property(const char *line)
{
    if (line[0] == ' ')
        return true;
    for (size_t i = 0; i < sizeof(property_names) / sizeof(property_names[0]); i++)
        if (strncmp(line, property_names[i], strlen(property_names[i])) == 0)
            return true;
    return false;
}

/* Each line is short and one that we wrote; one event, whatever its texts hold. */
static void check_calendar(const struct buf *out)
{
    size_t events = 0;
    for (size_t i = 0; i < out->size;) {
        const char *line = out->data + i;
        const char *end = memchr(line, '\n', out->size - i);
        if (end == NULL || end == line || end[-1] != '\r' || !is_property(line))
            abort();
        size_t size = (size_t)(end - line) - 1;
        if (size > CALENDAR_CHARACTERS || memchr(line, '\r', size) != NULL ||
            memchr(line, '\0', size) != NULL)
            abort();
        /* A fold never cuts a character. */
        if (((unsigned char)line[line[0] == ' '] & 0xc0U) == 0x80U)
            abort();
        events += strncmp(line, "BEGIN:VEVENT", 12) == 0;
        i += size + 2;
    }
    if (events != 1 || out->size > MAIL_CALENDAR_BYTES)
        abort();
}

static void write_calendar(char *parts[PART_COUNT], struct buf *out)
{
    /* Kept from run to run: reading a zone takes longer than all else. */
    static struct mail_calendar *calendar;
    struct error error = {0};
    if (calendar == NULL)
        calendar = mail_calendar_new();
    if (calendar == NULL)
        return;
    const struct mail_calendar_event event = {
        .method = MAIL_CALENDAR_REQUEST,
        .uid = or_else(parts[PART_UID], "1@example.org"),
        .sequence = 7,
        .starts_unix_seconds = strtoll(parts[PART_STARTS], NULL, 10),
        .ends_unix_seconds = strtoll(parts[PART_ENDS], NULL, 10),
        .zone = or_else(parts[PART_ZONE], "Europe/London"),
        .summary = or_else(parts[PART_SUMMARY], "x"),
        .location = parts[PART_LOCATION],
        .description = parts[PART_DESCRIPTION],
        .url = parts[PART_EVENT_URL],
        .organizer = {parts[PART_FROM_NAME], "courses@example.org"},
        .attendee = {parts[PART_NAME], or_else(parts[PART_TO], "ann@example.net")},
    };
    if (mail_calendar_append(calendar, &event, out, &error))
        check_calendar(out);
    else if (error.text[0] == '\0' || out->size != 0)
        abort();
}

static void compose(char *parts[PART_COUNT])
{
    struct buf object;
    struct buf out;
    struct error error = {0};
    buf_init(&object, MAIL_CALENDAR_BYTES);
    buf_init(&out, 4 << 20);
    write_calendar(parts, &object);
    const struct mail_calendar_part calendar = {MAIL_CALENDAR_REQUEST, object.data, object.size,
                                                "session-1.ics"};
    const struct mail_attachment file = {parts[PART_FILE_NAME],
                                         or_else(parts[PART_FILE_TYPE], "application/pdf"),
                                         parts[PART_FILE_BYTES], strlen(parts[PART_FILE_BYTES])};
    const struct mail mail = {
        .from = {parts[PART_FROM_NAME], "courses@example.org"},
        .to = {parts[PART_NAME], or_else(parts[PART_TO], "ann@example.net")},
        .reply_to = {parts[PART_NAME], parts[PART_REPLY_TO]},
        .subject = parts[PART_SUBJECT],
        .message_id = "1@example.org",
        .unsubscribe_url = parts[PART_UNSUBSCRIBE_URL],
        .text = or_else(parts[PART_TEXT], "x"),
        .html = parts[PART_HTML],
        .logo = {or_else(parts[PART_LOGO_TYPE], "image/png"), parts[PART_LOGO_BYTES],
                 strlen(parts[PART_LOGO_BYTES]),
                 or_else(parts[PART_LOGO_CONTENT_ID], "logo@example.org")},
        .calendars = &calendar,
        .calendar_count = object.size > 0 ? 1 : 0,
        .attachments = &file,
        .attachment_count = parts[PART_FILE_NAME][0] != '\0' ? 1 : 0,
    };
    if (mail_compose(&mail, &out, &error))
        check_mail(&out);
    else if (error.text[0] == '\0' || out.size != 0)
        abort();
    buf_free(&out);
    buf_free(&object);
}

static void build_contexts(const char *text, size_t size)
{
    struct json *facts = json_parse(text, size, NULL);
    struct brand_logo logo;
    if (!brand_logo_read(facts, &logo))
        abort();
    struct json *tenant = mail_context_tenant(facts, &logo);
    struct json *courses = mail_context_by_id(json_find(facts, "courses"));
    enum language language = size % 2 == 0 ? LANGUAGE_EN_GB : LANGUAGE_CY;
    struct json *views = mail_context_courses(courses, language);
    const struct mail_context_input input = {
        .language = language,
        .tenant_view = tenant,
        .courses = courses,
        .course_views = views,
        .categories = json_find(facts, "categories"),
        .message = json_find(facts, "message"),
        .opt_out_url = "https://example.org/u/x",
    };
    struct json *context = mail_context_message(&input);
    if (tenant == NULL || courses == NULL || views == NULL || context == NULL)
        abort();
    json_free(context);
    json_free(views);
    json_free(courses);
    json_free(tenant);
    json_free(facts);
    brand_logo_free(&logo);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    char *parts[PART_COUNT];
    if (copy == NULL)
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    char *at = copy;
    for (size_t i = 0; i < PART_COUNT; i++) {
        char *end = memchr(at, 0xfe, (size_t)(copy + size - at));
        parts[i] = at;
        at = end != NULL ? end + 1 : copy + size;
        if (end != NULL)
            *end = '\0';
    }
    compose(parts);
    build_contexts((const char *)data, size);
    free(copy);
    return 0;
}
