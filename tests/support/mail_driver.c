/* Composes mails and calendar objects from their parts, for tests in Python: one JSON object a
 * line,
 *
 *   {"subject":"", "from":["name","address"], "to":[...], "reply_to":[...], "message_id":"",
 *    "text":"", "html":"", "logo":{"type","hex","content_id"},
 *    "attachments":[{"name","type","hex"}],
 *    "events":[{"method","uid","sequence","stamp","starts","ends","zone","summary","location",
 *               "description","url","organizer":[...],"attendee":[...]}]}
 *
 * One line comes back for each: {"mail": the bytes, as text, "calendars": [the objects]} or
 * {"error": ...}. Without "text" there is no mail, only calendars. Knows no facts and no template.
 */
#include "worker/base/json.h"
#include "worker/mail/compose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { MAIL_BYTES = 32 * 1024 * 1024, EVENTS_MAXIMUM = 450, FILES_MAXIMUM = 30 };

struct work {
    struct mail_calendar *calendar;
    struct buf objects[EVENTS_MAXIMUM];
    struct mail_calendar_part calendars[EVENTS_MAXIMUM];
    char names[EVENTS_MAXIMUM][40];
    struct buf contents[FILES_MAXIMUM];
    struct mail_attachment files[FILES_MAXIMUM];
    struct buf logo;
    struct buf mail;
};

static struct mail_address address_of(const struct json *object, const char *key)
{
    const struct json *pair = json_find(object, key);
    return (struct mail_address){json_text(json_array_at(pair, 0), NULL),
                                 json_text(json_array_at(pair, 1), NULL)};
}

static void bytes_read(const struct json *object, struct buf *out)
{
    const char *hex = json_find_text(object, "hex");
    for (; hex[0] != '\0' && hex[1] != '\0'; hex += 2) {
        const char digits[] = {hex[0], hex[1], '\0'};
        buf_append_char(out, (char)strtoul(digits, NULL, 16));
    }
}

static bool calendars_write(struct work *work, const struct json *events, struct error *error)
{
    for (size_t i = 0; i < json_array_count(events); i++) {
        const struct json *given = json_array_at(events, i);
        const struct mail_calendar_event event = {
            .method = strcmp(json_find_text(given, "method"), "CANCEL") == 0
                          ? MAIL_CALENDAR_CANCEL
                          : MAIL_CALENDAR_REQUEST,
            .uid = json_find_text(given, "uid"),
            .sequence = json_find_integer(given, "sequence", 0),
            .stamp_unix_seconds = json_find_integer(given, "stamp", 0),
            .starts_unix_seconds = json_find_integer(given, "starts", 0),
            .ends_unix_seconds = json_find_integer(given, "ends", 0),
            .zone = json_find_text(given, "zone"),
            .summary = json_find_text(given, "summary"),
            .location = json_find_text(given, "location"),
            .description = json_find_text(given, "description"),
            .url = json_find_text(given, "url"),
            .organizer = address_of(given, "organizer"),
            .attendee = address_of(given, "attendee"),
        };
        if (!mail_calendar_append(work->calendar, &event, &work->objects[i], error))
            return false;
        (void)snprintf(work->names[i], sizeof(work->names[i]), "session-%zu.ics", i + 1);
        work->calendars[i] = (struct mail_calendar_part){event.method, work->objects[i].data,
                                                         work->objects[i].size, work->names[i]};
    }
    return true;
}

static bool mail_write(struct work *work, const struct json *given, struct error *error)
{
    const struct json *files = json_find(given, "attachments");
    const struct json *logo = json_find(given, "logo");
    for (size_t i = 0; i < json_array_count(files); i++) {
        const struct json *file = json_array_at(files, i);
        bytes_read(file, &work->contents[i]);
        work->files[i] =
            (struct mail_attachment){json_find_text(file, "name"), json_find_text(file, "type"),
                                     work->contents[i].data, work->contents[i].size};
    }
    bytes_read(logo, &work->logo);
    const struct mail mail = {
        .from = address_of(given, "from"),
        .to = address_of(given, "to"),
        .reply_to = address_of(given, "reply_to"),
        .subject = json_find_text(given, "subject"),
        .message_id = json_find_text(given, "message_id"),
        .text = json_find_text(given, "text"),
        .html = json_find_text(given, "html"),
        .logo = {json_find_text(logo, "type"), work->logo.data, work->logo.size,
                 json_find_text(logo, "content_id")},
        .calendars = work->calendars,
        .calendar_count = json_array_count(json_find(given, "events")),
        .attachments = work->files,
        .attachment_count = json_array_count(files),
    };
    return mail_compose(&mail, &work->mail, error);
}

static void work_init(struct work *work)
{
    for (size_t i = 0; i < EVENTS_MAXIMUM; i++)
        buf_init(&work->objects[i], MAIL_BYTES);
    for (size_t i = 0; i < FILES_MAXIMUM; i++)
        buf_init(&work->contents[i], MAIL_BYTES);
    buf_init(&work->logo, MAIL_BYTES);
    buf_init(&work->mail, MAIL_BYTES);
}

static void work_free(struct work *work)
{
    for (size_t i = 0; i < EVENTS_MAXIMUM; i++)
        buf_free(&work->objects[i]);
    for (size_t i = 0; i < FILES_MAXIMUM; i++)
        buf_free(&work->contents[i]);
    buf_free(&work->logo);
    buf_free(&work->mail);
}

static struct json *reply_make(struct work *work, const struct json *given)
{
    struct error error = {0};
    const struct json *events = json_find(given, "events");
    struct json *reply = json_new_object();
    if (json_array_count(events) > EVENTS_MAXIMUM ||
        json_array_count(json_find(given, "attachments")) > FILES_MAXIMUM ||
        !calendars_write(work, events, &error) ||
        (json_find(given, "text") != NULL && !mail_write(work, given, &error))) {
        json_set(reply, "error", json_new_text(error.text, strlen(error.text)));
        return reply;
    }
    struct json *calendars = json_new_array();
    for (size_t i = 0; i < json_array_count(events); i++)
        json_append(calendars, json_new_text(work->objects[i].data, work->objects[i].size));
    json_set(reply, "calendars", calendars);
    json_set(reply, "mail", json_new_text(work->mail.data, work->mail.size));
    return reply;
}

static bool answer(struct work *work, const char *line, size_t size)
{
    struct json *given = json_parse(line, size, NULL);
    work_init(work);
    struct json *reply = reply_make(work, given);
    char *printed = json_print(reply);
    bool is_written = printed != NULL && puts(printed) >= 0 && fflush(stdout) == 0;
    free(printed);
    json_free(reply);
    json_free(given);
    work_free(work);
    return is_written;
}

int main(void)
{
    struct work *work = calloc(1, sizeof(struct work));
    if (work == NULL || (work->calendar = mail_calendar_new()) == NULL)
        return EX_OSERR;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size = 0;
    bool is_fine = true;
    while (is_fine && (size = getline(&line, &capacity, stdin)) > 0)
        is_fine = answer(work, line, (size_t)size);
    free(line);
    mail_calendar_free(work->calendar);
    free(work);
    return is_fine ? EX_OK : EX_IOERR;
}
