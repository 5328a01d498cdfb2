/* Folders of templates, and kinds made of them. Knows no tenant by name. */
#include "templates/template_folder.h"

#include <stdio.h>
#include <strings.h>
#include <sysexits.h>

static const char words_start[] = "words.";

const char *template_part_file(size_t part)
{
    static const char *const files[TEMPLATE_PARTS] = {"subject.mustache", "text.mustache",
                                                      "html.mustache"};
    return files[part];
}

size_t template_file_stem(const char *file)
{
    static const char ending[] = ".mustache";
    size_t size = strlen(file);
    size_t ending_size = sizeof(ending) - 1;
    bool has_ending = size > ending_size && strcmp(file + size - ending_size, ending) == 0;
    return has_ending ? size - ending_size : 0;
}

const char *template_file_language(const char *file)
{
    bool is_words = strncmp(file, words_start, sizeof(words_start) - 1) == 0;
    return is_words ? file + sizeof(words_start) - 1 : NULL;
}

struct template *template_file_compile(struct template_files *files, const char *path,
                                       struct error *error)
{
    struct buf source;
    if (!template_files_read(files, path, TEMPLATE_SOURCE_BYTES, &source, error))
        return NULL;
    struct template *template = template_compile(
        files->arena, path, source.size > 0 ? source.data : "", source.size, error);
    buf_free(&source);
    return template;
}

/* As BCP 47 writes it: letters and digits, with '-' between. */
static bool is_language(const char *language)
{
    size_t size = strlen(language);
    for (size_t i = 0; i < size; i++) {
        char c = language[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_other = (c >= '0' && c <= '9') || (c == '-' && i + 1 < size);
        if (!is_letter && (!is_other || i == 0))
            return false;
    }
    return size >= 2 && size <= TEMPLATE_LANGUAGE_BYTES;
}

bool template_words_read(struct template_files *files, struct template_languages *languages,
                         const char *folder, const char *language, struct error *error)
{
    char path[PATH_MAX];
    struct buf text;
    if (snprintf(path, sizeof(path), "%s/%s%s", folder, words_start, language) >= PATH_MAX)
        return error_set(error, EX_CONFIG, "%s: path too long", folder);
    if (!is_language(language))
        return error_set(error, EX_CONFIG, "%s: \"%s\" names no language (BCP 47: en-GB, cy)", path,
                         language);
    for (size_t i = 0; i < languages->count; i++)
        if (strcasecmp(languages->at[i].language, language) == 0)
            return error_set(error, EX_CONFIG, "%s: the language is there already: words.%s", path,
                             languages->at[i].language);
    if (languages->count == TEMPLATE_LANGUAGES_MAXIMUM)
        return error_set(error, EX_CONFIG, "%s: more than %d languages", path,
                         TEMPLATE_LANGUAGES_MAXIMUM);
    struct template_words *words = &languages->at[languages->count];
    const char *path_copy = arena_copy_text(files->arena, path);
    words->language = arena_copy_text(files->arena, language);
    if (path_copy == NULL || words->language == NULL)
        return error_set(error, EX_OSERR, "%s: out of memory", path);
    if (!template_files_read(files, path, TEMPLATE_WORDS_FILE_BYTES, &text, error))
        return false;
    bool is_read = template_words_parse(words, files->arena, path_copy,
                                        text.size > 0 ? text.data : "", text.size, error);
    buf_free(&text);
    languages->count += is_read;
    return is_read;
}

const struct template_words *template_languages_find(const struct template_languages *languages,
                                                     const char *language)
{
    for (size_t i = 0; i < languages->count; i++)
        if (strcmp(languages->at[i].language, language) == 0)
            return &languages->at[i];
    return NULL;
}

static const struct template *partial_find(void *context, const char *name)
{
    const struct template_partials *const *partials = context;
    for (size_t i = 0; i < (*partials)->count; i++)
        if (strcmp((*partials)->names[i], name) == 0)
            return (*partials)->at[i];
    return NULL;
}

bool template_link_partials(struct template *template, const struct template_partials *partials,
                            struct error *error)
{
    return template_link(template, partial_find, &partials, true, error);
}

static void view_add(struct template_view *view, const struct template_languages *languages)
{
    const struct template_words *words = template_languages_find(languages, view->language);
    if (words != NULL)
        view->layers[view->layer_count++] = words;
}

static void view_fill(struct template_view *view, const struct template_layers *layers)
{
    if (layers->tenant_kind != NULL)
        view_add(view, &layers->tenant_kind->words);
    view_add(view, &layers->kind->words);
    if (layers->tenant_partials != NULL) {
        view_add(view, &layers->tenant_partials->words);
        view->partials = (const struct template *const *)layers->tenant_partials->at;
    }
    view_add(view, &layers->partials->words);
}

/* `view` lacks the word. What it has and `other` has not may be the word, misspelt. */
static bool refuse_missing(const struct template_view *view, const struct template_view *other,
                           const struct template_words *words, const struct template_word *word,
                           struct error *error)
{
    struct template_nearest nearest;
    size_t folder_size = (size_t)(strrchr(words->path, '/') - words->path);
    template_nearest_init(&nearest, word->name);
    for (size_t i = 0; i < view->layer_count; i++) {
        for (size_t j = 0; j < view->layers[i]->count; j++) {
            const struct template_word *its = &view->layers[i]->at[j];
            if (template_view_find(other, its->name, its->hash) == NULL)
                template_nearest_try(&nearest, its->name);
        }
    }
    error_set(error, EX_CONFIG, "%.*s/%s%s: no word \"%s\", which %s%s has in line %u",
              (int)folder_size, words->path, words_start, view->language, word->name, words_start,
              words->language, word->line);
    return template_nearest_say(&nearest, error);
}

static bool views_compare(const struct template_view *view, const struct template_view *other,
                          struct error *error)
{
    for (size_t i = 0; i < other->layer_count; i++) {
        for (size_t j = 0; j < other->layers[i]->count; j++) {
            const struct template_word *word = &other->layers[i]->at[j];
            if (template_view_find(view, word->name, word->hash) == NULL)
                return refuse_missing(view, other, other->layers[i], word, error);
        }
    }
    return true;
}

static bool views_check(const struct template_view *views, size_t count, struct error *error)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            if (i != j && !views_compare(&views[i], &views[j], error))
                return false;
    return true;
}

bool template_languages_check(const struct template_languages *languages, struct error *error)
{
    struct template_view views[TEMPLATE_LANGUAGES_MAXIMUM] = {0};
    for (size_t i = 0; i < languages->count; i++) {
        views[i].language = languages->at[i].language;
        view_add(&views[i], languages);
    }
    return views_check(views, languages->count, error);
}

/* Recursion ends at TEMPLATE_SECTION_DEPTH. */
static void nodes_mark(const struct template_node *node, const struct template_languages *languages)
{
    for (; node != NULL; node = node->next) {
        for (size_t i = 0; node->kind == TEMPLATE_WORD && i < languages->count; i++) {
            struct template_word *word =
                template_words_find(&languages->at[i], node->text, node->hash);
            if (word != NULL)
                word->is_used = true;
        }
        nodes_mark(node->children, languages);
    }
}

static const struct template *part_of(const struct template_layers *layers, size_t part)
{
    bool is_tenant_s = layers->tenant_kind != NULL && layers->tenant_kind->parts[part] != NULL;
    return is_tenant_s ? layers->tenant_kind->parts[part] : layers->kind->parts[part];
}

void template_layers_mark(const struct template_layers *layers,
                          const struct template_languages *languages)
{
    const struct template_partials *own = layers->tenant_partials;
    for (size_t i = 0; i < TEMPLATE_PARTS; i++)
        nodes_mark(part_of(layers, i)->children, languages);
    for (size_t i = 0; i < layers->partials->count; i++) {
        bool is_tenant_s = own != NULL && own->at[i] != NULL;
        nodes_mark((is_tenant_s ? own : layers->partials)->at[i]->children, languages);
    }
}

/* The first by its line. */
static const struct template_word *unused_find(const struct template_words *words)
{
    const struct template_word *unused = NULL;
    for (size_t i = 0; i < words->count; i++) {
        const struct template_word *word = &words->at[i];
        if (!word->is_used && (unused == NULL || word->line < unused->line))
            unused = word;
    }
    return unused;
}

/* What `words` has itself is not what was meant. */
static void nearest_try_all(struct template_nearest *nearest, const struct template_words *words,
                            const struct template_words *others)
{
    for (size_t i = 0; others != NULL && i < others->count; i++)
        if (others->at[i].is_used &&
            template_words_find(words, others->at[i].name, others->at[i].hash) == NULL)
            template_nearest_try(nearest, others->at[i].name);
}

bool template_languages_check_used(const struct template_languages *languages,
                                   const struct template_languages *const *others,
                                   size_t other_count, struct error *error)
{
    const struct template_words *words = languages->at;
    const struct template_words *end = words + languages->count;
    struct template_nearest nearest;
    while (words < end && unused_find(words) == NULL)
        words++;
    if (words == end)
        return true;
    const struct template_word *unused = unused_find(words);
    error_set(error, EX_CONFIG, "%s: line %u: no template uses the word \"%s\"", words->path,
              unused->line, unused->name);
    template_nearest_init(&nearest, unused->name);
    for (size_t i = 0; i < languages->count; i++)
        nearest_try_all(&nearest, words, &languages->at[i]);
    for (size_t i = 0; i < other_count; i++)
        nearest_try_all(&nearest, words, template_languages_find(others[i], words->language));
    return template_nearest_say(&nearest, error);
}

/* The words of the folder that the kind is called after: the tenant's, or else the product's. */
static bool kind_words_check(const struct template_layers *layers, struct error *error)
{
    const struct template_languages *others[] = {&layers->kind->words, &layers->partials->words};
    const struct template_languages *own =
        layers->tenant_kind != NULL ? &layers->tenant_kind->words : &layers->kind->words;
    template_layers_mark(layers, own);
    return template_languages_check_used(own, others, layers->tenant_kind != NULL ? 2 : 0, error);
}

/* A template of its own that shares the tree, and sees it by its view. */
static const struct template *part_make(struct arena *arena, const struct template_layers *layers,
                                        size_t part, const struct template_view *view,
                                        struct error *error)
{
    const struct template *source = part_of(layers, part);
    struct template *template = arena_alloc(arena, sizeof(*template));
    if (template == NULL) {
        error_set(error, EX_OSERR, "%s: out of memory", source->name);
        return NULL;
    }
    *template = *source;
    template->view = view;
    return template_fields_check(layers->fields, template, error) ? template : NULL;
}

static bool kind_make(struct template_kind *kind, struct arena *arena,
                      const struct template_layers *layers, const struct template_view *view,
                      struct error *error)
{
    kind->name = layers->name;
    kind->language = view->language;
    kind->subject = part_make(arena, layers, 0, view, error);
    if (kind->subject == NULL)
        return false;
    kind->text = part_make(arena, layers, 1, view, error);
    if (kind->text == NULL)
        return false;
    kind->html = part_make(arena, layers, 2, view, error);
    return kind->html != NULL;
}

bool template_entry_make(struct template_entry *entry, struct arena *arena,
                         const struct template_layers *layers, struct error *error)
{
    const struct template_languages *languages = &layers->kind->words;
    size_t count = languages->count > 0 ? languages->count : 1;
    struct template_view *views = arena_alloc(arena, count * sizeof(*views));
    struct template_kind *kinds = arena_alloc(arena, count * sizeof(*kinds));
    if (views == NULL || kinds == NULL)
        return error_set(error, EX_OSERR, "%s: out of memory", layers->kind->path);
    if (languages->count > 0 && template_languages_find(languages, TEMPLATE_LAST_LANGUAGE) == NULL)
        return error_set(error, EX_CONFIG,
                         "%s: no words." TEMPLATE_LAST_LANGUAGE
                         ", the language that is left where others are missing",
                         layers->kind->path);
    for (size_t i = 0; i < count; i++) {
        views[i].language =
            languages->count > 0 ? languages->at[i].language : TEMPLATE_LAST_LANGUAGE;
        view_fill(&views[i], layers);
    }
    if (!kind_words_check(layers, error) || !views_check(views, count, error))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!kind_make(&kinds[i], arena, layers, &views[i], error))
            return false;
    *entry = (struct template_entry){layers->name, kinds, count};
    return true;
}
