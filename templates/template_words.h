/* What a kind says in one language: the text that {{words.NAME}} stands for, read from a words
 * file.
 *
 *   # a comment
 *   greeting = Hello {{greeting_name}},
 *   places = {{#is_one}}One place is left.{{/is_one}}{{^is_one}}{{count}} places are
 * left.{{/is_one}}
 *   terms = A line that ends with a backslash \
 *           goes on in the next one, whose leading blanks do not count.
 *
 * The file is UTF-8. NAME is of a-z, 0-9 and '_'. A text may hold variables, sections, inverted
 * sections and comments, names no other word, and is escaped whole: its literal text as its
 * variables, for the place that it stands in. An empty text is a mistake (it is what a translation
 * that was forgotten looks like); {{! nothing }} says nothing on purpose. */
#ifndef HANDBELL_TEMPLATES_TEMPLATE_WORDS_H
#define HANDBELL_TEMPLATES_TEMPLATE_WORDS_H

#include "templates/template_tree.h"

enum {
    TEMPLATE_WORDS_FILE_BYTES = 256 * 1024,
    TEMPLATE_WORDS_MAXIMUM = 1024, /* in one file */
    TEMPLATE_WORD_BYTES = 8 * 1024,
};

/* The text twice, its literal parts escaped beforehand. */
struct template_word {
    const char *name;
    uint32_t hash;
    unsigned line;
    bool is_used; /* some template names it */
    const struct template *plain;
    const struct template *html;
};

/* A words file, its words in the order of hash and name. */
struct template_words {
    const char *language;
    const char *path;
    struct template_word *at;
    size_t count;
};

/* Where a template that is shared by many finds what differs between them. Up to four words files
 * of one language, the nearest first: tenant's kind, kind, tenant's partials, partials. `partials`
 * are a tenant's own by their number, NULL where the shipped one serves; NULL: it has none. */
enum { TEMPLATE_VIEW_LAYERS = 4 };

struct template_view {
    const char *language;
    const struct template_words *layers[TEMPLATE_VIEW_LAYERS];
    size_t layer_count;
    const struct template *const *partials;
};

/* Reads `size` bytes into `words`, whose language is set by the caller; `path` stands in errors and
 * is kept, all else is copied into `arena`. False with `error` naming `path` and line for what is
 * no "NAME = TEXT", a name that stands twice, a text that is empty or no template, and past the
 * limits. */
bool template_words_parse(struct template_words *words, struct arena *arena, const char *path,
                          const char *text, size_t size, struct error *error);

/* NULL where it is not there; `view` may be NULL. `hash` is template_word_hash's. */
struct template_word *template_words_find(const struct template_words *words, const char *name,
                                          uint32_t hash);
struct template_word *template_view_find(const struct template_view *view, const char *name,
                                         uint32_t hash);

/* What stands for the partial or parent that a node is linked to. */
const struct template *template_view_target(const struct template_view *view,
                                            const struct template *target);

#endif
