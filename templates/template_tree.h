/* How a compiled template lies in memory, and the steps of compiling: source -> tokens -> lines
 * marked -> tree. For the files of this folder alone. */
#ifndef HANDBELL_TEMPLATES_TEMPLATE_TREE_H
#define HANDBELL_TEMPLATES_TEMPLATE_TREE_H

#include "templates/template.h"

#include <stdint.h>
#include <string.h>

enum template_kind_of {
    TEMPLATE_TEXT,
    TEMPLATE_VARIABLE,
    TEMPLATE_WORD, /* of nodes alone: to lines a word is a variable */
    TEMPLATE_RAW,
    TEMPLATE_SECTION,
    TEMPLATE_INVERTED,
    TEMPLATE_PARTIAL,
    TEMPLATE_PARENT,
    TEMPLATE_BLOCK,
    TEMPLATE_CLOSE,      /* tokens alone from here on */
    TEMPLATE_COMMENT,    /* */
    TEMPLATE_DELIMITERS, /* */
};

/* One tag, or a run of text that ends with its line. `text` is the text, or the tag's name. */
struct template_token {
    enum template_kind_of kind;
    unsigned line;
    const char *text;
    size_t size;
    struct template_token *opener; /* of a TEMPLATE_CLOSE */
    bool has_closer_on_line;
    bool starts_line;   /* the first that shows of its line */
    bool is_standalone; /* its line holds nothing else, and vanishes */
    const char *indent; /* what stands before it, if only blanks do */
    size_t indent_size;
};

struct template_node {
    enum template_kind_of kind;
    unsigned line;
    bool starts_line;
    bool is_standalone;
    const char *text; /* text, or the name as written (a word's: behind "words."), NUL behind */
    size_t size;
    uint32_t hash;      /* of a word's name */
    const char **parts; /* a dotted name's parts; none for "." */
    size_t part_count;
    const char *indent;
    size_t indent_size;
    const struct template *target; /* of a partial or parent, once linked */
    struct template_node *children;
    struct template_node *next;
};

struct template_view;

struct template
{
    const char *name;
    struct template_node *children;
    size_t number;                    /* of a partial, among the set's */
    const struct template_view *view; /* NULL: there are no words, and no partial is replaced */
};

/* As template_compile; lines are counted from `line`, and `name` must live as long as `arena`. */
struct template *template_compile_at(struct arena *arena, const char *name, unsigned line,
                                     const char *source, size_t size, struct error *error);

/* Tokens of `source`, which must outlive them; NULL with `error` set. */
struct template_token *template_scan(struct arena *arena, const char *name, unsigned line,
                                     const char *source, size_t size, size_t *count,
                                     struct error *error);

/* What a word's tag begins with. */
static const char template_word_prefix[] = "words.";
enum { TEMPLATE_WORD_PREFIX_BYTES = sizeof(template_word_prefix) - 1 };

static inline bool template_names_word(const char *name, size_t size)
{
    return size >= TEMPLATE_WORD_PREFIX_BYTES &&
           memcmp(name, template_word_prefix, TEMPLATE_WORD_PREFIX_BYTES) == 0;
}

/* FNV-1a, 32 bits: what words are sorted by, so that finding one compares numbers. */
static inline uint32_t template_word_hash(const char *name, size_t size)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619U;
    return hash;
}

/* Finds each closing tag's opener, and which lines vanish. */
bool template_mark_lines(const char *name, struct template_token *tokens, size_t count,
                         struct error *error);

/* Takes the blanks that all lines of a block's content share off them, and puts them (or, where the
 * content has no line, the tag's own) into the block's indent: whatever fills the block is then
 * indented the same. */
void template_unindent_block(struct template_node *block);

static inline bool template_opens(enum template_kind_of kind)
{
    return kind == TEMPLATE_SECTION || kind == TEMPLATE_INVERTED || kind == TEMPLATE_PARENT ||
           kind == TEMPLATE_BLOCK;
}

#endif
