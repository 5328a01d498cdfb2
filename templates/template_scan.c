/* Source to tokens. Knows the delimiters and the sigils; what a tag means comes later. */
#include "templates/template_tree.h"

#include <string.h>
#include <sysexits.h>

enum { DELIMITER_BYTES = 16 };

struct scan {
    const char *name;
    const char *at;
    const char *end;
    unsigned first_line;
    unsigned line;
    char open[DELIMITER_BYTES + 1];
    char close[DELIMITER_BYTES + 1];
    struct template_token *tokens; /* NULL in the first round, which only counts */
    size_t count;
    struct error *error;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *find(const char *at, const char *end, const char *wanted)
{
    return memmem(at, (size_t)(end - at), wanted, strlen(wanted));
}

static void trim(const char **text, size_t *size)
{
    while (*size > 0 && is_blank(**text)) {
        (*text)++;
        (*size)--;
    }
    while (*size > 0 && is_blank((*text)[*size - 1]))
        (*size)--;
}

static void add(struct scan *scan, enum template_kind_of kind, const char *text, size_t size)
{
    if (scan->tokens != NULL) {
        struct template_token *token = &scan->tokens[scan->count];
        token->kind = kind;
        token->line = scan->line;
        token->text = text;
        token->size = size;
    }
    scan->count++;
}

static void add_lines(struct scan *scan, const char *end)
{
    while (scan->at < end) {
        const char *newline = memchr(scan->at, '\n', (size_t)(end - scan->at));
        const char *next = newline == NULL ? end : newline + 1;
        add(scan, TEMPLATE_TEXT, scan->at, (size_t)(next - scan->at));
        if (newline != NULL)
            scan->line++;
        scan->at = next;
    }
}

static bool refuse(const struct scan *scan, const char *problem)
{
    return error_set(scan->error, EX_CONFIG, "%s: line %u: %s", scan->name, scan->line, problem);
}

/* "{{=<% %>=}}": two new delimiters, without blanks or '=' in them. */
static bool set_delimiters(struct scan *scan, const char *text, size_t size)
{
    trim(&text, &size);
    size_t open_size = 0;
    while (open_size < size && !is_blank(text[open_size]))
        open_size++;
    const char *close = text + open_size;
    size_t close_size = size - open_size;
    trim(&close, &close_size);
    bool is_right = open_size > 0 && open_size <= DELIMITER_BYTES && close_size > 0 &&
                    close_size <= DELIMITER_BYTES && memchr(text, '=', size) == NULL &&
                    memchr(text, '\0', size) == NULL;
    for (size_t i = 0; is_right && i < close_size; i++)
        is_right = !is_blank(close[i]);
    if (!is_right)
        return refuse(scan, "delimiters must be two words without '='");
    memcpy(scan->open, text, open_size);
    scan->open[open_size] = '\0';
    memmove(scan->close, close, close_size);
    scan->close[close_size] = '\0';
    return true;
}

/* A name is ".", or words of letters, digits, '_' and '-' with single dots between. */
static bool is_name(const char *name, size_t size)
{
    if (size == 1 && name[0] == '.')
        return true;
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '-';
        bool is_dot = c == '.' && i > 0 && i + 1 < size && name[i + 1] != '.';
        if (!is_word && !is_dot)
            return false;
    }
    return size > 0 && size <= TEMPLATE_NAME_BYTES;
}

static enum template_kind_of kind_of(char sigil)
{
    switch (sigil) {
    case '#':
        return TEMPLATE_SECTION;
    case '^':
        return TEMPLATE_INVERTED;
    case '/':
        return TEMPLATE_CLOSE;
    case '>':
        return TEMPLATE_PARTIAL;
    case '<':
        return TEMPLATE_PARENT;
    case '$':
        return TEMPLATE_BLOCK;
    case '&':
    case '{':
        return TEMPLATE_RAW;
    case '!':
        return TEMPLATE_COMMENT;
    case '=':
        return TEMPLATE_DELIMITERS;
    default:
        return TEMPLATE_VARIABLE;
    }
}

/* A word is text: no section, and escaped wherever it stands. */
static bool is_word(enum template_kind_of kind, const char *text, size_t size)
{
    for (size_t i = TEMPLATE_WORD_PREFIX_BYTES; i < size; i++)
        if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') ||
              text[i] == '_'))
            return false;
    return kind == TEMPLATE_VARIABLE;
}

static bool add_tag(struct scan *scan, enum template_kind_of kind, const char *text, size_t size)
{
    if (kind == TEMPLATE_DELIMITERS) {
        add(scan, kind, text, 0);
        return set_delimiters(scan, text, size);
    }
    trim(&text, &size);
    bool is_dot = size == 1 && *text == '.';
    bool may_be_dot = kind == TEMPLATE_VARIABLE || kind == TEMPLATE_RAW ||
                      kind == TEMPLATE_SECTION || kind == TEMPLATE_INVERTED ||
                      kind == TEMPLATE_CLOSE;
    if (kind != TEMPLATE_COMMENT && (!is_name(text, size) || (is_dot && !may_be_dot)))
        return refuse(scan, "a tag without a name, or with other characters than letters, digits, "
                            "'_', '-' and single dots, or too long");
    if (kind != TEMPLATE_COMMENT && template_names_word(text, size) && !is_word(kind, text, size))
        return refuse(scan, "a word is {{words.NAME}}, with a name of a-z, 0-9 and '_'");
    add(scan, kind, text, kind == TEMPLATE_COMMENT ? 0 : size);
    return true;
}

/* The tag at `at`, just behind its opening delimiter. */
static bool scan_tag(struct scan *scan)
{
    enum template_kind_of kind = scan->at < scan->end ? kind_of(*scan->at) : TEMPLATE_VARIABLE;
    char close[DELIMITER_BYTES + 2];
    bool is_triple = kind == TEMPLATE_RAW && *scan->at == '{';
    bool is_doubled = is_triple || kind == TEMPLATE_DELIMITERS;
    size_t prefix = 0;
    if (is_doubled)
        close[prefix++] = is_triple ? '}' : '=';
    memcpy(close + prefix, scan->close, strlen(scan->close) + 1);
    const char *text = scan->at + (kind == TEMPLATE_VARIABLE ? 0 : 1);
    const char *end = text <= scan->end ? find(text, scan->end, close) : NULL;
    if (end == NULL)
        return refuse(scan, "a tag that is not closed");
    size_t close_size = strlen(close);
    if (!add_tag(scan, kind, text, (size_t)(end - text)))
        return false;
    for (const char *c = text; c < end; c++)
        scan->line += *c == '\n';
    scan->at = end + close_size;
    return true;
}

static bool scan_all(struct scan *scan, const char *source, size_t size)
{
    scan->at = source;
    scan->end = source + size;
    scan->line = scan->first_line;
    scan->count = 0;
    memcpy(scan->open, "{{", 3);
    memcpy(scan->close, "}}", 3);
    while (scan->at < scan->end) {
        const char *tag = find(scan->at, scan->end, scan->open);
        add_lines(scan, tag == NULL ? scan->end : tag);
        if (tag == NULL)
            return true;
        scan->at = tag + strlen(scan->open);
        if (!scan_tag(scan))
            return false;
    }
    return true;
}

struct template_token *template_scan(struct arena *arena, const char *name, unsigned line,
                                     const char *source, size_t size, size_t *count,
                                     struct error *error)
{
    struct scan scan = {.name = name, .first_line = line, .error = error};
    if (!scan_all(&scan, source, size))
        return NULL;
    struct template_token *tokens = arena_alloc(arena, (scan.count + 1) * sizeof(*tokens));
    if (tokens == NULL) {
        error_set(error, EX_OSERR, "%s: out of memory", name);
        return NULL;
    }
    scan.tokens = tokens;
    if (!scan_all(&scan, source, size))
        return NULL;
    *count = scan.count;
    return tokens;
}
