/* When and where a session is, in the words of a language. */
#include "worker/mail/context_parts.h"
#include "worker/mail/date.h"

#include <string.h>

enum { WHEN_BYTES = 256 };

typedef bool append_day_function(struct buf *out, const struct mail_date *date,
                                 enum language language);

/* "" where no start is known. */
static void add_day(struct context_builder *view, const char *key, const struct mail_date *start,
                    append_day_function *append, enum language language)
{
    struct buf words;
    buf_init(&words, WHEN_BYTES);
    if (start->day != 0)
        append(&words, start, language);
    context_build_buf(view, key, &words);
    buf_free(&words);
}

static void add_times(struct context_builder *view, const char *key, const struct json *session,
                      enum language language)
{
    struct buf words;
    struct mail_date_span span = {.start_zone = json_find_text(session, "zone"),
                                  .end_zone = json_find_text(session, "ends_zone")};
    buf_init(&words, WHEN_BYTES);
    (void)mail_date_parse(json_find_text(session, "ends_local"), &span.end);
    if (mail_date_parse(json_find_text(session, "starts_local"), &span.start))
        mail_date_append_times(&words, &span, language);
    context_build_buf(view, key, &words);
    buf_free(&words);
}

static bool is_online(const struct json *session)
{
    return json_find_text(session, "online_url")[0] != '\0';
}

bool context_is_only_online(const struct json *sessions, bool has_own_link)
{
    bool is_any_online = has_own_link;
    for (size_t i = 0; i < json_array_count(sessions); i++) {
        const struct json *session = json_array_at(sessions, i);
        if (json_find_text(session, "venue")[0] != '\0' ||
            json_find_text(session, "venue_address")[0] != '\0')
            return false;
        is_any_online |= is_online(session);
    }
    return is_any_online;
}

struct json *context_session(const struct json *session, size_t number, enum language language)
{
    struct mail_date start;
    struct context_builder view;
    (void)mail_date_parse(json_find_text(session, "starts_local"), &start);
    context_build_start(&view);
    context_build_integer(&view, "number", (int64_t)number);
    add_day(&view, "day", &start, mail_date_append_day, language);
    add_day(&view, "on_day", &start, mail_date_append_on_day, language);
    add_day(&view, "short_day", &start, mail_date_append_short_day, language);
    add_times(&view, "times", session, language);
    context_build_fact(&view, session, "venue");
    context_build_fact_lines(&view, session, "venue_address");
    context_build_fact_url(&view, session, "online_url");
    context_build_bool(&view, "is_online", is_online(session));
    return context_build_end(&view);
}

struct json *context_sessions(const struct json *sessions, enum language language)
{
    struct json *views = json_new_array();
    size_t count = json_array_count(sessions);
    for (size_t i = 0; i < count && i < MAIL_CONTEXT_SESSIONS_MAXIMUM && views != NULL; i++) {
        if (!json_append(views, context_session(json_array_at(sessions, i), i + 1, language))) {
            json_free(views);
            return NULL;
        }
    }
    return views;
}

void context_add_session_summary(struct context_builder *view, const struct json *sessions,
                                 enum language language)
{
    size_t count = json_array_count(sessions);
    const struct json *first = json_array_at(sessions, 0);
    struct mail_date start;
    struct mail_date last_start = {0};
    bool is_any_online = false;
    (void)mail_date_parse(json_find_text(first, "starts_local"), &start);
    for (size_t i = 0; i < count; i++) {
        const struct json *session = json_array_at(sessions, i);
        is_any_online |= is_online(session);
        if (i + 1 == count)
            (void)mail_date_parse(json_find_text(session, "starts_local"), &last_start);
    }
    add_day(view, "first_day", &start, mail_date_append_day, language);
    add_day(view, "first_on_day", &start, mail_date_append_on_day, language);
    add_day(view, "first_short_day", &start, mail_date_append_short_day, language);
    add_times(view, "first_times", first, language);
    add_day(view, "last_day", &last_start, mail_date_append_day, language);
    context_build_text(view, "first_venue", json_find_text(first, "venue"));
    context_build_bool(view, "is_online", is_any_online);
    context_build_bool(view, "has_sessions", count > 0);
    context_build_bool(view, "has_many_sessions", count > 1);
    context_build_integer(view, "session_count", (int64_t)count);
    context_build_plural(view, "session_plural", count, language);
}

void context_add_moment(struct context_builder *view, const char *key, const struct json *facts,
                        const char *fact, enum language language)
{
    struct mail_date date;
    (void)mail_date_parse(json_find_text(facts, fact), &date);
    add_day(view, key, &date, mail_date_append_moment, language);
}
