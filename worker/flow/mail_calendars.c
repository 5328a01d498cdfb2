/* From a course's sessions to calendar entries for one delegate. */
#include "worker/flow/mail_calendars.h"

#include "worker/base/log.h"
#include "worker/mail/context.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

enum {
    UID_BYTES = MAIL_CALENDAR_UID_BYTES + 1,
    LOCATION_BYTES = 16 * 1024,
    TEXT_BYTES = 64 * 1024
};

/* What a kind does to the recipient's calendar. */
struct kind_row {
    const char *kind;
    enum mail_calendar_method method;
    bool cancels_gone;    /* also takes out what the course no longer has and the recipient may */
    bool needs_confirmed; /* the booking holds a place; who waits for one has no entry */
};

static const struct kind_row kind_rows[] = {
    {"booking_confirmed", MAIL_CALENDAR_REQUEST, false, true},
    {"joining_instructions", MAIL_CALENDAR_REQUEST, false, true},
    {"course_changed", MAIL_CALENDAR_REQUEST, true, true},
    {"course_cancelled", MAIL_CALENDAR_CANCEL, true, true},
    {"booking_cancelled", MAIL_CALENDAR_CANCEL, true, false},
};

/* What all entries of a mail share. */
struct making {
    struct mail_calendars *calendars;
    const struct mail_calendars_input *input;
    const struct json *course;
    const struct json *view;
    const char *sender;
    const char *own_link;
    bool is_described;
    size_t left_out_before;
};

void mail_calendars_init(struct mail_calendars *calendars)
{
    memset(calendars, 0, sizeof *calendars);
    buf_init(&calendars->text, MAIL_CALENDARS_BYTES);
    buf_init(&calendars->location, LOCATION_BYTES);
    buf_init(&calendars->description, TEXT_BYTES);
}

void mail_calendars_free(struct mail_calendars *calendars)
{
    mail_calendar_free(calendars->maker);
    calendars->maker = NULL;
    buf_free(&calendars->text);
    buf_free(&calendars->location);
    buf_free(&calendars->description);
}

/* NULL: no entry goes with this mail. */
static const struct kind_row *kind_find(const struct json *data)
{
    const char *kind = json_find_text(data, "kind");
    const char *status = json_find_text(json_find(data, "booking"), "status");
    bool is_ended = strcmp(status, "cancelled") == 0 || strcmp(status, "transferred") == 0;
    if (!mail_context_is_to_delegate(data))
        return NULL;
    for (size_t i = 0; i < sizeof kind_rows / sizeof kind_rows[0]; i++) {
        const struct kind_row *row = &kind_rows[i];
        if (strcmp(kind, row->kind) != 0)
            continue;
        /* A portal may end the bookings just before it cancels the course. */
        if (row->method == MAIL_CALENDAR_CANCEL && is_ended)
            return row;
        return row->needs_confirmed && strcmp(status, "confirmed") != 0 ? NULL : row;
    }
    return NULL;
}

static void paragraph_append(struct buf *out, const char *text)
{
    if (text[0] == '\0')
        return;
    if (out->size > 0)
        buf_append_text(out, "\n\n");
    buf_append_text(out, text);
}

static const char *text_of(const struct buf *buf)
{
    return buf->size > 0 ? buf->data : "";
}

/* A session without a place is one that people join by their own links, where they have some. */
static bool is_online(const struct json *session_view)
{
    bool has_place = json_find_text(session_view, "venue")[0] != '\0' ||
                     json_find_text(session_view, "venue_address")[0] != '\0';
    return json_find_text(session_view, "online_url")[0] != '\0' || !has_place;
}

/* The delegate's own link holds for every session that is online. */
static const char *link_of(const struct making *making, const struct json *session_view)
{
    bool is_own = session_view != NULL && making->own_link[0] != '\0' && is_online(session_view);
    return is_own ? making->own_link : json_find_text(session_view, "online_url");
}

/* False without memory. A text past the buffer's limit is left out. */
static bool words_make(const struct making *making, const struct json *session_view,
                       enum mail_calendar_method method)
{
    struct buf *location = &making->calendars->location;
    struct buf *description = &making->calendars->description;
    buf_reset(location);
    buf_reset(description);
    buf_append_text(location, json_find_text(session_view, "venue"));
    if (location->size > 0)
        buf_append_char(location, '\n');
    buf_append_text(location, json_find_text(session_view, "venue_address"));
    if (location->size == 0)
        buf_append_text(location, link_of(making, session_view));
    if (method == MAIL_CALENDAR_CANCEL) {
        paragraph_append(description, json_find_text(making->course, "cancel_reason"));
    } else if (making->is_described) {
        paragraph_append(description, json_find_text(making->course, "joining_instructions"));
        paragraph_append(description, json_find_text(making->course, "arrival_notes"));
        paragraph_append(description, json_find_text(making->course, "contact"));
    }
    return !location->is_out_of_memory && !description->is_out_of_memory;
}

/* False where the session has no key: without one no later mail could find the entry again. */
static bool uid_make(const struct making *making, const struct json *session, char uid[UID_BYTES])
{
    const char *at = strrchr(making->sender, '@');
    int64_t key = json_find_integer(session, "key", 0);
    int size = snprintf(uid, UID_BYTES, "hb.%" PRId64 ".%" PRId64 ".%" PRId64 "@%s",
                        making->input->batch->tenant_id, json_find_integer(making->course, "id", 0),
                        key, at != NULL ? at + 1 : "");
    return key != 0 && size < UID_BYTES;
}

static void part_add(struct mail_calendars *calendars, enum mail_calendar_method method,
                     size_t start)
{
    char *name = calendars->names[calendars->count];
    (void)snprintf(name, MAIL_CALENDARS_NAME_BYTES, "session-%zu.ics", calendars->count + 1);
    /* `text` may still move: until all are made, `size` is where the next one starts. */
    calendars->parts[calendars->count++] = (struct mail_calendar_part){
        .method = method, .text = NULL, .size = calendars->text.size - start, .name = name};
}

/* Whoever runs the worker hears of it, a line a mail. */
static void entry_leave_out(const struct making *making, const struct error *error)
{
    struct mail_calendars *calendars = making->calendars;
    if (calendars->left_out++ == making->left_out_before)
        LOG(LOG_LEVEL_WARNING, "calendar_left_out",
            log_int("tenant", making->input->batch->tenant_id),
            log_int("message", json_find_integer(making->input->data, "id", 0)),
            log_text("reason", error->text));
}

/* False without memory; what no entry can be made of is counted, and the mail goes without. */
static bool entry_add(const struct making *making, const struct json *session,
                      const struct json *session_view, enum mail_calendar_method method)
{
    struct mail_calendars *calendars = making->calendars;
    const struct json *tenant = making->input->batch->tenant;
    const char *zone = json_find_text(tenant, "time_zone");
    const char *link = link_of(making, session_view);
    char uid[UID_BYTES];
    struct error error = {0};
    size_t start = calendars->text.size;
    int64_t starts_unix = json_find_integer(session, "starts_unix", 0);
    if (starts_unix == 0 || calendars->count == MAIL_CALENDARS_MAXIMUM ||
        !uid_make(making, session, uid))
        return true;
    if (!words_make(making, session_view, method))
        return false;
    const struct mail_calendar_event event = {
        .method = method,
        .uid = uid,
        .sequence = json_find_integer(making->course, "sequence", 0),
        .stamp_unix_seconds =
            json_find_integer(making->input->data, "created_unix", making->input->now_unix_s),
        .starts_unix_seconds = starts_unix,
        .ends_unix_seconds = json_find_integer(session, "ends_unix", 0),
        .zone = zone[0] != '\0' ? zone : "Europe/London",
        .summary = json_find_text(making->course, "title"),
        .location = text_of(&calendars->location),
        .description = text_of(&calendars->description),
        .url = link[0] != '\0' ? link : json_find_text(making->view, "booking_url"),
        .organizer = {json_find_text(tenant, "from_name"), making->sender},
        .attendee = {making->input->recipient_name, making->input->address},
    };
    if (mail_calendar_append(calendars->maker, &event, &calendars->text, &error))
        part_add(calendars, method, start);
    else if (error.exit_status == EX_OSERR)
        return false;
    else
        entry_leave_out(making, &error);
    return true;
}

/* Whether the recipient may still have an entry of a session that the course no longer has. A
 * notice of a change says what they knew. Otherwise any that is to come: the notice of its going
 * may have been overtaken by this mail. */
static bool is_gone_known(const struct making *making, const struct json *session)
{
    const struct json *known = json_find(json_find(making->input->data, "change"), "sessions");
    int64_t key = json_find_integer(session, "key", 0);
    if (json_kind_of(known) != JSON_KIND_ARRAY)
        return json_find_integer(session, "starts_unix", 0) > making->input->now_unix_s;
    for (size_t i = 0; i < json_array_count(known); i++)
        if (json_find_integer(json_array_at(known, i), "key", 0) == key)
            return true;
    return false;
}

static bool gone_add(const struct making *making)
{
    const struct json *sessions = json_find(making->course, "gone_sessions");
    size_t count = json_array_count(sessions);
    bool has_memory = true;
    for (size_t i = 0; i < count && has_memory; i++) {
        const struct json *session = json_array_at(sessions, i);
        if (is_gone_known(making, session))
            has_memory = entry_add(making, session, NULL, MAIL_CALENDAR_CANCEL);
    }
    return has_memory;
}

static bool sessions_add(const struct making *making, enum mail_calendar_method method)
{
    const struct json *sessions = json_find(making->course, "sessions");
    const struct json *views = json_find(making->view, "sessions");
    size_t count = json_array_count(sessions);
    bool has_memory = true;
    for (size_t i = 0; i < count && i < MAIL_CONTEXT_SESSIONS_MAXIMUM && has_memory; i++)
        has_memory = entry_add(making, json_array_at(sessions, i), json_array_at(views, i), method);
    return has_memory;
}

static void texts_set(struct mail_calendars *calendars)
{
    const char *text = calendars->text.data;
    for (size_t i = 0; i < calendars->count; i++) {
        calendars->parts[i].text = text;
        text += calendars->parts[i].size;
    }
}

bool mail_calendars_write(struct mail_calendars *calendars,
                          const struct mail_calendars_input *input)
{
    const struct kind_row *row = kind_find(input->data);
    char key[MAIL_CONTEXT_KEY_BYTES];
    calendars->count = 0;
    buf_reset(&calendars->text);
    if (row == NULL)
        return true;
    if (calendars->maker == NULL)
        calendars->maker = mail_calendar_new();
    mail_context_key_make(json_array_at(json_find(input->data, "courses"), 0), key);
    const struct json *view = json_find(input->course_views, key);
    const struct json *course = json_find(input->batch->courses, key);
    const struct making making = {
        .calendars = calendars,
        .input = input,
        .course = course,
        .view = view,
        .sender = json_find_text(input->batch->tenant, "from_address"),
        .own_link = mail_context_url(json_find(input->data, "booking"), "online_url"),
        .left_out_before = calendars->left_out,
        .is_described = json_array_count(json_find(course, "sessions")) <= MAIL_CALENDARS_DESCRIBED,
    };
    bool has_memory = calendars->maker != NULL && sessions_add(&making, row->method) &&
                      (!row->cancels_gone || gone_add(&making));
    texts_set(calendars);
    return has_memory;
}
