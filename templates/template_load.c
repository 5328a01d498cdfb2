/* Reads the product's own folder: partials, then kinds. Knows no kind by name. */
#include "templates/template_load.h"

#include <string.h>
#include <sysexits.h>

enum { FIELDS_FILE_BYTES = 64 * 1024 };

static const char partials_name[] = "partials";

static bool no_memory(const char *path, struct error *error)
{
    return error_set(error, EX_OSERR, "%s: out of memory", path);
}

static bool fields_read(struct template_load *load, const char *folder,
                        struct template_fields *fields, struct error *error)
{
    char path[PATH_MAX];
    struct buf text;
    if (!template_path_join(path, folder, "fields", error) ||
        !template_files_read(&load->files, path, FIELDS_FILE_BYTES, &text, error))
        return false;
    bool is_read = template_fields_parse(fields, &load->scratch, path, text.data, text.size, error);
    buf_free(&text);
    return is_read;
}

static bool partial_add(struct template_load *load, const char *path, const char *file, size_t stem,
                        struct error *error)
{
    struct template_partials *partials = &load->set->partials;
    if (!template_is_name(file, stem))
        return error_set(error, EX_CONFIG, "%s: a partial's name is of a-z, 0-9 and '_'", path);
    if (partials->count == TEMPLATE_PARTIALS_MAXIMUM)
        return error_set(error, EX_CONFIG, "%s: more than %d partials", path,
                         TEMPLATE_PARTIALS_MAXIMUM);
    struct template *template = template_file_compile(&load->files, path, error);
    if (template == NULL)
        return false;
    template->number = partials->count;
    partials->at[partials->count] = template;
    partials->names[partials->count] = arena_copy(&load->set->arena, file, stem);
    if (partials->names[partials->count++] == NULL)
        return no_memory(path, error);
    return true;
}

static bool partials_each(void *context, const char *folder, const char *file, struct error *error)
{
    struct template_load *load = context;
    char path[PATH_MAX];
    const char *language = template_file_language(file);
    size_t stem = template_file_stem(file);
    if (!template_path_join(path, folder, file, error))
        return false;
    if (language != NULL)
        return template_words_read(&load->files, &load->set->partials.words, folder, language,
                                   error);
    return stem == 0 || partial_add(load, path, file, stem, error);
}

static bool partials_load(struct template_load *load, const char *directory, struct error *error)
{
    struct template_partials *partials = &load->set->partials;
    char folder[PATH_MAX];
    if (!template_path_join(folder, directory, partials_name, error))
        return false;
    partials->path = arena_copy_text(&load->set->arena, folder);
    if (partials->path == NULL)
        return no_memory(folder, error);
    if (!fields_read(load, folder, &load->shared_fields, error) ||
        !template_files_walk(folder, partials_each, load, error))
        return false;
    for (size_t i = 0; i < partials->count; i++)
        if (!template_link_partials(partials->at[i], partials, error))
            return false;
    return template_languages_check(&partials->words, error);
}

struct kind_reader {
    struct template_load *load;
    struct template_folder *kind;
};

static bool kind_each(void *context, const char *folder, const char *file, struct error *error)
{
    const struct kind_reader *reader = context;
    const char *language = template_file_language(file);
    return language == NULL ||
           template_words_read(&reader->load->files, &reader->kind->words, folder, language, error);
}

static bool kind_read(struct template_load *load, struct template_folder *kind, struct error *error)
{
    struct kind_reader reader = {load, kind};
    for (size_t i = 0; i < TEMPLATE_PARTS; i++) {
        char path[PATH_MAX];
        if (!template_path_join(path, kind->path, template_part_file(i), error))
            return false;
        kind->parts[i] = template_file_compile(&load->files, path, error);
        if (kind->parts[i] == NULL ||
            !template_link_partials(kind->parts[i], &load->set->partials, error))
            return false;
    }
    return template_files_walk(kind->path, kind_each, &reader, error);
}

static bool kind_load(struct template_load *load, const char *name, const char *folder,
                      struct error *error)
{
    struct template_set *set = load->set;
    if (!template_is_name(name, strlen(name)))
        return error_set(error, EX_CONFIG, "%s: a kind's name is of a-z, 0-9 and '_'", folder);
    if (set->kind_count == TEMPLATE_KINDS_MAXIMUM)
        return error_set(error, EX_CONFIG, "%s: more than %d kinds", folder,
                         TEMPLATE_KINDS_MAXIMUM);
    struct template_fields *fields = arena_alloc(&load->scratch, sizeof(*fields));
    struct template_folder *kind = arena_alloc(&set->arena, sizeof(*kind));
    const char *name_copy = arena_copy_text(&set->arena, name);
    if (fields == NULL || kind == NULL || name_copy == NULL)
        return no_memory(folder, error);
    *fields = load->shared_fields;
    kind->path = arena_copy_text(&set->arena, folder);
    if (kind->path == NULL)
        return no_memory(folder, error);
    const struct template_layers layers = {
        .name = name_copy, .fields = fields, .kind = kind, .partials = &set->partials};
    if (!fields_read(load, folder, fields, error) || !kind_read(load, kind, error) ||
        !template_entry_make(&set->kinds[set->kind_count], &set->arena, &layers, error))
        return false;
    template_layers_mark(&layers, &set->partials.words);
    load->kinds[set->kind_count++] = layers;
    return true;
}

static bool kinds_each(void *context, const char *directory, const char *name, struct error *error)
{
    /* What is no kind: pages are of the web (worker/flow/pages.c), samples are facts to preview
     * mails with. */
    static const char *const others[] = {partials_name, "pages", "samples"};
    char folder[PATH_MAX];
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcmp(name, others[i]) == 0)
            return true;
    if (!template_path_join(folder, directory, name, error))
        return false;
    return !template_is_folder(folder) || kind_load(context, name, folder, error);
}

/* In alphabetical order, each once. */
static bool language_add(struct template_set *set, const char *language)
{
    size_t at = 0;
    while (at < set->language_count && strcmp(set->languages[at], language) < 0)
        at++;
    if (at < set->language_count && strcmp(set->languages[at], language) == 0)
        return true;
    if (set->language_count == TEMPLATE_LANGUAGES_MAXIMUM)
        return false;
    memmove(&set->languages[at + 1], &set->languages[at],
            (set->language_count - at) * sizeof(set->languages[0]));
    set->languages[at] = language;
    set->language_count++;
    return true;
}

static bool languages_gather(struct template_set *set, struct error *error)
{
    for (size_t i = 0; i < set->kind_count; i++)
        for (size_t j = 0; j < set->kinds[i].count; j++)
            if (!language_add(set, set->kinds[i].languages[j].language))
                return error_set(error, EX_CONFIG, "%s: more than %d languages", set->partials.path,
                                 TEMPLATE_LANGUAGES_MAXIMUM);
    return true;
}

bool template_load_product(struct template_load *load, const char *directory, struct error *error)
{
    struct template_set *set = load->set;
    if (!partials_load(load, directory, error) ||
        !template_files_walk(directory, kinds_each, load, error))
        return false;
    if (set->kind_count == 0)
        return error_set(error, EX_CONFIG, "%s: holds no kind", directory);
    return template_languages_check_used(&set->partials.words, NULL, 0, error) &&
           languages_gather(set, error);
}
