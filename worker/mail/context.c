/* One message as its templates see it: the recipient, why they hear of this, and the shared views.
 */
#include "worker/mail/context.h"

#include "worker/mail/context_build.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 1024, ID_BYTES = 32 };

static bool has_text(const struct json *object, const char *key)
{
    return json_find_text(object, key)[0] != '\0';
}

/* Who the mail is to: a person, or an establishment's named contact. */
static const struct json *recipient_of(const struct json *message)
{
    const struct json *person = json_find(message, "person");
    bool is_person = json_kind_of(person) == JSON_KIND_OBJECT;
    return is_person ? person : json_find(message, "establishment");
}

/* What the recipient is called: as they wish, else by their names, else by the establishment's. */
static void add_names(struct context_builder *context, const struct json *person)
{
    struct buf name;
    buf_init(&name, NAME_BYTES);
    const char *first = json_find_text(person, "first_name");
    const char *last = json_find_text(person, "last_name");
    if (has_text(person, "display_name"))
        buf_append_text(&name, json_find_text(person, "display_name"));
    else if (first[0] != '\0' || last[0] != '\0')
        buf_printf(&name, "%s%s%s", first, first[0] != '\0' && last[0] != '\0' ? " " : "", last);
    else
        buf_append_text(&name, json_find_text(person, "name"));
    /* A name past the limit is left out rather than cut: the greeting does without. */
    context_build_buf(context, "person_name", &name);
    context_build_text(context, "greeting_name", first[0] != '\0' ? first : name.data);
    buf_free(&name);
}

static void add_language(struct context_builder *context, const struct json *person,
                         const struct json *tenant_view)
{
    const char *language = "en-GB";
    if (has_text(person, "language"))
        language = json_find_text(person, "language");
    else if (has_text(tenant_view, "language"))
        language = json_find_text(tenant_view, "language");
    context_build_text(context, "language", language);
}

/* Somebody without a role is taken as a delegate: they hear of a course of theirs. */
static void add_roles(struct context_builder *context, const struct json *roles)
{
    bool is_booker = json_find_true(roles, "booker");
    bool is_tutor = json_find_true(roles, "tutor");
    bool is_provider = json_find_true(roles, "provider");
    bool has_other = is_booker || is_tutor || is_provider;
    context_build_bool(context, "is_delegate", json_find_true(roles, "delegate") || !has_other);
    context_build_bool(context, "is_booker", is_booker);
    context_build_bool(context, "is_tutor", is_tutor);
    context_build_bool(context, "is_provider", is_provider);
    context_build_words(context, "booked_for", json_find(roles, "booked_for"),
                        MAIL_CONTEXT_NAMES_MAXIMUM);
}

static bool is_one_of(const char *word, const char *one, const char *other)
{
    return strcmp(word, one) == 0 || strcmp(word, other) == 0;
}

static struct json *booking_view(const struct json *booking)
{
    const char *status = json_find_text(booking, "status");
    struct context_builder view;
    context_build_start(&view);
    context_build_fact(&view, booking, "ref");
    context_build_fact_url(&view, booking, "online_url");
    context_build_bool(&view, "is_confirmed", strcmp(status, "confirmed") == 0);
    context_build_bool(&view, "is_waiting", is_one_of(status, "waiting", "offered"));
    context_build_bool(&view, "is_requested", is_one_of(status, "requested", "approved"));
    return context_build_end(&view);
}

/* A course's id as the key that views and matches go by; "" for what is no id. */
static void key_make(const struct json *id, char key[ID_BYTES])
{
    key[0] = '\0';
    if (json_kind_of(id) == JSON_KIND_INTEGER)
        (void)snprintf(key, ID_BYTES, "%" PRId64, json_integer_or(id, 0));
    else if (json_kind_of(id) == JSON_KIND_TEXT)
        (void)snprintf(key, ID_BYTES, "%s", json_text(id, NULL));
}

static struct json *course_item(const struct mail_context_input *input, const char *key,
                                const struct json *view, size_t number)
{
    const struct json *matched = json_find(input->message, "matched");
    struct context_builder item;
    context_build_start(&item);
    context_build_value(&item, "course", json_hold(view));
    context_build_integer(&item, "course_number", (int64_t)number);
    context_build_words(&item, "because", json_find(matched, key), MAIL_CONTEXT_NAMES_MAXIMUM);
    return context_build_end(&item);
}

static void add_courses(struct context_builder *context, const struct mail_context_input *input)
{
    const struct json *ids = json_find(input->message, "courses");
    const struct json *first = NULL;
    struct json *items = json_new_array();
    size_t count = 0;
    for (size_t i = 0; i < json_array_count(ids) && count < MAIL_CONTEXT_COURSES_MAXIMUM; i++) {
        char key[ID_BYTES];
        key_make(json_array_at(ids, i), key);
        const struct json *view = json_find(input->course_views, key);
        if (view == NULL)
            continue;
        first = first == NULL ? view : first;
        count++;
        if (items == NULL || !json_append(items, course_item(input, key, view, count)))
            context->has_failed = true;
    }
    context_build_value(context, "courses", items);
    context_build_integer(context, "course_count", (int64_t)count);
    context_build_bool(context, "is_one", count == 1);
    context_build_bool(context, "is_many", count > 1);
    if (first != NULL)
        context_build_value(context, "course", json_hold(first));
}

struct json *mail_context_message(const struct mail_context_input *input)
{
    const struct json *person = recipient_of(input->message);
    struct context_builder context;
    context_build_start(&context);
    add_names(&context, person);
    add_language(&context, person, input->tenant_view);
    add_roles(&context, json_find(input->message, "roles"));
    add_courses(&context, input);
    context_build_value(&context, "booking", booking_view(json_find(input->message, "booking")));
    if (input->tenant_view != NULL)
        context_build_value(&context, "tenant", json_hold(input->tenant_view));
    context_build_text(&context, "opt_out_url",
                       input->opt_out_url != NULL ? input->opt_out_url : "");
    return context_build_end(&context);
}
