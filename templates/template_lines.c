/* Which lines hold tags alone and vanish (the specification's "standalone" tags), and how far
 * content is indented. Knows no values. */
#include "templates/template_tree.h"

#include <string.h>
#include <sysexits.h>

static bool is_blank_text(const struct template_token *token)
{
    for (size_t i = 0; i < token->size; i++) {
        char c = token->text[i];
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
            return false;
    }
    return true;
}

static bool ends_line(const struct template_token *token)
{
    return token->kind == TEMPLATE_TEXT && token->text[token->size - 1] == '\n';
}

static bool match_tags(const char *name, struct template_token *tokens, size_t count,
                       struct error *error)
{
    struct template_token *open[TEMPLATE_SECTION_DEPTH];
    size_t depth = 0;
    for (size_t i = 0; i < count; i++) {
        struct template_token *token = &tokens[i];
        if (template_opens(token->kind)) {
            if (depth == TEMPLATE_SECTION_DEPTH)
                return error_set(error, EX_CONFIG, "%s: line %u: sections nested deeper than %d",
                                 name, token->line, TEMPLATE_SECTION_DEPTH);
            open[depth++] = token;
        } else if (token->kind == TEMPLATE_CLOSE) {
            if (depth == 0)
                return error_set(error, EX_CONFIG,
                                 "%s: line %u: closes \"%.*s\", which is not open", name,
                                 token->line, (int)token->size, token->text);
            token->opener = open[--depth];
            if (token->size != token->opener->size ||
                memcmp(token->text, token->opener->text, token->size) != 0)
                return error_set(error, EX_CONFIG,
                                 "%s: line %u: closes \"%.*s\" where \"%.*s\" of line %u is open",
                                 name, token->line, (int)token->size, token->text,
                                 (int)token->opener->size, token->opener->text,
                                 token->opener->line);
        }
    }
    if (depth > 0)
        return error_set(error, EX_CONFIG, "%s: line %u: \"%.*s\" is never closed", name,
                         open[depth - 1]->line, (int)open[depth - 1]->size, open[depth - 1]->text);
    return true;
}

static bool is_inheritance(const struct template_token *token)
{
    const struct template_token *opener = token->kind == TEMPLATE_CLOSE ? token->opener : token;
    return opener->kind == TEMPLATE_PARENT || opener->kind == TEMPLATE_BLOCK;
}

/* One tag but a variable vanishes with its line. Of several, only parents and blocks do, and not a
 * block that opens and closes there: its line's end belongs to what surrounds it. */
static bool is_line_standalone(const struct template_token *tokens, size_t count)
{
    size_t tags = 0;
    size_t inheritance_tags = 0;
    bool has_parent = false;
    bool has_half = false;
    for (size_t i = 0; i < count; i++) {
        const struct template_token *token = &tokens[i];
        if (token->kind == TEMPLATE_TEXT) {
            if (!is_blank_text(token))
                return false;
            continue;
        }
        if (token->kind == TEMPLATE_VARIABLE || token->kind == TEMPLATE_RAW)
            return false;
        tags++;
        if (!is_inheritance(token))
            continue;
        inheritance_tags++;
        has_parent |= token->kind == TEMPLATE_PARENT;
        has_half |=
            token->kind == TEMPLATE_CLOSE ? token->opener < tokens : !token->has_closer_on_line;
    }
    return tags == 1 || (tags > 1 && tags == inheritance_tags && (has_parent || has_half));
}

static bool shows(const struct template_token *token)
{
    return token->kind < TEMPLATE_CLOSE;
}

static void mark_line(struct template_token *tokens, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (tokens[i].kind == TEMPLATE_CLOSE && tokens[i].opener >= tokens)
            tokens[i].opener->has_closer_on_line = true;
    bool is_standalone = is_line_standalone(tokens, count);
    struct template_token *margin = &tokens[0];
    bool has_margin = margin->kind == TEMPLATE_TEXT && is_blank_text(margin) && !ends_line(margin);
    struct template_token *first_tag = has_margin && count > 1 ? &tokens[1] : &tokens[0];
    if (has_margin) {
        first_tag->indent = margin->text;
        first_tag->indent_size = margin->size;
    }
    bool has_started = false;
    for (size_t i = 0; i < count; i++) {
        tokens[i].is_standalone = is_standalone;
        if (!is_standalone && !has_started && shows(&tokens[i])) {
            tokens[i].starts_line = true;
            has_started = true;
        }
        /* "{{<page}}{{$body}}": the block starts where its line does. */
        if (is_standalone && tokens[i].kind == TEMPLATE_BLOCK) {
            tokens[i].indent = first_tag->indent;
            tokens[i].indent_size = first_tag->indent_size;
        }
    }
}

bool template_mark_lines(const char *name, struct template_token *tokens, size_t count,
                         struct error *error)
{
    if (!match_tags(name, tokens, count, error))
        return false;
    size_t start = 0;
    for (size_t i = 0; i < count; i++) {
        if (ends_line(&tokens[i]) || i + 1 == count) {
            mark_line(tokens + start, i + 1 - start);
            start = i + 1;
        }
    }
    return true;
}

static size_t blanks_of(const char *text, size_t size)
{
    size_t blanks = 0;
    while (blanks < size && (text[blanks] == ' ' || text[blanks] == '\t'))
        blanks++;
    return blanks;
}

/* The blanks before the first line in `node` and its followers; false where no line starts there. A
 * section's lines lie at the level of those around it. */
static bool first_margin(const struct template_node *node, const char **margin, size_t *size)
{
    for (; node != NULL; node = node->next) {
        if (node->starts_line) {
            *margin = node->text;
            *size = node->kind == TEMPLATE_TEXT ? blanks_of(node->text, node->size) : 0;
            return true;
        }
        bool is_section = node->kind == TEMPLATE_SECTION || node->kind == TEMPLATE_INVERTED;
        if (is_section && first_margin(node->children, margin, size))
            return true;
        if (!is_section && node->kind != TEMPLATE_TEXT && node->is_standalone) {
            *margin = node->indent;
            *size = node->indent_size;
            return true;
        }
    }
    return false;
}

static size_t shared(const char *text, size_t size, const char *margin, size_t margin_size)
{
    size_t i = 0;
    while (i < size && i < margin_size && text[i] == margin[i])
        i++;
    return i;
}

/* Recursion ends at TEMPLATE_SECTION_DEPTH, which template_mark_lines has made sure of. */
static void cut_margin(struct template_node *node, const char *margin, size_t size)
{
    for (; node != NULL; node = node->next) {
        if (node->kind == TEMPLATE_TEXT && node->starts_line) {
            size_t cut = shared(node->text, node->size, margin, size);
            node->text += cut;
            node->size -= cut;
        }
        if (node->kind == TEMPLATE_SECTION || node->kind == TEMPLATE_INVERTED)
            cut_margin(node->children, margin, size);
        else if (node->indent_size > 0) {
            size_t cut = shared(node->indent, node->indent_size, margin, size);
            node->indent += cut;
            node->indent_size -= cut;
        }
    }
}

void template_unindent_block(struct template_node *block)
{
    const char *margin = NULL;
    size_t size = 0;
    if (!block->is_standalone || !first_margin(block->children, &margin, &size))
        return;
    cut_margin(block->children, margin, size);
    block->indent = margin;
    block->indent_size = size;
}
