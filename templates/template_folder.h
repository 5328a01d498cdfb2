/* One folder of templates, a kind's or the partials', of the product or of a tenant; and a kind put
 * together from the folders that it lies in. For the files of this folder alone. */
#ifndef HANDBELL_TEMPLATES_TEMPLATE_FOLDER_H
#define HANDBELL_TEMPLATES_TEMPLATE_FOLDER_H

#include "templates/template_fields.h"
#include "templates/template_files.h"
#include "templates/template_set.h"
#include "templates/template_words.h"

enum { TEMPLATE_PARTS = 3, TEMPLATE_LANGUAGE_BYTES = 35 /* RFC 5646 section 4.4.1 */ };

/* A folder's words, a file a language, in alphabetical order. */
struct template_languages {
    struct template_words at[TEMPLATE_LANGUAGES_MAXIMUM];
    size_t count;
};

/* A kind's folder. A tenant's may lack parts: they are NULL. */
struct template_folder {
    const char *path;
    struct template *parts[TEMPLATE_PARTS]; /* subject, text, html */
    struct template_languages words;
};

/* The folder of partials. A tenant's has the product's names, and NULL where it has none. */
struct template_partials {
    const char *path;
    const char *names[TEMPLATE_PARTIALS_MAXIMUM];
    struct template *at[TEMPLATE_PARTIALS_MAXIMUM];
    size_t count;
    struct template_languages words;
};

/* "subject.mustache", "text.mustache", "html.mustache". */
const char *template_part_file(size_t part);
/* The size of NAME in "NAME.mustache"; 0 for any other name of a file. */
size_t template_file_stem(const char *file);
/* LANGUAGE of "words.LANGUAGE"; NULL for any other name of a file. */
const char *template_file_language(const char *file);

/* Reads and compiles; NULL with `error` set. */
struct template *template_file_compile(struct template_files *files, const char *path,
                                       struct error *error);
/* Reads `folder`/words.`language` behind those that are there. */
bool template_words_read(struct template_files *files, struct template_languages *languages,
                         const char *folder, const char *language, struct error *error);
const struct template_words *template_languages_find(const struct template_languages *languages,
                                                     const char *language);
/* To the product's partials: a view says where a tenant has its own. */
bool template_link_partials(struct template *template, const struct template_partials *partials,
                            struct error *error);

/* The folders that a kind comes from; NULL where a tenant has none. */
struct template_layers {
    const char *name;
    const struct template_fields *fields;
    const struct template_folder *tenant_kind;
    const struct template_folder *kind;
    const struct template_partials *tenant_partials;
    const struct template_partials *partials;
};

/* A kind in all its languages. */
struct template_entry {
    const char *name;
    const struct template_kind *languages;
    size_t count;
};

/* Puts a kind together in `arena`, in each language, and checks it: each word of its own (of the
 * tenant's folder, where it has one) is named by a template, each language has the words that
 * another has, each variable is a field, each word that is named is there. */
bool template_entry_make(struct template_entry *entry, struct arena *arena,
                         const struct template_layers *layers, struct error *error);

/* Whether each language has the words that another has. */
bool template_languages_check(const struct template_languages *languages, struct error *error);

/* Marks those of `languages` that a template of the kind, or any partial, names. */
void template_layers_mark(const struct template_layers *layers,
                          const struct template_languages *languages);
/* An error for the first word that nothing has marked, with the nearest of the marked ones: of the
 * other languages, and of `others` in the same. */
bool template_languages_check_used(const struct template_languages *languages,
                                   const struct template_languages *const *others,
                                   size_t other_count, struct error *error);

#endif
