/* Reads a directory of templates, links and checks them. Knows no kind by name. */
#include "templates/template_set.h"

#include "templates/template_fields.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

/* 128 kinds and partials of ordinary size; a tree takes some ten times its source. */
enum { SET_ARENA_BYTES = 256 * 1024 * 1024, FIELDS_FILE_BYTES = 64 * 1024 };

static const char partials_name[] = "partials";
static const char pages_name[] = "pages";     /* of the web (worker/flow/pages.c): no mails */
static const char samples_name[] = "samples"; /* facts to preview mails with */

const struct setting template_settings[] = {
    {"templates", "dir", SETTING_PATH, "", 1, PATH_MAX - 1, HANDBELL_DATA_DIR "/templates",
     "Folder of the mails' templates: KIND/subject.mustache, text.mustache, html.mustache, fields, "
     "words.LANGUAGE",
     false},
    {"templates", "overrides", SETTING_PATH, "", 0, PATH_MAX - 1, "",
     "Folder of tenants' own templates and words, a folder a tenant: SLUG/KIND/..., "
     "SLUG/partials/... "
     "(docs/templates.md); empty: none",
     false},
    {.section = NULL},
};

struct partial {
    const char *name;
    struct template *template;
};

struct template_set {
    struct arena arena;
    struct template_kind kinds[TEMPLATE_KINDS_MAXIMUM];
    size_t kind_count;
    struct partial partials[TEMPLATE_PARTIALS_MAXIMUM];
    size_t partial_count;
    struct template_fields shared_fields;
};

/* Reads `path` whole into `text` (of at most `ceiling` bytes). */
static bool file_read(const char *path, size_t ceiling, struct buf *text, struct error *error)
{
    buf_init(text, ceiling);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set(error, EX_NOINPUT, "%s: %s", path, strerror(errno));
    char chunk[16 * 1024];
    size_t got = 0;
    while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0 && buf_append(text, chunk, got))
        continue;
    bool is_broken = ferror(file) != 0;
    (void)fclose(file);
    if (is_broken)
        error_set(error, EX_IOERR, "%s: cannot be read", path);
    else if (text->is_out_of_memory)
        error_set(error, EX_OSERR, "%s: out of memory", path);
    else if (text->has_failed)
        error_set(error, EX_CONFIG, "%s: larger than %zu bytes", path, ceiling);
    if (!is_broken && !text->has_failed)
        return true;
    buf_free(text);
    return false;
}

static struct template *file_compile(struct template_set *set, const char *path,
                                     struct error *error)
{
    struct buf source;
    if (!file_read(path, TEMPLATE_SOURCE_BYTES, &source, error))
        return NULL;
    struct template *template =
        template_compile(&set->arena, path, source.data, source.size, error);
    buf_free(&source);
    return template;
}

static bool fields_read(struct template_set *set, const char *path, struct template_fields *fields,
                        struct error *error)
{
    struct buf text;
    if (!file_read(path, FIELDS_FILE_BYTES, &text, error))
        return false;
    bool is_read = template_fields_parse(fields, &set->arena, path, text.data, text.size, error);
    buf_free(&text);
    return is_read;
}

static bool is_name(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return size > 0;
}

static bool path_join(char path[PATH_MAX], const char *folder, const char *name,
                      struct error *error)
{
    int size = snprintf(path, PATH_MAX, "%s/%s", folder, name);
    if (size < 0 || size >= PATH_MAX)
        return error_set(error, EX_CONFIG, "%s: path too long", folder);
    return true;
}

static bool partial_add(struct template_set *set, const char *folder, const char *file,
                        struct error *error)
{
    static const char ending[] = ".mustache";
    size_t size = strlen(file);
    size_t ending_size = sizeof(ending) - 1;
    if (size <= ending_size || strcmp(file + size - ending_size, ending) != 0)
        return true;
    char path[PATH_MAX];
    if (!path_join(path, folder, file, error))
        return false;
    if (!is_name(file, size - ending_size))
        return error_set(error, EX_CONFIG, "%s: a partial's name is of a-z, 0-9 and '_'", path);
    if (set->partial_count == TEMPLATE_PARTIALS_MAXIMUM)
        return error_set(error, EX_CONFIG, "%s: more than %d partials", path,
                         TEMPLATE_PARTIALS_MAXIMUM);
    struct partial *partial = &set->partials[set->partial_count];
    partial->name = arena_copy(&set->arena, file, size - ending_size);
    partial->template = file_compile(set, path, error);
    if (partial->name == NULL || partial->template == NULL)
        return false;
    set->partial_count++;
    return true;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Calls `each` for the entries of `folder` in alphabetical order, so that errors and order are the
 * same on every machine. */
static bool folder_walk(struct template_set *set, const char *folder,
                        bool (*each)(struct template_set *, const char *, const char *,
                                     struct error *),
                        struct error *error)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, compare_names);
    if (count < 0)
        return error_set(error, EX_NOINPUT, "%s: %s", folder, strerror(errno));
    bool is_fine = true;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        is_fine = is_fine && (name[0] == '.' || each(set, folder, name, error));
        free(entries[i]);
    }
    free(entries);
    return is_fine;
}

static const struct template *partial_find(void *context, const char *name)
{
    const struct template_set *set = context;
    for (size_t i = 0; i < set->partial_count; i++)
        if (strcmp(set->partials[i].name, name) == 0)
            return set->partials[i].template;
    return NULL;
}

static const struct template *part_load(struct template_set *set, const char *folder,
                                        const char *file, const struct template_fields *fields,
                                        struct error *error)
{
    char path[PATH_MAX];
    if (!path_join(path, folder, file, error))
        return NULL;
    struct template *template = file_compile(set, path, error);
    if (template == NULL || !template_link(template, partial_find, set, true, error) ||
        !template_fields_check(fields, template, error))
        return NULL;
    return template;
}

static bool kind_load(struct template_set *set, const char *name, const char *folder,
                      struct error *error)
{
    if (!is_name(name, strlen(name)))
        return error_set(error, EX_CONFIG, "%s: a kind's name is of a-z, 0-9 and '_'", folder);
    if (set->kind_count == TEMPLATE_KINDS_MAXIMUM)
        return error_set(error, EX_CONFIG, "%s: more than %d kinds", folder,
                         TEMPLATE_KINDS_MAXIMUM);
    char path[PATH_MAX];
    struct template_fields fields = set->shared_fields;
    if (!path_join(path, folder, "fields", error) || !fields_read(set, path, &fields, error))
        return false;
    struct template_kind *kind = &set->kinds[set->kind_count];
    kind->name = arena_copy_text(&set->arena, name);
    kind->language = TEMPLATE_LAST_LANGUAGE;
    kind->subject = part_load(set, folder, "subject.mustache", &fields, error);
    if (kind->name == NULL || kind->subject == NULL)
        return false;
    kind->text = part_load(set, folder, "text.mustache", &fields, error);
    if (kind->text == NULL)
        return false;
    kind->html = part_load(set, folder, "html.mustache", &fields, error);
    if (kind->html == NULL)
        return false;
    set->kind_count++;
    return true;
}

static bool kind_add(struct template_set *set, const char *directory, const char *name,
                     struct error *error)
{
    char folder[PATH_MAX];
    struct stat status;
    if (strcmp(name, partials_name) == 0 || strcmp(name, pages_name) == 0 ||
        strcmp(name, samples_name) == 0)
        return true;
    if (!path_join(folder, directory, name, error))
        return false;
    if (stat(folder, &status) != 0 || !S_ISDIR(status.st_mode))
        return true;
    return kind_load(set, name, folder, error);
}

static bool set_fill(struct template_set *set, const char *directory, struct error *error)
{
    char folder[PATH_MAX];
    char path[PATH_MAX];
    if (!path_join(folder, directory, partials_name, error) ||
        !path_join(path, folder, "fields", error) ||
        !fields_read(set, path, &set->shared_fields, error) ||
        !folder_walk(set, folder, partial_add, error))
        return false;
    for (size_t i = 0; i < set->partial_count; i++)
        if (!template_link(set->partials[i].template, partial_find, set, true, error))
            return false;
    if (!folder_walk(set, directory, kind_add, error))
        return false;
    if (set->kind_count == 0)
        return error_set(error, EX_CONFIG, "%s: holds no kind", directory);
    return true;
}

struct template_set *template_set_load(const char *directory, const char *overrides,
                                       struct error *error)
{
    (void)overrides;
    struct template_set *set = calloc(1, sizeof(*set));
    if (set == NULL) {
        error_set(error, EX_OSERR, "templates: out of memory");
        return NULL;
    }
    arena_init(&set->arena, SET_ARENA_BYTES);
    /* What fails without a word of its own has found no memory. */
    struct error problem;
    error_set(&problem, EX_OSERR, "%s: out of memory", directory);
    if (set_fill(set, directory, &problem))
        return set;
    if (error != NULL)
        *error = problem;
    template_set_free(set);
    return NULL;
}

void template_set_free(struct template_set *set)
{
    if (set == NULL)
        return;
    arena_free(&set->arena);
    free(set);
}

const struct template_kind *template_set_find(const struct template_set *set,
                                              const char *tenant_slug, const char *kind,
                                              const char *const *languages, size_t language_count)
{
    (void)tenant_slug;
    (void)languages;
    (void)language_count;
    size_t low = 0;
    size_t high = set->kind_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(kind, set->kinds[middle].name);
        if (order == 0)
            return &set->kinds[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

bool template_set_has_language(const struct template_set *set, const char *kind,
                               const char *language)
{
    return template_set_find(set, "", kind, NULL, 0) != NULL &&
           strcmp(language, TEMPLATE_LAST_LANGUAGE) == 0;
}

size_t template_set_kind_count(const struct template_set *set)
{
    return set->kind_count;
}

const char *template_set_kind_at(const struct template_set *set, size_t index)
{
    return set->kinds[index].name;
}

size_t template_set_language_count(const struct template_set *set)
{
    return set->kind_count > 0;
}

const char *template_set_language_at(const struct template_set *set, size_t index)
{
    return set->kinds[index].language;
}

size_t template_set_tenant_count(const struct template_set *set)
{
    (void)set;
    return 0;
}

size_t template_set_problem_count(const struct template_set *set)
{
    (void)set;
    return 0;
}

const char *template_set_problem_at(const struct template_set *set, size_t index)
{
    (void)set;
    (void)index;
    return "";
}
