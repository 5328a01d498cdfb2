/* Reads forms of one field. Must not know pages. */
#include "worker/model/form.h"

#include <string.h>
#include <strings.h>

enum { BOUNDARY_BYTES = 70 }; /* RFC 2046 section 5.1.1 */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_printable(char c)
{
    return c >= ' ' && c <= '~';
}

/* Copies printable ASCII, which is all that a field of ours holds. */
static bool text_put(char *out, size_t capacity, const char *text, size_t size)
{
    if (size >= capacity)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!is_printable(text[i]))
            return false;
        out[i] = text[i];
    }
    out[size] = '\0';
    return true;
}

static bool escaped_put(char *out, size_t capacity, const char *text, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i] == '+' ? ' ' : text[i];
        if (c == '%') {
            int high = i + 2 < size ? hex_value(text[i + 1]) : -1;
            int low = high >= 0 ? hex_value(text[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (!is_printable(c) || at + 1 >= capacity)
            return false;
        out[at++] = c;
    }
    out[at] = '\0';
    return true;
}

static bool urlencoded_read(const char *body, size_t size, struct form_field *field)
{
    if (size > 0 && body[size - 1] == '\n')
        size--;
    if (size > 0 && body[size - 1] == '\r')
        size--;
    const char *equals = size == 0 ? NULL : memchr(body, '=', size);
    if (equals == NULL || memchr(body, '&', size) != NULL)
        return false;
    size_t name_size = (size_t)(equals - body);
    return escaped_put(field->name, sizeof field->name, body, name_size) &&
           escaped_put(field->value, sizeof field->value, equals + 1, size - name_size - 1);
}

/* The value of `key` among the parameters at `text` ("; boundary=x"), its quotes taken off. */
static bool parameter_find(const char *text, size_t size, const char *key, char *out,
                           size_t capacity)
{
    size_t key_size = strlen(key);
    size_t at = 0;
    while (at < size) {
        if (text[at++] != ';')
            return false;
        while (at < size && (text[at] == ' ' || text[at] == '\t'))
            at++;
        const char *name = text + at;
        while (at < size && text[at] != '=' && text[at] != ';')
            at++;
        bool is_wanted =
            (size_t)(text + at - name) == key_size && strncasecmp(name, key, key_size) == 0;
        if (at == size || text[at] != '=')
            return false;
        bool is_quoted = ++at < size && text[at] == '"';
        const char *value = text + at + (is_quoted ? 1 : 0);
        size_t left = size - (size_t)(value - text);
        const char *end = memchr(value, is_quoted ? '"' : ';', left);
        if (end == NULL && is_quoted)
            return false;
        size_t value_size = end == NULL ? left : (size_t)(end - value);
        at = (size_t)(value - text) + value_size + (is_quoted ? 1 : 0);
        while (at < size && (text[at] == ' ' || text[at] == '\t'))
            at++;
        while (!is_quoted && value_size > 0 && value[value_size - 1] == ' ')
            value_size--;
        if (is_wanted)
            return value_size > 0 && text_put(out, capacity, value, value_size);
    }
    return false;
}

/* The next line of `body` from `*at`, without its CR LF (a bare LF ends one, too); false at the
 * end.
 */
static bool line_next(const char *body, size_t size, size_t *at, const char **line,
                      size_t *line_size)
{
    if (*at >= size)
        return false;
    *line = body + *at;
    const char *end = memchr(*line, '\n', size - *at);
    *line_size = end == NULL ? size - *at : (size_t)(end - *line);
    *at += *line_size + (end == NULL ? 0 : 1);
    if (*line_size > 0 && (*line)[*line_size - 1] == '\r')
        (*line_size)--;
    return true;
}

enum line_kind { LINE_OTHER, LINE_OPENS, LINE_CLOSES };

/* "--boundary" opens a part, "--boundary--" closes the last; blanks behind it are padding. */
static enum line_kind line_judge(const char *line, size_t size, const char *boundary)
{
    size_t boundary_size = strlen(boundary);
    while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\t'))
        size--;
    if (size < boundary_size + 2 || memcmp(line, "--", 2) != 0 ||
        memcmp(line + 2, boundary, boundary_size) != 0)
        return LINE_OTHER;
    if (size == boundary_size + 2)
        return LINE_OPENS;
    return size == boundary_size + 4 && memcmp(line + size - 2, "--", 2) == 0 ? LINE_CLOSES
                                                                              : LINE_OTHER;
}

static bool disposition_read(const char *line, size_t size, struct form_field *field)
{
    static const char start[] = "Content-Disposition: form-data";
    char file[FORM_NAME_BYTES];
    size_t start_size = sizeof start - 1;
    if (size < start_size || strncasecmp(line, start, start_size) != 0)
        return false;
    return !parameter_find(line + start_size, size - start_size, "filename", file, sizeof file) &&
           parameter_find(line + start_size, size - start_size, "name", field->name,
                          sizeof field->name);
}

/* From behind the opening boundary to the empty line. */
static bool part_head_read(const char *body, size_t size, size_t *at, struct form_field *field)
{
    const char *line = NULL;
    size_t line_size = 0;
    unsigned dispositions = 0;
    while (line_next(body, size, at, &line, &line_size)) {
        if (line_size == 0)
            return dispositions == 1;
        if (line_size > 20 && strncasecmp(line, "Content-Disposition:", 20) == 0) {
            if (!disposition_read(line, line_size, field))
                return false;
            dispositions++;
        }
    }
    return false;
}

static bool multipart_read(const char *boundary, const char *body, size_t size,
                           struct form_field *field)
{
    const char *line = NULL;
    size_t line_size = 0;
    size_t at = 0;
    do {
        if (!line_next(body, size, &at, &line, &line_size))
            return false;
    } while (line_judge(line, line_size, boundary) != LINE_OPENS);
    if (!part_head_read(body, size, &at, field))
        return false;
    /* One line of value, then the closing boundary; an empty value has none of its own. */
    if (!line_next(body, size, &at, &line, &line_size) ||
        line_judge(line, line_size, boundary) != LINE_OTHER ||
        !text_put(field->value, sizeof field->value, line, line_size))
        return false;
    return line_next(body, size, &at, &line, &line_size) &&
           line_judge(line, line_size, boundary) == LINE_CLOSES;
}

/* Whether `content_type` is of `type`; its parameters then start at `*rest`. */
static bool is_type(const char *content_type, const char *type, const char **rest)
{
    size_t size = strlen(type);
    if (strncasecmp(content_type, type, size) != 0)
        return false;
    *rest = content_type + size + strspn(content_type + size, " \t");
    return **rest == '\0' || **rest == ';';
}

bool form_read(const char *content_type, const char *body, size_t size, struct form_field *field)
{
    char boundary[BOUNDARY_BYTES + 1];
    const char *rest = "";
    bool is_read = false;
    memset(field, 0, sizeof *field);
    if (is_type(content_type, "application/x-www-form-urlencoded", &rest))
        is_read = urlencoded_read(body, size, field);
    else if (is_type(content_type, "multipart/form-data", &rest))
        is_read = parameter_find(rest, strlen(rest), "boundary", boundary, sizeof boundary) &&
                  multipart_read(boundary, body, size, field);
    if (!is_read || field->name[0] == '\0') {
        memset(field, 0, sizeof *field);
        return false;
    }
    return true;
}
