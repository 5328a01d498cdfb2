/* Reads tenants' own folders and lays them over the product's. Knows no kind by name. */
#include "templates/template_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* A tree takes some ten times its source, a hundred where each byte is a line: never more than
 * this, so that what fails has found no memory. */
enum { TENANT_ARENA_BYTES = 128 * TEMPLATE_TENANT_BYTES };

static const char partials_name[] = "partials";

/* One tenant's folder while it is read. */
struct tenant_reader {
    struct template_load *load;
    struct template_tenant *tenant;
    struct template_files files;
    struct template_folder *kinds[TEMPLATE_KINDS_MAXIMUM];
    struct template_partials *partials;
    struct template_folder *kind; /* whose folder is being walked, and its number */
    size_t kind_number;
};

static bool no_memory(const char *path, struct error *error)
{
    return error_set(error, EX_OSERR, "%s: out of memory", path);
}

/* `path` is no file that a kind's folder, or that of the partials (`kind` NULL), may hold. */
static bool refuse_file(const struct tenant_reader *reader, const char *path, const char *file,
                        const struct template_languages *languages, struct error *error)
{
    const struct template_partials *partials = &reader->load->set->partials;
    struct template_nearest nearest;
    char names[TEMPLATE_PARTIALS_MAXIMUM + TEMPLATE_LANGUAGES_MAXIMUM][TEMPLATE_NEAREST_BYTES + 1];
    size_t count = 0;
    for (size_t i = 0; reader->kind != NULL && i < TEMPLATE_PARTS; i++)
        (void)snprintf(names[count++], sizeof(names[0]), "%s", template_part_file(i));
    for (size_t i = 0; reader->kind == NULL && i < partials->count; i++)
        (void)snprintf(names[count++], sizeof(names[0]), "%s.mustache", partials->names[i]);
    for (size_t i = 0; i < languages->count; i++)
        (void)snprintf(names[count++], sizeof(names[0]), "words.%s", languages->at[i].language);
    template_nearest_init(&nearest, file);
    for (size_t i = 0; i < count; i++)
        template_nearest_try(&nearest, names[i]);
    error_set(error, EX_CONFIG, "%s: there is no such file to override", path);
    return template_nearest_say(&nearest, error);
}

static bool words_read(struct tenant_reader *reader, const char *folder, const char *file,
                       struct template_languages *own, const struct template_languages *product,
                       struct error *error)
{
    char path[PATH_MAX];
    const char *language = template_file_language(file);
    if (language == NULL || template_languages_find(product, language) == NULL)
        return template_path_join(path, folder, file, error) &&
               refuse_file(reader, path, file, product, error);
    return template_words_read(&reader->files, own, folder, language, error);
}

static bool kind_each(void *context, const char *folder, const char *file, struct error *error)
{
    struct tenant_reader *reader = context;
    const struct template_folder *product = reader->load->kinds[reader->kind_number].kind;
    char path[PATH_MAX];
    for (size_t i = 0; i < TEMPLATE_PARTS; i++) {
        if (strcmp(file, template_part_file(i)) != 0)
            continue;
        if (!template_path_join(path, folder, file, error))
            return false;
        reader->kind->parts[i] = template_file_compile(&reader->files, path, error);
        return reader->kind->parts[i] != NULL &&
               template_link_partials(reader->kind->parts[i], &reader->load->set->partials, error);
    }
    return words_read(reader, folder, file, &reader->kind->words, &product->words, error);
}

static bool kind_read(struct tenant_reader *reader, const char *folder, size_t number,
                      struct error *error)
{
    struct template_folder *kind = arena_alloc(&reader->tenant->arena, sizeof(*kind));
    if (kind == NULL)
        return no_memory(folder, error);
    kind->path = arena_copy_text(&reader->tenant->arena, folder);
    if (kind->path == NULL)
        return no_memory(folder, error);
    reader->kinds[number] = kind;
    reader->kind = kind;
    reader->kind_number = number;
    return template_files_walk(folder, kind_each, reader, error);
}

static bool partials_each(void *context, const char *folder, const char *file, struct error *error)
{
    struct tenant_reader *reader = context;
    const struct template_partials *product = &reader->load->set->partials;
    size_t stem = template_file_stem(file);
    for (size_t i = 0; stem > 0 && i < product->count; i++) {
        char path[PATH_MAX];
        if (strlen(product->names[i]) != stem || memcmp(product->names[i], file, stem) != 0)
            continue;
        if (!template_path_join(path, folder, file, error))
            return false;
        struct template *template = template_file_compile(&reader->files, path, error);
        reader->partials->at[i] = template;
        return template != NULL && template_link_partials(template, product, error);
    }
    return words_read(reader, folder, file, &reader->partials->words, &product->words, error);
}

static bool partials_read(struct tenant_reader *reader, const char *folder, struct error *error)
{
    reader->kind = NULL;
    reader->partials = arena_alloc(&reader->tenant->arena, sizeof(*reader->partials));
    if (reader->partials == NULL)
        return no_memory(folder, error);
    reader->partials->path = arena_copy_text(&reader->tenant->arena, folder);
    reader->partials->count = reader->load->set->partials.count;
    if (reader->partials->path == NULL)
        return no_memory(folder, error);
    return template_files_walk(folder, partials_each, reader, error);
}

static bool tenant_each(void *context, const char *folder, const char *name, struct error *error)
{
    struct tenant_reader *reader = context;
    const struct template_set *set = reader->load->set;
    struct template_nearest nearest;
    char path[PATH_MAX];
    if (!template_path_join(path, folder, name, error))
        return false;
    template_nearest_init(&nearest, name);
    if (template_is_folder(path)) {
        if (strcmp(name, partials_name) == 0)
            return partials_read(reader, path, error);
        for (size_t i = 0; i < set->kind_count; i++)
            if (strcmp(name, set->kinds[i].name) == 0)
                return kind_read(reader, path, i, error);
    }
    template_nearest_try(&nearest, partials_name);
    for (size_t i = 0; i < set->kind_count; i++)
        template_nearest_try(&nearest, set->kinds[i].name);
    error_set(error, EX_CONFIG, "%s: is no folder of a kind to override", path);
    return template_nearest_say(&nearest, error);
}

static struct template_layers layers_of(const struct tenant_reader *reader, size_t kind)
{
    struct template_layers layers = reader->load->kinds[kind];
    layers.tenant_kind = reader->kinds[kind];
    layers.tenant_partials = reader->partials;
    return layers;
}

/* Any kind may name the words of the partials. */
static bool partials_check(const struct tenant_reader *reader, struct error *error)
{
    const struct template_languages *product = &reader->load->set->partials.words;
    if (reader->partials == NULL)
        return true;
    for (size_t i = 0; i < reader->load->set->kind_count; i++) {
        const struct template_layers layers = layers_of(reader, i);
        template_layers_mark(&layers, &reader->partials->words);
    }
    return template_languages_check_used(&reader->partials->words, &product, 1, error);
}

/* The kinds that the tenant's files touch: its partials may be in any. */
static bool entries_make(const struct tenant_reader *reader, struct error *error)
{
    struct template_tenant *tenant = reader->tenant;
    const struct template_set *set = reader->load->set;
    size_t count = 0;
    for (size_t i = 0; i < set->kind_count; i++)
        count += reader->kinds[i] != NULL || reader->partials != NULL;
    tenant->entries = arena_alloc(&tenant->arena, (count + 1) * sizeof(*tenant->entries));
    if (tenant->entries == NULL)
        return no_memory(tenant->slug, error);
    for (size_t i = 0; i < set->kind_count; i++) {
        const struct template_layers layers = layers_of(reader, i);
        if (layers.tenant_kind == NULL && layers.tenant_partials == NULL)
            continue;
        if (!template_entry_make(&tenant->entries[tenant->count], &tenant->arena, &layers, error))
            return false;
        tenant->count++;
    }
    return true;
}

/* As a portal's calls take it (queue/sql: check_slug). */
static bool is_slug(const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_word && (i == 0 || (c != '.' && c != '_' && c != '-')))
            return false;
    }
    return size > 0 && size <= 63;
}

static bool tenant_fill(struct template_load *load, struct template_tenant *tenant,
                        const char *name, const char *folder, struct error *error)
{
    struct tenant_reader reader = {
        .load = load, .tenant = tenant, .files = {&tenant->arena, TEMPLATE_TENANT_BYTES}};
    if (!is_slug(name))
        return error_set(error, EX_CONFIG,
                         "%s: a tenant's name has 1 to 63 letters, digits, dots, hyphens and "
                         "underscores",
                         folder);
    tenant->slug = arena_copy_text(&tenant->arena, name);
    if (tenant->slug == NULL)
        return no_memory(folder, error);
    return template_files_walk(folder, tenant_each, &reader, error) &&
           partials_check(&reader, error) && entries_make(&reader, error);
}

static bool problem_keep(struct template_set *set, const char *text)
{
    const char **problems =
        realloc(set->problems, (set->problem_count + 1) * sizeof(*set->problems));
    if (problems == NULL)
        return false;
    set->problems = problems;
    problems[set->problem_count] = arena_copy_text(&set->arena, text);
    return problems[set->problem_count++] != NULL;
}

static bool tenant_keep(struct template_set *set, const struct template_tenant *tenant)
{
    struct template_tenant *tenants =
        realloc(set->tenants, (set->tenant_count + 1) * sizeof(*set->tenants));
    if (tenants == NULL)
        return false;
    set->tenants = tenants;
    tenants[set->tenant_count++] = *tenant;
    return true;
}

static bool tenants_each(void *context, const char *overrides, const char *name,
                         struct error *error)
{
    struct template_load *load = context;
    struct template_tenant tenant = {0};
    /* What fails without a word of its own has found no memory. */
    struct error problem = {.exit_status = EX_OSERR, .text = "templates: out of memory"};
    char folder[PATH_MAX];
    if (!template_path_join(folder, overrides, name, error))
        return false;
    if (!template_is_folder(folder))
        return true;
    if (load->set->tenant_count == TEMPLATE_TENANTS_MAXIMUM)
        return error_set(error, EX_CONFIG, "%s: more than %d tenants", overrides,
                         TEMPLATE_TENANTS_MAXIMUM);
    arena_init(&tenant.arena, TENANT_ARENA_BYTES);
    if (tenant_fill(load, &tenant, name, folder, &problem)) {
        if (tenant_keep(load->set, &tenant))
            return true;
        arena_free(&tenant.arena);
        return no_memory(folder, error);
    }
    arena_free(&tenant.arena);
    if (problem.exit_status == EX_OSERR)
        return error_set(error, EX_OSERR, "%s", problem.text);
    return problem_keep(load->set, problem.text) || no_memory(folder, error);
}

bool template_load_tenants(struct template_load *load, const char *overrides, struct error *error)
{
    return template_files_walk(overrides, tenants_each, load, error);
}
