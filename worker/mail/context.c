/* One message as its templates see it: the recipient, why they hear of this, and the shared views.
 */
#include "worker/mail/context.h"

#include "worker/mail/context_parts.h"
#include "worker/model/shared_mailbox.h"

#include <string.h>

/* More than a first and a last name of as many characters as the facts may have. */
enum { NAME_BYTES = 16 * 1024 };

static bool has_text(const struct json *object, const char *key)
{
    return json_find_text(object, key)[0] != '\0';
}

static bool is_object(const struct json *value)
{
    return json_kind_of(value) == JSON_KIND_OBJECT;
}

bool mail_context_append_name(struct buf *name, const struct json *message)
{
    const struct json *person = json_find(message, "person");
    const char *first = json_find_text(person, "first_name");
    const char *last = json_find_text(person, "last_name");
    if (!is_object(person))
        return buf_append_text(name, json_find_text(json_find(message, "establishment"), "name"));
    if (has_text(person, "display_name"))
        return buf_append_text(name, json_find_text(person, "display_name"));
    return buf_printf(name, "%s%s%s", first, first[0] != '\0' && last[0] != '\0' ? " " : "", last);
}

/* A mail to an establishment is for whoever reads there; one to a person's shared mailbox is not.
 */
static bool is_for_one_of_many(const struct mail_context_input *input)
{
    const struct json *person = json_find(input->message, "person");
    const char *address = input->address;
    if (!is_object(person))
        return false;
    if (address == NULL)
        address = json_find_text(person, "email");
    return json_find_true(person, "shares_address") || shared_mailbox_is_generic(address);
}

/* Whether `word`, which is not "", stands in `text` as a word of its own. */
static bool has_word(const char *text, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
        if ((at == text || at[-1] == ' ') && (at[size] == '\0' || at[size] == ' '))
            return true;
    return false;
}

/* The first name, unless they wish to be called something else: Katherine who is "Kate Lee". */
static const char *greeting_of(const struct json *person, const char *whole)
{
    const char *first = json_find_text(person, "first_name");
    const char *wished = json_find_text(person, "display_name");
    if (first[0] == '\0' || (wished[0] != '\0' && !has_word(wished, first)))
        return whole;
    return first;
}

static void add_names(struct context_builder *context, const struct mail_context_input *input)
{
    const struct json *person = json_find(input->message, "person");
    struct buf name;
    buf_init(&name, NAME_BYTES);
    /* A name past the limit is left out rather than cut: the greeting does without. */
    (void)mail_context_append_name(&name, input->message);
    const char *whole = name.size > 0 ? name.data : "";
    context_build_buf(context, "person_name", &name);
    context_build_text(context, "greeting_name", greeting_of(person, whole));
    context_build_text(context, "for_whom", is_for_one_of_many(input) ? whole : "");
    buf_free(&name);
}

static void add_opt_out(struct context_builder *context, const struct mail_context_input *input)
{
    const char *topic = json_find_text(input->message, "link_topic");
    bool has_link = input->opt_out_url != NULL && input->opt_out_url[0] != '\0';
    context_build_text(context, "opt_out_url", has_link ? input->opt_out_url : "");
    context_build_bool(context, "stops_alerts", has_link && strcmp(topic, "alerts") == 0);
    context_build_bool(context, "stops_bulletin", has_link && strcmp(topic, "bulletin") == 0);
    context_build_bool(context, "stops_optional", has_link && strcmp(topic, "optional") == 0);
}

/* Somebody without a role is taken as a delegate: they hear of a course of theirs. */
static bool is_delegate(const struct json *roles)
{
    return json_find_true(roles, "delegate") ||
           !(json_find_true(roles, "booker") || json_find_true(roles, "tutor") ||
             json_find_true(roles, "provider"));
}

static void add_roles(struct context_builder *context, const struct mail_context_input *input)
{
    const struct json *roles = json_find(input->message, "roles");
    const struct json *names = json_find(roles, "booked_for");
    const struct json *shown[MAIL_CONTEXT_NAMES_MAXIMUM];
    size_t count = json_array_count(names);
    size_t shown_count = 0;
    for (size_t i = 0; i < count && shown_count < MAIL_CONTEXT_NAMES_MAXIMUM; i++)
        if (json_text(json_array_at(names, i), NULL)[0] != '\0')
            shown[shown_count++] = json_array_at(names, i);
    /* "For 2 more" would leave the reader asking more than whom. */
    size_t hidden_count = shown_count > 0 ? count - shown_count : 0;
    context_build_bool(context, "is_delegate", is_delegate(roles));
    if (!is_object(roles))
        return;
    context_build_bool(context, "is_booker", json_find_true(roles, "booker"));
    context_build_bool(context, "is_tutor", json_find_true(roles, "tutor"));
    context_build_bool(context, "is_provider", json_find_true(roles, "provider"));
    context_build_list(context, "booked_for", shown, shown_count, hidden_count, input->language);
}

/* Whether mail_context_append_name would give `name`; takes no memory that could be missing. */
static bool is_called(const struct json *message, const char *name)
{
    const struct json *person = json_find(message, "person");
    const char *first = json_find_text(person, "first_name");
    const char *last = json_find_text(person, "last_name");
    size_t first_size = strlen(first);
    if (!is_object(person) || has_text(person, "display_name"))
        return strcmp(json_find_text(person, "display_name"), name) == 0;
    if (first_size == 0 || last[0] == '\0')
        return strcmp(first_size > 0 ? first : last, name) == 0;
    return strncmp(name, first, first_size) == 0 && name[first_size] == ' ' &&
           strcmp(name + first_size + 1, last) == 0;
}

/* Whether the booking is somebody else's: as the roles say, and where they say nothing by the name.
 */
static bool is_for_other(const struct json *message)
{
    const struct json *roles = json_find(message, "roles");
    const char *delegate_name = json_find_text(json_find(message, "booking"), "delegate_name");
    if (delegate_name[0] == '\0')
        return false;
    return is_object(roles) ? !json_find_true(roles, "delegate")
                            : !is_called(message, delegate_name);
}

bool mail_context_is_to_delegate(const struct json *message)
{
    return is_object(json_find(message, "person")) && is_delegate(json_find(message, "roles")) &&
           !is_for_other(message);
}

static bool is_one_of(const char *word, const char *one, const char *other)
{
    return strcmp(word, one) == 0 || strcmp(word, other) == 0;
}

static void add_booking(struct context_builder *context, const struct mail_context_input *input)
{
    const struct json *booking = json_find(input->message, "booking");
    const char *status = json_find_text(booking, "status");
    struct context_builder view;
    if (!is_object(booking))
        return;
    context_build_start(&view);
    context_build_fact(&view, booking, "ref");
    if (status[0] == '\0' || strcmp(status, "confirmed") == 0)
        context_build_fact_url(&view, booking, "online_url");
    else
        context_build_text(&view, "online_url", "");
    context_build_fact(&view, booking, "delegate_name");
    context_add_moment(&view, "offer_expires", booking, "offer_expires_local", input->language);
    context_build_bool(&view, "is_confirmed", strcmp(status, "confirmed") == 0);
    context_build_bool(&view, "is_waiting", is_one_of(status, "waiting", "offered"));
    context_build_bool(&view, "is_offered", strcmp(status, "offered") == 0);
    context_build_bool(&view, "is_requested", is_one_of(status, "requested", "approved"));
    context_build_bool(&view, "is_approved", strcmp(status, "approved") == 0);
    context_build_bool(&view, "is_declined", strcmp(status, "declined") == 0);
    context_build_bool(&view, "is_cancelled", strcmp(status, "cancelled") == 0);
    context_build_bool(&view, "is_for_other", is_for_other(input->message));
    context_build_value(context, "booking", context_build_end(&view));
}

static void add_only_online(struct context_builder *context, const struct mail_context_input *input)
{
    const struct json *booking = json_find(input->message, "booking");
    char key[MAIL_CONTEXT_KEY_BYTES];
    mail_context_key_make(json_array_at(json_find(input->message, "courses"), 0), key);
    const struct json *sessions = json_find(json_find(input->courses, key), "sessions");
    bool has_own_link = mail_context_url(booking, "online_url")[0] != '\0';
    context_build_bool(context, "is_only_online", context_is_only_online(sessions, has_own_link));
}

static void add_tenant(struct context_builder *context, const struct json *view)
{
    const struct json *brand = json_find(view, "brand");
    if (view != NULL)
        context_build_value(context, "tenant", json_hold(view));
    if (brand != NULL)
        context_build_value(context, "brand", json_hold(brand));
}

struct json *mail_context_message(const struct mail_context_input *input)
{
    const struct json *message = input->message;
    struct context_builder context;
    context_build_start(&context);
    context_build_text(&context, "language", language_tag(input->language));
    add_names(&context, input);
    add_opt_out(&context, input);
    add_tenant(&context, input->tenant_view);
    context_build_bool(&context, "is_urgent", json_find_true(message, "is_urgent"));
    context_build_bool(&context, "has_calendar", input->calendar_count > 0);
    context_build_bool(&context, "has_many_calendars", input->calendar_count > 1);
    add_roles(&context, input);
    add_booking(&context, input);
    add_only_online(&context, input);
    context_add_courses(&context, input);
    context_add_change(&context, input);
    return context_build_end(&context);
}
