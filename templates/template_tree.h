/* How a compiled template lies in memory, and the steps of compiling: source -> tokens -> lines
 * marked
 * -> tree. For the files of this folder alone. */
#ifndef HANDBELL_TEMPLATES_TEMPLATE_TREE_H
#define HANDBELL_TEMPLATES_TEMPLATE_TREE_H

#include "templates/template.h"

enum template_kind_of {
    TEMPLATE_TEXT,
    TEMPLATE_VARIABLE,
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
    const char *text; /* text, or the name as written, with a NUL behind */
    size_t size;
    const char **parts; /* a dotted name's parts; none for "." */
    size_t part_count;
    const char *indent;
    size_t indent_size;
    const struct template *target; /* of a partial or parent, once linked */
    struct template_node *children;
    struct template_node *next;
};

struct template
{
    const char *name;
    struct template_node *children;
};

/* Tokens of `source`, which must outlive them; NULL with `error` set. */
struct template_token *template_scan(struct arena *arena, const char *name, const char *source,
                                     size_t size, size_t *count, struct error *error);

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
