/* Array literals (PostgreSQL manual, section 8.15). It knows no connection. */
#include "worker/io/pg_array.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

bool pg_array_append_int64(struct buf *buf, const int64_t *values, size_t count)
{
    bool is_whole = buf_append_char(buf, '{');
    for (size_t i = 0; i < count; i++)
        is_whole = buf_printf(buf, i > 0 ? ",%" PRId64 : "%" PRId64, values[i]) && is_whole;
    return buf_append_char(buf, '}') && is_whole;
}

bool pg_array_append_int32(struct buf *buf, const int32_t *values, size_t count)
{
    bool is_whole = buf_append_char(buf, '{');
    for (size_t i = 0; i < count; i++)
        is_whole = buf_printf(buf, i > 0 ? ",%" PRId32 : "%" PRId32, values[i]) && is_whole;
    return buf_append_char(buf, '}') && is_whole;
}

static bool element_append(struct buf *buf, const char *text)
{
    if (text == NULL)
        return buf_append_text(buf, "NULL");
    bool is_whole = buf_append_char(buf, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            is_whole = buf_append_char(buf, '\\') && is_whole;
        is_whole = buf_append_char(buf, *text) && is_whole;
    }
    return buf_append_char(buf, '"') && is_whole;
}

bool pg_array_append_text(struct buf *buf, const char *const *values, size_t count)
{
    bool is_whole = buf_append_char(buf, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            is_whole = buf_append_char(buf, ',') && is_whole;
        is_whole = element_append(buf, values[i]) && is_whole;
    }
    return buf_append_char(buf, '}') && is_whole;
}

size_t pg_array_read_int64(const char *text, int64_t *values, size_t maximum, bool *is_valid)
{
    size_t count = 0;
    *is_valid = text[0] == '{' && text[1] == '}' && text[2] == '\0';
    if (*is_valid || *text++ != '{')
        return 0;
    for (;;) {
        char *end;
        if (count == maximum || ((*text < '0' || *text > '9') && *text != '-'))
            return 0;
        errno = 0;
        values[count++] = strtoll(text, &end, 10);
        if (end == text || errno != 0)
            return 0;
        text = end + 1;
        if (*end == '}') {
            *is_valid = end[1] == '\0';
            return *is_valid ? count : 0;
        }
        if (*end != ',')
            return 0;
    }
}
