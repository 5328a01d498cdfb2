/* Tenants and courses as templates see them: views that a whole batch shares. */
#include "worker/mail/context.h"
#include "worker/mail/context_build.h"
#include "worker/mail/date.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { WHEN_BYTES = 256 };

struct json *mail_context_tenant(const struct json *tenant)
{
    static const char *const facts[] = {"slug", "name", "from_name", "language"};
    struct context_builder view;
    context_build_start(&view);
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
        context_build_fact(&view, tenant, facts[i]);
    context_build_fact_lines(&view, tenant, "dpo_contact");
    context_build_fact_lines(&view, tenant, "postal_address");
    context_build_fact_url(&view, tenant, "privacy_url");
    context_build_fact_url(&view, tenant, "base_url");
    return context_build_end(&view);
}

/* When a session is: three texts, each "" where it is not known. */
struct session_words {
    struct buf day;
    struct buf short_day;
    struct buf times;
};

static void words_make(struct session_words *words, const struct json *session)
{
    buf_init(&words->day, WHEN_BYTES);
    buf_init(&words->short_day, WHEN_BYTES);
    buf_init(&words->times, WHEN_BYTES);
    struct mail_date start;
    struct mail_date end;
    if (!mail_date_parse(json_find_text(session, "starts_local"), &start))
        return;
    bool has_end = mail_date_parse(json_find_text(session, "ends_local"), &end);
    mail_date_append_day(&words->day, &start);
    mail_date_append_short_day(&words->short_day, &start);
    mail_date_append_times(&words->times, &start, has_end ? &end : NULL,
                           json_find_text(session, "zone"));
}

static void words_free(struct session_words *words)
{
    buf_free(&words->day);
    buf_free(&words->short_day);
    buf_free(&words->times);
}

static bool is_online(const struct json *session)
{
    return json_find_text(session, "online_url")[0] != '\0';
}

static struct json *session_view(const struct json *session, size_t number)
{
    struct session_words words;
    struct context_builder view;
    words_make(&words, session);
    context_build_start(&view);
    context_build_integer(&view, "number", (int64_t)number);
    context_build_buf(&view, "day", &words.day);
    context_build_buf(&view, "short_day", &words.short_day);
    context_build_buf(&view, "times", &words.times);
    context_build_fact(&view, session, "venue");
    context_build_fact_lines(&view, session, "venue_address");
    context_build_fact_url(&view, session, "online_url");
    context_build_bool(&view, "is_online", is_online(session));
    words_free(&words);
    return context_build_end(&view);
}

/* What a list of courses says of one: its first session, and how many follow. */
static void add_first_session(struct context_builder *view, const struct json *sessions)
{
    const struct json *first = json_array_at(sessions, 0);
    size_t count = json_array_count(sessions);
    struct session_words words;
    words_make(&words, first);
    context_build_buf(view, "first_day", &words.day);
    context_build_buf(view, "first_short_day", &words.short_day);
    context_build_buf(view, "first_times", &words.times);
    context_build_text(view, "first_venue", json_find_text(first, "venue"));
    words_free(&words);
    bool is_any_online = false;
    for (size_t i = 0; i < count; i++)
        is_any_online |= is_online(json_array_at(sessions, i));
    context_build_bool(view, "is_online", is_any_online);
    context_build_bool(view, "has_sessions", count > 0);
    context_build_bool(view, "has_many_sessions", count > 1);
    context_build_integer(view, "session_count", (int64_t)count);
}

static struct json *sessions_view(const struct json *sessions)
{
    struct json *views = json_new_array();
    size_t count = json_array_count(sessions);
    for (size_t i = 0; i < count && i < MAIL_CONTEXT_SESSIONS_MAXIMUM && views != NULL; i++) {
        if (!json_append(views, session_view(json_array_at(sessions, i), i + 1))) {
            json_free(views);
            return NULL;
        }
    }
    return views;
}

/* Resources with an address that can be followed; the name stands for the link, so it is never
 * empty. */
static struct json *resources_view(const struct json *resources)
{
    struct json *views = json_new_array();
    size_t count = json_array_count(resources);
    for (size_t i = 0; i < count && i < MAIL_CONTEXT_RESOURCES_MAXIMUM && views != NULL; i++) {
        const struct json *resource = json_array_at(resources, i);
        const char *name = json_find_text(resource, "name");
        struct context_builder view;
        context_build_start(&view);
        context_build_fact_url(&view, resource, "url");
        const char *url = json_find_text(view.object, "url");
        context_build_text(&view, "name", name[0] != '\0' ? name : url);
        bool has_url = url[0] != '\0';
        struct json *object = context_build_end(&view);
        if (object != NULL && !has_url) {
            json_free(object);
        } else if (!json_append(views, object)) {
            json_free(views);
            return NULL;
        }
    }
    return views;
}

static void add_cancel_by(struct context_builder *view, const struct json *course)
{
    struct mail_date date;
    struct buf words;
    buf_init(&words, WHEN_BYTES);
    if (mail_date_parse(json_find_text(course, "cancel_by_local"), &date)) {
        mail_date_append_time(&words, &date);
        buf_append_text(&words, " on ");
        mail_date_append_day(&words, &date);
    }
    context_build_buf(view, "cancel_by", &words);
    buf_free(&words);
}

struct json *mail_context_course(const struct json *course)
{
    static const char *const facts[] = {"title", "cost"};
    static const char *const long_facts[] = {"summary",
                                             "contact",
                                             "arrival_notes",
                                             "bring",
                                             "access_contact",
                                             "cancellation_terms",
                                             "joining_instructions",
                                             "cancel_reason"};
    const struct json *sessions = json_find(course, "sessions");
    struct context_builder view;
    context_build_start(&view);
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
        context_build_fact(&view, course, facts[i]);
    for (size_t i = 0; i < sizeof(long_facts) / sizeof(long_facts[0]); i++)
        context_build_fact_lines(&view, course, long_facts[i]);
    context_build_fact_url(&view, course, "booking_url");
    add_cancel_by(&view, course);
    add_first_session(&view, sessions);
    context_build_value(&view, "sessions", sessions_view(sessions));
    struct json *resources = resources_view(json_find(course, "resources"));
    context_build_bool(&view, "has_resources", json_array_count(resources) > 0);
    context_build_value(&view, "resources", resources);
    return context_build_end(&view);
}

struct json *mail_context_courses(const struct json *courses)
{
    struct context_builder views;
    context_build_start(&views);
    for (size_t i = 0; i < json_array_count(courses); i++) {
        const struct json *course = json_array_at(courses, i);
        char key[32];
        (void)snprintf(key, sizeof(key), "%" PRId64, json_find_integer(course, "id", 0));
        context_build_value(&views, key, mail_context_course(course));
    }
    return context_build_end(&views);
}
