/* Tokens to a tree, and the tree's links to other templates. Knows no values. */
#include "templates/template.h"

#include "templates/template_tree.h"

#include <string.h>
#include <sysexits.h>

/* The tree under construction: where the next node goes, for each open section. */
struct builder {
    struct arena *arena;
    struct template_node **slots[TEMPLATE_SECTION_DEPTH + 1];
    struct template_node *open[TEMPLATE_SECTION_DEPTH + 1];
    size_t depth;
};

/* Splits "a.b.c" into parts with a NUL behind each. */
static bool split_name(struct arena *arena, struct template_node *node)
{
    if (node->size == 1 && node->text[0] == '.')
        return true;
    char *copy = arena_copy(arena, node->text, node->size);
    size_t count = 1;
    for (size_t i = 0; i < node->size; i++)
        count += node->text[i] == '.';
    const char **parts = arena_alloc(arena, count * sizeof(*parts));
    if (copy == NULL || parts == NULL)
        return false;
    node->parts = parts;
    for (char *part = copy; part != NULL;) {
        char *dot = strchr(part, '.');
        if (dot != NULL)
            *dot++ = '\0';
        parts[node->part_count++] = part;
        part = dot;
    }
    return true;
}

static bool add_node(struct builder *builder, const struct template_token *token)
{
    struct template_node *node = arena_alloc(builder->arena, sizeof(*node));
    if (node == NULL)
        return false;
    node->kind = token->kind;
    node->line = token->line;
    node->starts_line = token->starts_line;
    node->is_standalone = token->is_standalone;
    node->text = token->text;
    node->size = token->size;
    node->indent = token->indent;
    node->indent_size = token->indent_size;
    if (token->kind == TEMPLATE_VARIABLE && template_names_word(token->text, token->size)) {
        node->kind = TEMPLATE_WORD;
        node->text += TEMPLATE_WORD_PREFIX_BYTES;
        node->size -= TEMPLATE_WORD_PREFIX_BYTES;
        node->hash = template_word_hash(node->text, node->size);
    }
    if (token->kind != TEMPLATE_TEXT) {
        node->text = arena_copy(builder->arena, node->text, node->size);
        if (node->text == NULL || !split_name(builder->arena, node))
            return false;
    }
    *builder->slots[builder->depth] = node;
    builder->slots[builder->depth] = &node->next;
    if (template_opens(token->kind)) {
        builder->depth++;
        builder->open[builder->depth] = node;
        builder->slots[builder->depth] = &node->children;
    }
    return true;
}

static void close_node(struct builder *builder)
{
    struct template_node *closed = builder->open[builder->depth--];
    if (closed->kind == TEMPLATE_BLOCK)
        template_unindent_block(closed);
}

static bool build(struct template *template, struct arena *arena,
                  const struct template_token *tokens, size_t count)
{
    struct builder builder = {.arena = arena};
    builder.slots[0] = &template->children;
    for (size_t i = 0; i < count; i++) {
        const struct template_token *token = &tokens[i];
        if (token->kind == TEMPLATE_CLOSE) {
            if (builder.depth > 0)
                close_node(&builder);
            continue;
        }
        bool is_silent = token->kind == TEMPLATE_COMMENT || token->kind == TEMPLATE_DELIMITERS;
        bool has_vanished = token->kind == TEMPLATE_TEXT && token->is_standalone;
        if (!is_silent && !has_vanished && !add_node(&builder, token))
            return false;
    }
    return true;
}

/* The tokens are done with once the tree stands; the tree points into the source. */
static bool grow(struct template *template, struct arena *arena, unsigned line, const char *source,
                 size_t size, struct error *error)
{
    struct arena scratch;
    size_t count = 0;
    /* A line of one byte is a token too. */
    arena_init(&scratch, (size + 2) * sizeof(struct template_token));
    struct template_token *tokens =
        template_scan(&scratch, template->name, line, source, size, &count, error);
    bool is_marked = tokens != NULL && template_mark_lines(template->name, tokens, count, error);
    bool is_built = is_marked && build(template, arena, tokens, count);
    arena_free(&scratch);
    if (is_marked && !is_built)
        error_set(error, EX_OSERR, "%s: out of memory", template->name);
    return is_built;
}

struct template *template_compile_at(struct arena *arena, const char *name, unsigned line,
                                     const char *source, size_t size, struct error *error)
{
    if (size > TEMPLATE_SOURCE_BYTES) {
        error_set(error, EX_CONFIG, "%s: larger than %d bytes", name, TEMPLATE_SOURCE_BYTES);
        return NULL;
    }
    struct template *template = arena_alloc(arena, sizeof(*template));
    char *source_copy = arena_copy(arena, source, size);
    if (template == NULL || source_copy == NULL) {
        error_set(error, EX_OSERR, "%s: out of memory", name);
        return NULL;
    }
    template->name = name;
    return grow(template, arena, line, source_copy, size, error) ? template : NULL;
}

struct template *template_compile(struct arena *arena, const char *name, const char *source,
                                  size_t size, struct error *error)
{
    char *name_copy = arena_copy_text(arena, name);
    if (name_copy == NULL) {
        error_set(error, EX_OSERR, "%s: out of memory", name);
        return NULL;
    }
    return template_compile_at(arena, name_copy, 1, source, size, error);
}

struct linker {
    const char *name;
    const struct template *(*find)(void *context, const char *name);
    void *context;
    bool is_strict;
    struct error *error;
};

/* Recursion ends at TEMPLATE_SECTION_DEPTH. */
static bool link_nodes(const struct linker *linker, struct template_node *node)
{
    for (; node != NULL; node = node->next) {
        if (node->kind == TEMPLATE_PARTIAL || node->kind == TEMPLATE_PARENT) {
            node->target = linker->find(linker->context, node->text);
            if (node->target == NULL && linker->is_strict)
                return error_set(linker->error, EX_CONFIG, "%s: line %u: no partial \"%s\"",
                                 linker->name, node->line, node->text);
        }
        if (!link_nodes(linker, node->children))
            return false;
    }
    return true;
}

bool template_link(struct template *template,
                   const struct template *(*find)(void *context, const char *name), void *context,
                   bool is_strict, struct error *error)
{
    struct linker linker = {template->name, find, context, is_strict, error};
    return link_nodes(&linker, template->children);
}

const char *template_name(const struct template *template)
{
    return template->name;
}
