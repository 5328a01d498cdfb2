/* The samples of the templates' folder. */
#include "worker/cli/preview_samples.h"

#include "worker/base/buf.h"
#include "worker/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { NAMES_BYTES = 400 };

static const char shared_name[] = "shared";
static const char file_ending[] = ".json";

static bool is_name(const char *name)
{
    return name[0] != '\0' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

/* An object of samples/NAME.json. */
static struct json *sample_file_read(const char *templates, const char *name, struct error *error)
{
    char path[PATH_MAX];
    struct json *value = NULL;
    struct buf text;
    int size = snprintf(path, sizeof path, "%s/samples/%s%s", templates, name, file_ending);
    if (size < 0 || (size_t)size >= sizeof path) {
        error_set(error, EX_CONFIG, "%s: path too long", templates);
        return NULL;
    }
    buf_init(&text, PREVIEW_SAMPLE_FILE_BYTES);
    if (file_read(path, &text, error)) {
        value = json_parse(text.data, text.size, error);
        if (value == NULL)
            error_prefix(error, "%s", path);
    }
    buf_free(&text);
    if (value != NULL && json_kind_of(value) != JSON_KIND_OBJECT) {
        error_set(error, EX_CONFIG, "%s: is no JSON object", path);
        json_free(value);
        return NULL;
    }
    return value;
}

static bool name_add(void *context, const char *key, const struct json *value)
{
    struct buf *names = context;
    (void)value;
    return buf_printf(names, "%s%s", names->size > 0 ? ", " : "", key);
}

/* `object`[name], and else an error that lists what there is. */
static const struct json *find_named(const struct json *object, const char *name, const char *what,
                                     struct error *error)
{
    const struct json *found = json_find(object, name);
    struct buf names;
    if (found != NULL)
        return found;
    buf_init(&names, NAMES_BYTES);
    json_each(object, name_add, &names);
    error_set(error, EX_USAGE, "%s: there is none of that name; there are: %s", what,
              names.size > 0 ? names.data : "none");
    buf_free(&names);
    return NULL;
}

static bool is_listed(const struct json *ids, int64_t id)
{
    for (size_t i = 0; i < json_array_count(ids); i++) {
        if (json_integer_or(json_array_at(ids, i), -1) == id)
            return true;
    }
    return false;
}

static struct json *courses_choose(const struct json *courses, const struct json *ids)
{
    struct json *chosen = json_new_array();
    for (size_t i = 0; i < json_array_count(courses) && chosen != NULL; i++) {
        const struct json *course = json_array_at(courses, i);
        if (is_listed(ids, json_find_integer(course, "id", 0)) &&
            !json_append(chosen, json_hold(course))) {
            json_free(chosen);
            return NULL;
        }
    }
    return chosen;
}

/* The sample's message with what its kind and its person add. */
static struct json *message_make(const char *kind, const struct json *of_kind,
                                 const struct json *sample, const struct json *person)
{
    struct json *message = json_new_object();
    const struct json *link_topic = json_find(of_kind, "link_topic");
    if (message == NULL)
        return NULL;
    bool is_whole =
        json_set_all(message, json_find(sample, "message")) &&
        json_set(message, "id", json_new_integer(0)) &&
        json_set(message, "kind", json_new_text(kind, strlen(kind))) &&
        (link_topic == NULL || json_set(message, "link_topic", json_hold(link_topic))) &&
        (person == NULL || json_set(message, "person", json_hold(person)));
    if (is_whole)
        return message;
    json_free(message);
    return NULL;
}

static struct json *facts_make(const char *kind, const struct json *of_kind,
                               const struct json *sample, const struct json *shared,
                               struct error *error)
{
    const struct json *person_name = json_find(sample, "person");
    const struct json *person = NULL;
    const struct json *tenant =
        find_named(json_find(shared, "tenants"), json_find_text(sample, "tenant"), "tenant", error);
    if (tenant == NULL)
        return NULL;
    if (person_name != NULL) {
        person =
            find_named(json_find(shared, "people"), json_text(person_name, NULL), "person", error);
        if (person == NULL)
            return NULL;
    }
    const struct json *ids = json_find(json_find(sample, "message"), "courses");
    const struct json *categories = json_find(shared, "categories");
    int64_t lane = json_find_integer(of_kind, "lane", 0);
    int64_t now_unix = json_find_integer(sample, "now_unix", 0);
    struct json *facts = json_new_object();
    if (facts != NULL && json_set(facts, "tenant", json_hold(tenant)) &&
        json_set(facts, "courses", courses_choose(json_find(shared, "courses"), ids)) &&
        (categories == NULL || json_set(facts, "categories", json_hold(categories))) &&
        json_set(facts, "message", message_make(kind, of_kind, sample, person)) &&
        json_set(facts, "lane", json_new_integer(lane)) &&
        json_set(facts, "now_unix", json_new_integer(now_unix)))
        return facts;
    json_free(facts);
    error_set(error, EX_OSERR, "no memory");
    return NULL;
}

struct first {
    const char *key;
};

static bool first_take(void *context, const char *key, const struct json *value)
{
    struct first *first = context;
    (void)value;
    first->key = key;
    return false;
}

/* A kind is asked for by the user, so a file that is not there is said of the option. */
static struct json *kind_read(const char *templates, const char *kind, struct error *error)
{
    struct json *of_kind = NULL;
    if (!is_name(kind) || strcmp(kind, shared_name) == 0) {
        error_set(error, EX_USAGE, "--kind: there is none of that name; --list names them");
        return NULL;
    }
    of_kind = sample_file_read(templates, kind, error);
    if (of_kind == NULL && error->exit_status == EX_NOINPUT)
        error_set(error, EX_USAGE, "--kind: no sample of that kind; --list names them");
    return of_kind;
}

struct json *preview_sample_read(const char *templates, const char *kind, const char *name,
                                 struct error *error)
{
    struct json *of_kind = kind_read(templates, kind, error);
    struct json *shared = of_kind != NULL ? sample_file_read(templates, shared_name, error) : NULL;
    struct json *facts = NULL;
    if (shared != NULL) {
        const struct json *samples = json_find(of_kind, "samples");
        struct first first = {.key = ""};
        json_each(samples, first_take, &first);
        const struct json *sample =
            find_named(samples, name != NULL ? name : first.key, "--sample", error);
        if (sample != NULL)
            facts = facts_make(kind, of_kind, sample, shared, error);
        if (sample != NULL && facts == NULL && error->exit_status == EX_USAGE) {
            error->exit_status = EX_CONFIG; /* the file's mistake, not the user's */
            error_prefix(error, "samples/%s.json", kind);
        }
    }
    json_free(shared);
    json_free(of_kind);
    return facts;
}

struct listing {
    const char *kind;
    FILE *stream;
};

static bool sample_write(void *context, const char *key, const struct json *value)
{
    const struct listing *listing = context;
    (void)fprintf(listing->stream, "%-20s %-15s %s\n", listing->kind, key,
                  json_find_text(value, "about"));
    return true;
}

static bool kind_list(const char *templates, const char *kind, FILE *stream, struct error *error)
{
    struct listing listing = {.kind = kind, .stream = stream};
    struct json *of_kind = kind_read(templates, kind, error);
    if (of_kind == NULL)
        return false;
    json_each(json_find(of_kind, "samples"), sample_write, &listing);
    json_free(of_kind);
    return true;
}

/* The kind that `file` holds samples of; false where it holds none. */
static bool kind_of_file(const char *file, char kind[NAME_MAX + 1])
{
    size_t size = strlen(file);
    size_t ending_size = sizeof file_ending - 1;
    if (size <= ending_size || strcmp(file + size - ending_size, file_ending) != 0)
        return false;
    (void)snprintf(kind, NAME_MAX + 1, "%.*s", (int)(size - ending_size), file);
    return is_name(kind) && strcmp(kind, shared_name) != 0;
}

bool preview_sample_list(const char *templates, const char *kind, FILE *stream, struct error *error)
{
    struct dirent **entries = NULL;
    char folder[PATH_MAX];
    char found[NAME_MAX + 1];
    if (kind != NULL)
        return kind_list(templates, kind, stream, error);
    if (snprintf(folder, sizeof folder, "%s/samples", templates) >= (int)sizeof folder)
        return error_set(error, EX_CONFIG, "%s: path too long", templates);
    int count = scandir(folder, &entries, NULL, alphasort);
    if (count < 0)
        return error_set(error, EX_NOINPUT, "%s: %s", folder, strerror(errno));
    bool is_done = true;
    for (int i = 0; i < count; i++) {
        if (is_done && kind_of_file(entries[i]->d_name, found))
            is_done = kind_list(templates, found, stream, error);
        free(entries[i]);
    }
    free(entries);
    return is_done;
}
