/* Tenants and courses as templates see them: views that a whole batch shares. */
#include "worker/mail/context_parts.h"

struct json *mail_context_tenant(const struct json *tenant, const struct brand_logo *logo)
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
    context_build_value(&view, "brand", brand_view(tenant, logo));
    return context_build_end(&view);
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

struct json *mail_context_course(const struct json *course, enum language language)
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
    context_add_moment(&view, "cancel_by", course, "cancel_by_local", language);
    context_add_session_summary(&view, sessions, language);
    context_build_value(&view, "sessions", context_sessions(sessions, language));
    struct json *resources = resources_view(json_find(course, "resources"));
    context_build_bool(&view, "has_resources", json_array_count(resources) > 0);
    context_build_value(&view, "resources", resources);
    return context_build_end(&view);
}

struct json *mail_context_by_id(const struct json *courses)
{
    struct context_builder by_id;
    context_build_start(&by_id);
    for (size_t i = 0; i < json_array_count(courses); i++) {
        const struct json *course = json_array_at(courses, i);
        char key[MAIL_CONTEXT_KEY_BYTES];
        mail_context_key_make(json_find(course, "id"), key);
        if (key[0] != '\0')
            context_build_value(&by_id, key, json_hold(course));
    }
    return context_build_end(&by_id);
}

struct views_building {
    struct context_builder views;
    enum language language;
};

static bool course_add(void *context, const char *key, const struct json *course)
{
    struct views_building *building = context;
    context_build_value(&building->views, key, mail_context_course(course, building->language));
    return !building->views.has_failed;
}

struct json *mail_context_courses(const struct json *courses, enum language language)
{
    struct views_building building = {.language = language};
    context_build_start(&building.views);
    json_each(courses, course_add, &building);
    return context_build_end(&building.views);
}
