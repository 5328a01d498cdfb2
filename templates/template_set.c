/* A set as its users see it: loaded, searched, freed. Knows no kind and no tenant by name. */
#include "templates/template_set.h"

#include "templates/template_load.h"

#include <stdlib.h>
#include <strings.h>
#include <sysexits.h>

/* A tree takes some ten times its source, a hundred where each byte is a line: never more than
 * this, so that what fails has found no memory. */
enum { SET_ARENA_BYTES = 128 * TEMPLATE_SET_BYTES };

const struct setting template_settings[] = {
    {"templates", "dir", SETTING_PATH, "", 1, PATH_MAX - 1, HANDBELL_DATA_DIR "/templates",
     "Folder of the mails' templates: KIND/subject.mustache, text.mustache, html.mustache, fields, "
     "words.LANGUAGE",
     false},
    {"templates", "overrides", SETTING_PATH, "", 0, PATH_MAX - 1, "",
     "Folder of tenants' own templates and words, a folder a tenant: SLUG/KIND/..., "
     "SLUG/partials/... (docs/templates.md); empty: none",
     false},
    {.section = NULL},
};

static bool set_fill(struct template_load *load, const char *directory, const char *overrides,
                     struct error *error)
{
    if (!template_load_product(load, directory, error))
        return false;
    return overrides == NULL || *overrides == '\0' || template_load_tenants(load, overrides, error);
}

struct template_set *template_set_load(const char *directory, const char *overrides,
                                       struct error *error)
{
    struct template_set *set = calloc(1, sizeof(*set));
    struct template_load *load = calloc(1, sizeof(*load));
    /* What fails without a word of its own has found no memory. */
    struct error problem = {.exit_status = EX_OSERR, .text = "templates: out of memory"};
    bool is_filled = false;
    if (set != NULL && load != NULL) {
        arena_init(&set->arena, SET_ARENA_BYTES);
        arena_init(&load->scratch, SET_ARENA_BYTES);
        load->set = set;
        load->files = (struct template_files){&set->arena, TEMPLATE_SET_BYTES};
        is_filled = set_fill(load, directory, overrides, &problem);
        arena_free(&load->scratch);
    }
    free(load);
    if (is_filled)
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
    for (size_t i = 0; i < set->tenant_count; i++)
        arena_free(&set->tenants[i].arena);
    free(set->tenants);
    free(set->problems);
    arena_free(&set->arena);
    free(set);
}

static const struct template_tenant *tenant_find(const struct template_set *set, const char *slug)
{
    size_t low = 0;
    size_t high = set->tenant_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(slug, set->tenants[middle].slug);
        if (order == 0)
            return &set->tenants[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static const struct template_entry *entry_find(const struct template_entry *entries, size_t count,
                                               const char *kind)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(kind, entries[middle].name);
        if (order == 0)
            return &entries[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static const struct template_kind *language_find(const struct template_entry *entry,
                                                 const char *language, size_t size)
{
    for (size_t i = 0; i < entry->count; i++)
        if (strncasecmp(entry->languages[i].language, language, size) == 0 &&
            entry->languages[i].language[size] == '\0')
            return &entry->languages[i];
    return NULL;
}

/* The size of the tag without its last part, nor a part of one letter before it: that only
 * introduces what follows (RFC 4647 section 3.4). */
static size_t shorten(const char *language, size_t size)
{
    do {
        while (size > 0 && language[size - 1] != '-')
            size--;
        size -= size > 0;
    } while (size > 2 && language[size - 2] == '-');
    return size;
}

static const struct template_kind *language_match(const struct template_entry *entry,
                                                  const char *language)
{
    const struct template_kind *kind = NULL;
    size_t first = strcspn(language, "-");
    for (size_t size = strlen(language); size > 0 && kind == NULL; size = shorten(language, size))
        kind = language_find(entry, language, size);
    for (size_t i = 0; i < entry->count && kind == NULL && first > 0; i++)
        if (strcspn(entry->languages[i].language, "-") == first &&
            strncasecmp(entry->languages[i].language, language, first) == 0)
            kind = &entry->languages[i];
    return kind;
}

const struct template_kind *template_set_find(const struct template_set *set,
                                              const char *tenant_slug, const char *kind,
                                              const char *const *languages, size_t language_count)
{
    const struct template_tenant *tenant = tenant_find(set, tenant_slug);
    const struct template_entry *entry = NULL;
    const struct template_kind *found = NULL;
    if (tenant != NULL)
        entry = entry_find(tenant->entries, tenant->count, kind);
    if (entry == NULL)
        entry = entry_find(set->kinds, set->kind_count, kind);
    if (entry == NULL)
        return NULL;
    for (size_t i = 0; i < language_count && found == NULL; i++)
        if (languages[i] != NULL)
            found = language_match(entry, languages[i]);
    return found != NULL ? found : language_match(entry, TEMPLATE_LAST_LANGUAGE);
}

bool template_set_has_language(const struct template_set *set, const char *kind,
                               const char *language)
{
    const struct template_entry *entry = entry_find(set->kinds, set->kind_count, kind);
    return entry != NULL && language_find(entry, language, strlen(language)) != NULL;
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
    return set->language_count;
}

const char *template_set_language_at(const struct template_set *set, size_t index)
{
    return set->languages[index];
}

size_t template_set_tenant_count(const struct template_set *set)
{
    return set->tenant_count;
}

size_t template_set_problem_count(const struct template_set *set)
{
    return set->problem_count;
}

const char *template_set_problem_at(const struct template_set *set, size_t index)
{
    return set->problems[index];
}
