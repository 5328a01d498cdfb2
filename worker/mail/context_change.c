/* What became of a course's sessions: old beside new, and what differs. */
#include "worker/mail/context_parts.h"

#include <string.h>

/* Past LONG_ROWS a page with each side by side would come near what Gmail cuts off (102 KB). */
enum { ROWS_MAXIMUM = 2 * MAIL_CONTEXT_SESSIONS_MAXIMUM, LONG_ROWS = 25, DAY_BYTES = 10 };

struct difference {
    bool is_day;
    bool is_times;
    bool is_venue;
    bool is_link;
};

/* A session that was, that is, or both. */
struct row {
    const struct json *old;
    const struct json *new;
    size_t old_index;
    size_t new_index;
    struct difference difference;
};

/* Whoever has a link of their own has it still: another one of a session changes no row of theirs.
 */
struct rows {
    struct row row[ROWS_MAXIMUM];
    size_t count;
    bool has_own_link;
    bool is_link_changed;
};

static bool is_same_text(const struct json *a, const struct json *b, const char *key)
{
    return strcmp(json_find_text(a, key), json_find_text(b, key)) == 0;
}

static bool has_text(const struct json *object, const char *key)
{
    return json_find_text(object, key)[0] != '\0';
}

/* The same session: by its key, else by the portal's ref, else by its place in the list. */
static bool is_same_session(const struct json *a, size_t a_index, const struct json *b,
                            size_t b_index)
{
    int64_t a_key = json_find_integer(a, "key", 0);
    int64_t b_key = json_find_integer(b, "key", 0);
    if (a_key != 0 && b_key != 0)
        return a_key == b_key;
    if (has_text(a, "ref") && has_text(b, "ref"))
        return is_same_text(a, b, "ref");
    return a_index == b_index;
}

/* "2026-11-23" and "T09:30" of "2026-11-23T09:30". */
static bool is_same_day(const char *a, const char *b)
{
    return strncmp(a, b, DAY_BYTES) == 0;
}

static bool is_same_time(const char *a, const char *b)
{
    bool has_both = strlen(a) > DAY_BYTES && strlen(b) > DAY_BYTES;
    return has_both ? strcmp(a + DAY_BYTES, b + DAY_BYTES) == 0 : strcmp(a, b) == 0;
}

/* A session that moves as a whole to another day keeps its times. */
static bool is_same_end(const struct json *old, const struct json *new)
{
    const char *old_end = json_find_text(old, "ends_local");
    const char *new_end = json_find_text(new, "ends_local");
    bool old_is_one_day = is_same_day(json_find_text(old, "starts_local"), old_end);
    bool new_is_one_day = is_same_day(json_find_text(new, "starts_local"), new_end);
    return is_same_time(old_end, new_end) && old_is_one_day == new_is_one_day;
}

static struct difference difference_of(const struct json *old, const struct json *new)
{
    const char *old_start = json_find_text(old, "starts_local");
    const char *new_start = json_find_text(new, "starts_local");
    bool is_place_same = is_same_text(old, new, "venue") && is_same_text(old, new, "venue_address");
    return (struct difference){
        .is_day = !is_same_day(old_start, new_start),
        .is_times = !is_same_time(old_start, new_start) || !is_same_end(old, new),
        .is_venue = !is_place_same || has_text(old, "online_url") != has_text(new, "online_url"),
        .is_link = !is_same_text(old, new, "online_url") && has_text(new, "online_url"),
    };
}

/* Sessions of which nobody knows when come last. */
static bool is_before(const struct row *a, const struct row *b)
{
    const char *a_start = json_find_text(a->new != NULL ? a->new : a->old, "starts_local");
    const char *b_start = json_find_text(b->new != NULL ? b->new : b->old, "starts_local");
    if (a_start[0] == '\0' || b_start[0] == '\0')
        return a_start[0] != '\0' && b_start[0] == '\0';
    return strcmp(a_start, b_start) < 0;
}

static void row_insert(struct rows *rows, struct row row)
{
    size_t at = rows->count++;
    while (at > 0 && is_before(&row, &rows->row[at - 1])) {
        rows->row[at] = rows->row[at - 1];
        at--;
    }
    rows->row[at] = row;
}

static size_t session_count(const struct json *sessions)
{
    size_t count = json_array_count(sessions);
    return count < MAIL_CONTEXT_SESSIONS_MAXIMUM ? count : MAIL_CONTEXT_SESSIONS_MAXIMUM;
}

static void rows_make(struct rows *rows, const struct json *old, const struct json *new)
{
    bool is_paired[MAIL_CONTEXT_SESSIONS_MAXIMUM] = {false};
    size_t old_count = session_count(old);
    size_t new_count = session_count(new);
    for (size_t i = 0; i < new_count; i++) {
        struct row row = {.new = json_array_at(new, i), .new_index = i};
        for (size_t j = 0; j < old_count && row.old == NULL; j++) {
            const struct json *session = json_array_at(old, j);
            if (is_paired[j] || !is_same_session(session, j, row.new, i))
                continue;
            is_paired[j] = true;
            row.old = session;
            row.old_index = j;
            row.difference = difference_of(session, row.new);
            rows->is_link_changed |= row.difference.is_link;
            row.difference.is_link &= !rows->has_own_link;
        }
        row_insert(rows, row);
    }
    for (size_t j = 0; j < old_count; j++)
        if (!is_paired[j])
            row_insert(rows, (struct row){.old = json_array_at(old, j), .old_index = j});
}

static bool is_changed(const struct difference *difference)
{
    return difference->is_day || difference->is_times || difference->is_venue ||
           difference->is_link;
}

static void add_difference(struct context_builder *view, const struct difference *difference)
{
    context_build_bool(view, "is_day_changed", difference->is_day);
    context_build_bool(view, "is_times_changed", difference->is_times);
    context_build_bool(view, "is_venue_changed", difference->is_venue);
    context_build_bool(view, "is_link_changed", difference->is_link);
}

/* `session_views` are those of the course as it is. */
static struct json *row_view(const struct row *row, const struct json *session_views,
                             enum language language)
{
    bool has_both = row->old != NULL && row->new != NULL;
    struct context_builder view;
    context_build_start(&view);
    context_build_bool(&view, "is_added", row->old == NULL);
    context_build_bool(&view, "is_dropped", row->new == NULL);
    context_build_bool(&view, "is_changed", has_both && is_changed(&row->difference));
    context_build_bool(&view, "is_same", has_both && !is_changed(&row->difference));
    add_difference(&view, &row->difference);
    context_build_value(&view, "old",
                        row->old == NULL ? json_new_bool(false)
                                         : context_session(row->old, row->old_index + 1, language));
    context_build_value(&view, "new",
                        row->new == NULL ? json_new_bool(false)
                                         : json_hold(json_array_at(session_views, row->new_index)));
    return context_build_end(&view);
}

static void add_rows(struct context_builder *view, const struct rows *rows,
                     const struct json *session_views, enum language language, bool is_postponed)
{
    struct json *all = json_new_array();
    struct json *changed = json_new_array();
    struct difference total = {.is_link = rows->is_link_changed};
    bool has_added = false;
    bool has_dropped = false;
    for (size_t i = 0; i < rows->count; i++) {
        const struct row *row = &rows->row[i];
        bool is_same = row->old != NULL && row->new != NULL && !is_changed(&row->difference);
        struct json *item = row_view(row, session_views, language);
        has_added |= row->old == NULL;
        has_dropped |= row->new == NULL;
        total.is_day |= row->difference.is_day;
        total.is_times |= row->difference.is_times;
        total.is_venue |= row->difference.is_venue;
        if (!is_same && item != NULL && !json_append(changed, json_hold(item)))
            view->has_failed = true;
        if (!json_append(all, item))
            view->has_failed = true;
    }
    add_difference(view, &total);
    context_build_bool(view, "has_added", has_added);
    context_build_bool(view, "has_dropped", has_dropped && !is_postponed);
    context_build_bool(view, "is_long", json_array_count(changed) > LONG_ROWS);
    context_build_value(view, "rows", all);
    context_build_value(view, "changed_rows", changed);
}

static bool has_status(const struct json *course, const char *status)
{
    return strcmp(json_find_text(course, "status"), status) == 0;
}

/* A course that is put off has no sessions for the time being: the facts say so. */
void context_add_change(struct context_builder *context, const struct mail_context_input *input)
{
    const struct json *change = json_find(input->message, "change");
    const char *old_title = json_find_text(change, "title");
    char key[MAIL_CONTEXT_KEY_BYTES];
    struct context_builder view;
    struct rows rows = {.count = 0};
    if (json_kind_of(change) != JSON_KIND_OBJECT)
        return;
    mail_context_key_make(json_array_at(json_find(input->message, "courses"), 0), key);
    const struct json *course = json_find(input->courses, key);
    const struct json *course_view = json_find(input->course_views, key);
    context_build_start(&view);
    context_build_text(&view, "old_title", old_title);
    context_build_bool(&view, "is_title_changed",
                       old_title[0] != '\0' && !is_same_text(change, course, "title"));
    bool is_postponed = has_status(course, "postponed");
    context_build_bool(&view, "is_postponed", is_postponed);
    context_build_bool(&view, "is_on_again",
                       !is_postponed &&
                           (has_status(change, "postponed") || has_status(change, "cancelled")));
    rows.has_own_link =
        mail_context_url(json_find(input->message, "booking"), "online_url")[0] != '\0';
    rows_make(&rows, json_find(change, "sessions"), json_find(course, "sessions"));
    add_rows(&view, &rows, json_find(course_view, "sessions"), input->language, is_postponed);
    context_build_value(context, "change", context_build_end(&view));
}
