/* The courses that a message tells of, grouped by subject, each with the ticks that it met. */
#include "worker/mail/context_parts.h"

#include <string.h>

/* Ticks are named in this order; a course stands under a subject. */
enum kind { KIND_SUBJECT, KIND_AUDIENCE, KIND_INTEREST, KIND_COUNT };

static const char *const kinds[KIND_COUNT] = {"subject", "audience", "interest"};

/* A course's categories that the recipient ticked. */
struct ticks {
    const struct json *categories[KIND_COUNT][MAIL_CONTEXT_NAMES_MAXIMUM];
    size_t counts[KIND_COUNT];
    size_t hidden;
};

struct item {
    struct json *view;
    size_t group;
};

/* Subjects in the order of their soonest course. Those without one are in the last group. */
struct alert {
    struct item items[MAIL_CONTEXT_COURSES_MAXIMUM];
    size_t count;
    const struct json *subjects[MAIL_CONTEXT_COURSES_MAXIMUM];
    size_t subject_count;
};

void mail_context_key_make(const struct json *id, char key[MAIL_CONTEXT_KEY_BYTES])
{
    char digits[MAIL_CONTEXT_KEY_BYTES] = "";
    size_t count = 0;
    int64_t number = json_integer_or(id, -1);
    key[0] = '\0';
    if (number < 0)
        return;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    for (size_t i = 0; i < count; i++)
        key[i] = digits[count - 1 - i];
    key[count] = '\0';
}

static bool is_among(const struct json *ids, int64_t id)
{
    size_t count = json_array_count(ids);
    for (size_t i = 0; i < count; i++)
        if (json_integer_or(json_array_at(ids, i), 0) == id)
            return true;
    return false;
}

static enum kind kind_of(const struct json *category)
{
    const char *name = json_find_text(category, "kind");
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (strcmp(name, kinds[i]) == 0)
            return (enum kind)i;
    return KIND_COUNT;
}

/* `ids` are the course's categories, `ticked` all that the recipient ticked. */
static void ticks_read(struct ticks *ticks, const struct json *ids, const struct json *ticked,
                       const struct json *categories)
{
    size_t count = json_array_count(ids);
    for (size_t i = 0; i < count; i++) {
        const struct json *id = json_array_at(ids, i);
        char key[MAIL_CONTEXT_KEY_BYTES];
        if (!is_among(ticked, json_integer_or(id, 0)))
            continue;
        mail_context_key_make(id, key);
        const struct json *category = json_find(categories, key);
        enum kind kind = kind_of(category);
        if (kind == KIND_COUNT)
            continue;
        if (ticks->counts[kind] < MAIL_CONTEXT_NAMES_MAXIMUM)
            ticks->categories[kind][ticks->counts[kind]++] = category;
        else
            ticks->hidden++;
    }
}

/* The names of all, those of subjects first. */
static void add_because(struct context_builder *view, struct ticks *ticks, enum language language)
{
    const struct json *names[MAIL_CONTEXT_NAMES_MAXIMUM];
    size_t count = 0;
    for (size_t kind = 0; kind < KIND_COUNT; kind++) {
        for (size_t i = 0; i < ticks->counts[kind]; i++) {
            if (count < MAIL_CONTEXT_NAMES_MAXIMUM)
                names[count++] = json_find(ticks->categories[kind][i], "name");
            else
                ticks->hidden++;
        }
    }
    context_build_list(view, "because", names, count, ticks->hidden, language);
}

/* A subject that another course stands under already, else the first: few headings read best. */
static size_t group_of(struct alert *alert, const struct ticks *ticks)
{
    const struct json *const *subjects = ticks->categories[KIND_SUBJECT];
    if (ticks->counts[KIND_SUBJECT] == 0)
        return MAIL_CONTEXT_COURSES_MAXIMUM;
    for (size_t i = 0; i < ticks->counts[KIND_SUBJECT]; i++)
        for (size_t group = 0; group < alert->subject_count; group++)
            if (alert->subjects[group] == subjects[i])
                return group;
    alert->subjects[alert->subject_count] = subjects[0];
    return alert->subject_count++;
}

static void item_add(struct alert *alert, const struct mail_context_input *input,
                     const struct json *id)
{
    struct ticks ticks = {0};
    struct context_builder view;
    char key[MAIL_CONTEXT_KEY_BYTES];
    mail_context_key_make(id, key);
    const struct json *course_view = json_find(input->course_views, key);
    if (course_view == NULL)
        return;
    ticks_read(&ticks, json_find(json_find(input->courses, key), "categories"),
               json_find(input->message, "ticks"), input->categories);
    context_build_start(&view);
    context_build_value(&view, "course", json_hold(course_view));
    add_because(&view, &ticks, input->language);
    size_t group = group_of(alert, &ticks);
    alert->items[alert->count++] = (struct item){context_build_end(&view), group};
}

/* Moves the items of `group` to `courses`, numbered on, and lists them in what it returns: NULL
 * where there are none. */
static struct json *group_view(struct alert *alert, size_t group, struct json *courses,
                               size_t *number, bool *has_failed)
{
    const struct json *subject =
        group < alert->subject_count ? json_find(alert->subjects[group], "name") : NULL;
    struct json *members = NULL;
    struct context_builder view;
    for (size_t i = 0; i < alert->count; i++) {
        struct item *item = &alert->items[i];
        if (item->group != group)
            continue;
        if (members == NULL)
            members = json_new_array();
        *number += 1;
        if (!json_set(item->view, "course_number", json_new_integer((int64_t)*number)) ||
            !json_append(members, json_hold(item->view)) ||
            !json_append(courses, json_hold(item->view)))
            *has_failed = true;
    }
    if (members == NULL)
        return NULL;
    context_build_start(&view);
    context_build_text(&view, "subject", json_text(subject, NULL));
    context_build_value(&view, "courses", members);
    struct json *object = context_build_end(&view);
    *has_failed |= object == NULL;
    return object;
}

static void add_groups(struct context_builder *context, struct alert *alert)
{
    struct json *groups = json_new_array();
    struct json *courses = json_new_array();
    size_t number = 0;
    for (size_t i = 0; i <= alert->subject_count; i++) {
        size_t group = i < alert->subject_count ? i : MAIL_CONTEXT_COURSES_MAXIMUM;
        struct json *view = group_view(alert, group, courses, &number, &context->has_failed);
        if (view != NULL && !json_append(groups, view))
            context->has_failed = true;
    }
    const struct json *first = json_find(json_array_at(courses, 0), "course");
    if (first != NULL)
        context_build_value(context, "course", json_hold(first));
    context_build_bool(context, "has_groups", json_array_count(groups) > 1);
    context_build_value(context, "groups", groups);
    context_build_value(context, "courses", courses);
}

void context_add_courses(struct context_builder *context, const struct mail_context_input *input)
{
    const struct json *ids = json_find(input->message, "courses");
    size_t id_count = json_array_count(ids);
    struct alert alert;
    alert.count = alert.subject_count = 0;
    for (size_t i = 0; i < id_count && alert.count < MAIL_CONTEXT_COURSES_MAXIMUM; i++)
        item_add(&alert, input, json_array_at(ids, i));
    add_groups(context, &alert);
    for (size_t i = 0; i < alert.count; i++)
        json_free(alert.items[i].view);
    context_build_integer(context, "course_count", (int64_t)alert.count);
    context_build_plural(context, "course_plural", alert.count, input->language);
    context_build_bool(context, "is_one", alert.count == 1);
    context_build_bool(context, "is_many", alert.count > 1);
}
