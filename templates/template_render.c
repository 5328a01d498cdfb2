/* Fills a tree with values. Knows no mail: contexts are JSON, the result is bytes. */
#include "templates/template_tree.h"
#include "templates/template_words.h"
#include "worker/model/plain_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { STEP_BYTES = 64 };

/* A value that names are looked for in, and what surrounds it. */
struct scope {
    const struct json *value;
    const struct scope *outer;
};

/* The blocks that a {{<parent}} fills, and those of the parent's own user. */
struct overrides {
    const struct template_node *blocks;
    const struct overrides *outer;
};

/* What lines begin with, outermost first. */
struct indent {
    const char *text;
    size_t size;
    const struct indent *outer;
};

/* Where in the tree and in the values we are; made anew for what lies deeper. */
struct place {
    const struct scope *scope;
    const struct overrides *overrides;
    const struct indent *indent;
    size_t depth;
};

struct render {
    struct buf *out;
    const struct template_view *view;
    enum template_escape escape;
    size_t steps_left;
    bool is_mid_line; /* content that starts a line of its own goes on in one: no indent */
    bool has_failed;
};

static void render_nodes(struct render *render, const struct template_node *node,
                         const struct place *place);

/* All that a loop does counts, not nodes alone: what nests lists, scopes and blocks in each other
 * would else take hours within the limits of its size. */
static bool steps(struct render *render, size_t count)
{
    if (render->steps_left < count || render->out->has_failed)
        render->has_failed = true;
    else
        render->steps_left -= count;
    return !render->has_failed;
}

static bool step(struct render *render)
{
    return steps(render, 1);
}

static const struct json *look_up(struct render *render, const struct scope *scope,
                                  const struct template_node *node)
{
    if (node->part_count == 0)
        return scope != NULL ? scope->value : NULL;
    const struct json *value = NULL;
    for (; scope != NULL && value == NULL && step(render); scope = scope->outer)
        value = json_find(scope->value, node->parts[0]);
    for (size_t i = 1; i < node->part_count && value != NULL; i++)
        value = json_find(value, node->parts[i]);
    return value;
}

/* False, null, an empty list and an empty text count as nothing. */
static bool is_something(const struct json *value)
{
    size_t size = 0;
    switch (json_kind_of(value)) {
    case JSON_KIND_NULL:
    case JSON_KIND_FALSE:
        return false;
    case JSON_KIND_ARRAY:
        return json_array_count(value) > 0;
    case JSON_KIND_TEXT:
        (void)json_text(value, &size);
        return size > 0;
    default:
        return true;
    }
}

/* The shortest decimal that is the same number again. */
static void append_real(struct buf *out, const struct json *value)
{
    char *printed = json_print(value);
    char text[40] = "";
    double number = printed != NULL ? strtod(printed, NULL) : 0;
    if (printed == NULL) {
        out->has_failed = true;
        out->is_out_of_memory = true;
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, number);
        if (strtod(text, NULL) >= number && strtod(text, NULL) <= number)
            break;
    }
    free(printed);
    buf_append_text(out, text);
}

static size_t before_blanks(const struct buf *out, size_t end)
{
    while (end > 0 && strchr(" \t\r\n", out->data[end - 1]) != NULL)
        end--;
    return end;
}

/* Whether what comes next is the start of a link: behind href=", src=" or action=". */
static bool opens_link(const struct buf *out)
{
    static const char *const attributes[] = {"href", "src", "action"};
    size_t end = out->size;
    if (end == 0 || (out->data[end - 1] != '"' && out->data[end - 1] != '\''))
        return false;
    end = before_blanks(out, end - 1);
    if (end == 0 || out->data[end - 1] != '=')
        return false;
    end = before_blanks(out, end - 1);
    for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
        size_t size = strlen(attributes[i]);
        if (end > size && strncasecmp(out->data + end - size, attributes[i], size) == 0)
            return true;
    }
    return false;
}

/* Of a kind that shows something or writes to somebody; nothing that runs or reads ("javascript:",
 * "data:", "file:"), and nothing whose place is the reader's ("//host", "path"). */
static bool is_link(const char *text, size_t size)
{
    static const char *const starts[] = {"https://", "http://", "mailto:", "tel:", "cid:"};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (size >= strlen(starts[i]) && strncasecmp(text, starts[i], strlen(starts[i])) == 0)
            return true;
    return size == 0;
}

static void append_text(struct render *render, const char *text, size_t size, bool is_raw)
{
    bool is_html = render->escape == TEMPLATE_ESCAPE_HTML;
    if (is_html && opens_link(render->out) && !is_link(text, size))
        buf_append_char(render->out, '#');
    else if (render->escape == TEMPLATE_ESCAPE_HEADER || (is_raw && is_html))
        buf_append(render->out, text, size);
    else if (is_html)
        plain_text_append_html(render->out, text, size);
    else
        plain_text_append_body(render->out, text, size);
}

static void append_value(struct render *render, const struct json *value, bool is_raw)
{
    size_t size = 0;
    const char *text = NULL;
    switch (json_kind_of(value)) {
    case JSON_KIND_TEXT:
        text = json_text(value, &size);
        /* Much may be read where little is written: what has no room is left out. */
        if (steps(render, size / STEP_BYTES))
            append_text(render, text, size, is_raw);
        break;
    case JSON_KIND_INTEGER:
        buf_printf(render->out, "%" PRId64, json_integer_or(value, 0));
        break;
    case JSON_KIND_REAL:
        append_real(render->out, value);
        break;
    case JSON_KIND_TRUE:
        buf_append_text(render->out, "true");
        break;
    default:
        break;
    }
}

/* Recursion ends at TEMPLATE_PARTIAL_DEPTH: each step into a partial or block adds one. */
static void append_indent(struct render *render, const struct indent *indent)
{
    if (indent == NULL)
        return;
    append_indent(render, indent->outer);
    buf_append(render->out, indent->text, indent->size);
}

static void start_node(struct render *render, const struct template_node *node,
                       const struct place *place)
{
    bool is_empty_line = node->kind == TEMPLATE_TEXT && (node->text[0] == '\n' || node->size == 0);
    if (node->starts_line && !render->is_mid_line && !is_empty_line)
        append_indent(render, place->indent);
    render->is_mid_line = false;
}

static void render_section(struct render *render, const struct template_node *node,
                           const struct place *place)
{
    const struct json *value = look_up(render, place->scope, node);
    bool is_list = json_kind_of(value) == JSON_KIND_ARRAY;
    size_t count = is_list ? json_array_count(value) : is_something(value);
    for (size_t i = 0; i < count && step(render); i++) {
        const struct json *item = is_list ? json_array_at(value, i) : value;
        struct scope scope = {item, place->scope};
        struct place inner = *place;
        inner.scope = &scope;
        render_nodes(render, node->children, &inner);
    }
}

static bool is_block(const struct template_node *node, const struct template_node *wanted)
{
    return node->kind == TEMPLATE_BLOCK && node->size == wanted->size &&
           memcmp(node->text, wanted->text, wanted->size) == 0;
}

/* The outermost override wins: it belongs to the template that is rendered, not to a parent. */
static const struct template_node *content_of(struct render *render,
                                              const struct template_node *block,
                                              const struct overrides *overrides)
{
    const struct template_node *content = block;
    for (; overrides != NULL; overrides = overrides->outer) {
        for (const struct template_node *node = overrides->blocks; node != NULL && step(render);
             node = node->next) {
            if (is_block(node, block)) {
                content = node;
                break;
            }
        }
    }
    return content->children;
}

/* A partial, a parent or a block: content from elsewhere, indented as the tag is. */
static void render_content(struct render *render, const struct template_node *node,
                           const struct template_node *content, const struct place *place)
{
    if (place->depth == TEMPLATE_PARTIAL_DEPTH) {
        render->has_failed = true;
        return;
    }
    struct overrides overrides = {node->children, place->overrides};
    struct indent indent = {node->indent, node->indent_size, place->indent};
    struct place inner = *place;
    inner.depth++;
    if (node->kind == TEMPLATE_PARENT)
        inner.overrides = &overrides;
    bool is_indented = node->is_standalone || node->kind == TEMPLATE_BLOCK;
    if (is_indented && node->indent_size > 0)
        inner.indent = &indent;
    render->is_mid_line = !node->is_standalone;
    bool is_inline = content != NULL && !content->starts_line && (content->kind <= TEMPLATE_RAW) &&
                     node->kind == TEMPLATE_BLOCK;
    if (node->is_standalone && is_inline)
        append_indent(render, inner.indent);
    render_nodes(render, content, &inner);
}

/* Its literal text is escaped already (template_words.h), its variables are as everywhere. */
static void render_word(struct render *render, const struct template_node *node,
                        const struct place *place)
{
    const struct template_word *word = template_view_find(render->view, node->text, node->hash);
    if (word == NULL)
        return;
    bool is_html = render->escape == TEMPLATE_ESCAPE_HTML;
    render_nodes(render, (is_html ? word->html : word->plain)->children, place);
}

/* Lines lie behind each other in the source: where none is indented, they are appended as one.
 * Returns the last. */
static const struct template_node *
append_lines(struct render *render, const struct template_node *node, const struct place *place)
{
    const char *start = node->text;
    const char *end = start + node->size;
    while (place->indent == NULL && node->next != NULL && node->next->kind == TEMPLATE_TEXT &&
           node->next->text == end) {
        node = node->next;
        end += node->size;
    }
    buf_append(render->out, start, (size_t)(end - start));
    return node;
}

static void render_node(struct render *render, const struct template_node *node,
                        const struct place *place)
{
    if (node->starts_line || node->kind <= TEMPLATE_RAW)
        start_node(render, node, place);
    switch (node->kind) {
    case TEMPLATE_VARIABLE:
    case TEMPLATE_RAW:
        append_value(render, look_up(render, place->scope, node), node->kind == TEMPLATE_RAW);
        break;
    case TEMPLATE_WORD:
        render_word(render, node, place);
        break;
    case TEMPLATE_SECTION:
        render_section(render, node, place);
        break;
    case TEMPLATE_INVERTED:
        if (!is_something(look_up(render, place->scope, node)))
            render_nodes(render, node->children, place);
        break;
    case TEMPLATE_PARTIAL:
    case TEMPLATE_PARENT:
        if (node->target != NULL)
            render_content(render, node, template_view_target(render->view, node->target)->children,
                           place);
        break;
    case TEMPLATE_BLOCK:
        render_content(render, node, content_of(render, node, place->overrides), place);
        break;
    default:
        break;
    }
}

/* Recursion is bounded by TEMPLATE_SECTION_DEPTH times TEMPLATE_PARTIAL_DEPTH, and once more that
 * depth for a word. */
static void render_nodes(struct render *render, const struct template_node *node,
                         const struct place *place)
{
    for (; node != NULL && step(render); node = node->next) {
        if (node->kind == TEMPLATE_TEXT) {
            start_node(render, node, place);
            node = append_lines(render, node, place);
        } else {
            render_node(render, node, place);
        }
    }
}

static bool render_stack(struct render *render, const struct template *template,
                         const struct json *const *stack, size_t depth)
{
    enum { STACK_DEPTH = 16 };
    struct scope scopes[STACK_DEPTH];
    if (depth > STACK_DEPTH)
        return false;
    struct place place = {0};
    for (size_t i = 0; i < depth; i++) {
        scopes[i] = (struct scope){stack[i], place.scope};
        place.scope = &scopes[i];
    }
    render_nodes(render, template->children, &place);
    return !render->has_failed && !render->out->has_failed;
}

bool template_render(const struct template *template, const struct json *const *stack, size_t depth,
                     enum template_escape escape, struct buf *out)
{
    struct render render = {
        .out = out, .view = template->view, .escape = escape, .steps_left = TEMPLATE_RENDER_STEPS};
    size_t start = out->size;
    bool is_done;
    if (escape == TEMPLATE_ESCAPE_HEADER) {
        struct buf line;
        buf_init(&line, out->ceiling);
        render.out = &line;
        is_done = render_stack(&render, template, stack, depth) &&
                  plain_text_append_line(out, line.data, line.size);
        out->is_out_of_memory = out->is_out_of_memory || line.is_out_of_memory;
        buf_free(&line);
    } else {
        is_done = render_stack(&render, template, stack, depth);
    }
    if (!is_done && out->size > start) {
        out->size = start;
        out->data[start] = '\0';
    }
    return is_done;
}
