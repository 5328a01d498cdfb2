/* Checks names against declarations by walking a template as rendering would, with names in the
 * place of values. */
#include "templates/template_fields.h"

#include "templates/template_files.h"
#include "templates/template_words.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum {
    PATH_BYTES = 512,
    /* A mail's templates have some hundred nodes; partials that include each other twice and
     * twice again could have any number. */
    CHECK_STEPS = 200000,
};

static bool is_field_name(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        bool is_word =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        bool is_dot = c == '.' && i > 0 && i + 1 < size && name[i + 1] != '.';
        if (!is_word && !is_dot)
            return false;
    }
    return size > 0 && size <= TEMPLATE_NAME_BYTES;
}

static int compare_names(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;
    return strcmp(*left, *right);
}

bool template_fields_parse(struct template_fields *fields, struct arena *arena, const char *name,
                           const char *text, size_t size, struct error *error)
{
    unsigned number = 1;
    for (size_t start = 0; start < size; number++) {
        const char *line = text + start;
        const char *end = memchr(line, '\n', size - start);
        size_t line_size = end == NULL ? size - start : (size_t)(end - line);
        start += line_size + 1;
        while (line_size > 0 && strchr(" \t\r", line[line_size - 1]) != NULL)
            line_size--;
        if (line_size == 0 || line[0] == '#')
            continue;
        if (!is_field_name(line, line_size))
            return error_set(error, EX_CONFIG,
                             "%s: line %u: not a name of letters, digits, '_' and single dots",
                             name, number);
        if (template_names_word(line, line_size) ||
            (line_size == 5 && memcmp(line, "words", 5) == 0))
            return error_set(error, EX_CONFIG, "%s: line %u: \"words\" are no field", name, number);
        if (fields->count == TEMPLATE_FIELDS_MAXIMUM)
            return error_set(error, EX_CONFIG, "%s: line %u: more than %d names", name, number,
                             TEMPLATE_FIELDS_MAXIMUM);
        fields->names[fields->count] = arena_copy(arena, line, line_size);
        if (fields->names[fields->count++] == NULL)
            return error_set(error, EX_OSERR, "%s: out of memory", name);
    }
    if (fields->count > 0)
        qsort(fields->names, fields->count, sizeof(fields->names[0]), compare_names);
    return true;
}

/* A section that we are inside, by its full name. */
struct section {
    char path[PATH_BYTES];
    const struct section *outer;
};

struct overrides {
    const struct template_node *blocks;
    const char *name;
    const struct overrides *outer;
};

struct place {
    const char *name; /* the file */
    const struct section *section;
    const struct overrides *overrides;
    size_t depth;
};

struct check {
    const struct template_fields *fields;
    const struct template_view *view;
    size_t steps_left;
    struct error *error;
};

static bool check_nodes(struct check *check, const struct template_node *node,
                        const struct place *place);

/* A name is declared by itself, or by one that lies inside it. Behind a name stand those inside it,
 * for '.' comes before all else that a name is of. */
static bool is_declared(const struct template_fields *fields, const char *path)
{
    size_t size = strlen(path);
    size_t low = 0;
    size_t high = fields->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(fields->names[middle], path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    const char *name = low < fields->count ? fields->names[low] : "";
    return strncmp(name, path, size) == 0 && (name[size] == '\0' || name[size] == '.');
}

static bool join(char path[PATH_BYTES], const char *section, const char *name)
{
    size_t section_size = strlen(section);
    size_t name_size = strlen(name);
    bool has_dot = section_size > 0;
    if (section_size + has_dot + name_size >= PATH_BYTES)
        return false;
    memcpy(path, section, section_size);
    if (has_dot)
        path[section_size] = '.';
    memcpy(path + section_size + has_dot, name, name_size + 1);
    return true;
}

/* The full name that `node` stands for, looked for from the innermost section outwards. */
static bool resolve(struct check *check, const struct template_node *node,
                    const struct section *section, char path[PATH_BYTES])
{
    for (; section != NULL && check->steps_left > 0; section = section->outer, check->steps_left--)
        if (join(path, section->path, node->text) && is_declared(check->fields, path))
            return true;
    return join(path, "", node->text) && is_declared(check->fields, path);
}

/* Inside {{#course}} "titel" means "course.title", and "cuorse" means "course": so each run of a
 * name's parts is compared. */
static void compare_runs(struct template_nearest *nearest, const char *name)
{
    for (const char *start = name; start != NULL;) {
        for (const char *end = start; *end != '\0';) {
            end += 1 + strcspn(end + 1, ".");
            template_nearest_compare(nearest, start, (size_t)(end - start), name,
                                     (size_t)(end - name));
        }
        start = strchr(start, '.');
        if (start != NULL)
            start++;
    }
}

static bool refuse(const struct check *check, const struct template_node *node,
                   const struct place *place)
{
    struct template_nearest nearest;
    template_nearest_init(&nearest, node->text);
    for (size_t i = 0; i < check->fields->count; i++)
        compare_runs(&nearest, check->fields->names[i]);
    error_set(check->error, EX_CONFIG, "%s: line %u: unknown field \"%s\"", place->name, node->line,
              node->text);
    return template_nearest_say(&nearest, check->error);
}

static bool refuse_word(const struct check *check, const struct template_node *node,
                        const struct place *place)
{
    struct template_nearest nearest;
    template_nearest_init(&nearest, node->text);
    for (size_t i = 0; check->view != NULL && i < check->view->layer_count; i++)
        for (size_t j = 0; j < check->view->layers[i]->count; j++)
            template_nearest_try(&nearest, check->view->layers[i]->at[j].name);
    error_set(check->error, EX_CONFIG, "%s: line %u: no word \"%s\"%s%s", place->name, node->line,
              node->text, check->view != NULL ? " in " : "",
              check->view != NULL ? check->view->language : "");
    return template_nearest_say(&nearest, check->error);
}

static bool step(struct check *check, const struct place *place)
{
    if (check->steps_left == 0)
        return error_set(check->error, EX_CONFIG,
                         "%s: too large to check with all that it includes", place->name);
    check->steps_left--;
    return true;
}

static bool refuse_depth(const struct check *check, const struct template_node *node,
                         const struct place *place)
{
    return error_set(check->error, EX_CONFIG,
                     "%s: line %u: \"%s\" lies deeper than %d partials, parents and blocks; does "
                     "one include itself?",
                     place->name, node->line, node->text, TEMPLATE_PARTIAL_DEPTH);
}

/* In a word, names mean what they mean where the word stands. */
static bool check_word(struct check *check, const struct template_node *node,
                       const struct place *place)
{
    const struct template_word *word = template_view_find(check->view, node->text, node->hash);
    if (word == NULL)
        return refuse_word(check, node, place);
    struct place inner = *place;
    inner.name = word->plain->name;
    return check_nodes(check, word->plain->children, &inner);
}

static bool check_section(struct check *check, const struct template_node *node,
                          const struct place *place)
{
    struct section section = {.outer = place->section};
    if (node->part_count > 0 && !resolve(check, node, place->section, section.path))
        return refuse(check, node, place);
    struct place inner = *place;
    if (node->part_count > 0 && node->kind == TEMPLATE_SECTION)
        inner.section = &section;
    return check_nodes(check, node->children, &inner);
}

static bool is_same_name(const struct template_node *a, const struct template_node *b)
{
    return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_TOO_LARGE };

/* Whether a block of that name is in `node`, its followers, or what they include. */
static enum answer has_block(struct check *check, const struct template_node *node,
                             const struct template_node *wanted, size_t depth)
{
    for (; node != NULL; node = node->next) {
        if (check->steps_left == 0)
            return ANSWER_TOO_LARGE;
        check->steps_left--;
        if (node->kind == TEMPLATE_BLOCK && is_same_name(node, wanted))
            return ANSWER_YES;
        enum answer answer = has_block(check, node->children, wanted, depth);
        const struct template *target = template_view_target(check->view, node->target);
        if (answer == ANSWER_NO && target != NULL && depth < TEMPLATE_PARTIAL_DEPTH)
            answer = has_block(check, target->children, wanted, depth + 1);
        if (answer != ANSWER_NO)
            return answer;
    }
    return ANSWER_NO;
}

static bool check_parent(struct check *check, const struct template_node *node,
                         const struct template *target, const struct place *place)
{
    for (const struct template_node *child = node->children; child != NULL; child = child->next) {
        if (child->kind != TEMPLATE_BLOCK)
            continue;
        enum answer answer = has_block(check, target->children, child, 0);
        if (answer == ANSWER_NO)
            return error_set(check->error, EX_CONFIG, "%s: line %u: \"%s\" has no block \"%s\"",
                             place->name, child->line, node->text, child->text);
        if (answer == ANSWER_TOO_LARGE)
            return step(check, place);
    }
    return true;
}

static bool check_included(struct check *check, const struct template_node *node,
                           const struct place *place)
{
    const struct template *target = template_view_target(check->view, node->target);
    if (target == NULL)
        return true;
    if (place->depth == TEMPLATE_PARTIAL_DEPTH)
        return refuse_depth(check, node, place);
    if (node->kind == TEMPLATE_PARENT && !check_parent(check, node, target, place))
        return false;
    struct overrides overrides = {node->children, place->name, place->overrides};
    struct place inner = *place;
    inner.name = target->name;
    inner.depth++;
    if (node->kind == TEMPLATE_PARENT)
        inner.overrides = &overrides;
    return check_nodes(check, target->children, &inner);
}

/* What fills the block, in the file that it stands in. */
static bool check_block(struct check *check, const struct template_node *node,
                        const struct place *place)
{
    struct place inner = *place;
    const struct template_node *content = node;
    if (place->depth == TEMPLATE_PARTIAL_DEPTH)
        return refuse_depth(check, node, place);
    inner.depth++;
    for (const struct overrides *at = place->overrides; at != NULL; at = at->outer) {
        for (const struct template_node *child = at->blocks; child != NULL; child = child->next) {
            if (!step(check, place))
                return false;
            if (child->kind == TEMPLATE_BLOCK && is_same_name(child, node)) {
                content = child;
                inner.name = at->name;
                break;
            }
        }
    }
    return check_nodes(check, content->children, &inner);
}

static bool check_node(struct check *check, const struct template_node *node,
                       const struct place *place)
{
    char path[PATH_BYTES];
    switch (node->kind) {
    case TEMPLATE_VARIABLE:
    case TEMPLATE_RAW:
        if (node->part_count > 0 && !resolve(check, node, place->section, path))
            return refuse(check, node, place);
        return true;
    case TEMPLATE_WORD:
        return check_word(check, node, place);
    case TEMPLATE_SECTION:
    case TEMPLATE_INVERTED:
        return check_section(check, node, place);
    case TEMPLATE_PARTIAL:
    case TEMPLATE_PARENT:
        return check_included(check, node, place);
    case TEMPLATE_BLOCK:
        return check_block(check, node, place);
    default:
        return true;
    }
}

/* Recursion is bounded by TEMPLATE_SECTION_DEPTH times TEMPLATE_PARTIAL_DEPTH. */
static bool check_nodes(struct check *check, const struct template_node *node,
                        const struct place *place)
{
    for (; node != NULL; node = node->next)
        if (!step(check, place) || !check_node(check, node, place))
            return false;
    return true;
}

bool template_fields_check(const struct template_fields *fields, const struct template *template,
                           struct error *error)
{
    struct check check = {fields, template->view, CHECK_STEPS, error};
    struct place place = {.name = template->name};
    return check_nodes(&check, template->children, &place);
}
