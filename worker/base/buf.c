/* The growing buffer under every protocol line and every mail. Its ceiling is the promise: no input
 * makes it larger than its maker said. */
#include "worker/base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST_CAPACITY_BYTES = 64 };

/* What `data` points at before the first append, so that it is never NULL. Never written to: an
 * empty buffer has no capacity. */
static char empty_text[1];

void buf_init(struct buf *buf, size_t ceiling_bytes)
{
    *buf = (struct buf){.data = empty_text, .ceiling = ceiling_bytes};
}

void buf_reset(struct buf *buf)
{
    buf->size = 0;
    buf->has_failed = false;
    buf->is_out_of_memory = false;
    if (buf->capacity > 0)
        buf->data[0] = '\0';
}

void buf_free(struct buf *buf)
{
    if (buf->capacity > 0)
        free(buf->data);
    buf_init(buf, buf->ceiling);
}

/* Room for `size` more bytes and the NUL behind them. */
static bool ensure_room(struct buf *buf, size_t size)
{
    if (size > buf->ceiling || buf->size > buf->ceiling - size || buf->ceiling == SIZE_MAX) {
        buf->has_failed = true;
        return false;
    }
    size_t needed = buf->size + size + 1;
    if (needed <= buf->capacity)
        return true;

    size_t capacity = buf->capacity > 0 ? buf->capacity : SMALLEST_CAPACITY_BYTES;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    if (capacity > buf->ceiling + 1)
        capacity = buf->ceiling + 1;

    char *data = realloc(buf->capacity > 0 ? buf->data : NULL, capacity);
    if (!data) {
        buf->has_failed = true;
        buf->is_out_of_memory = true;
        return false;
    }
    data[buf->size] = '\0';
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

bool buf_append(struct buf *buf, const void *bytes, size_t size)
{
    if (!ensure_room(buf, size))
        return false;
    if (size > 0)
        memcpy(buf->data + buf->size, bytes, size);
    buf_grown(buf, size);
    return true;
}

bool buf_append_text(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

bool buf_append_char(struct buf *buf, char c)
{
    return buf_append(buf, &c, 1);
}

bool buf_printf(struct buf *buf, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    bool is_done = buf_vprintf(buf, format, arguments);
    va_end(arguments);
    return is_done;
}

bool buf_vprintf(struct buf *buf, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    bool is_done = length >= 0 && ensure_room(buf, (size_t)length);
    if (is_done) {
        (void)vsnprintf(buf->data + buf->size, (size_t)length + 1, format, again);
        buf->size += (size_t)length;
    }
    va_end(again);
    if (!is_done)
        buf->has_failed = true;
    return is_done;
}

char *buf_reserve(struct buf *buf, size_t size)
{
    return ensure_room(buf, size) ? buf->data + buf->size : NULL;
}

void buf_grown(struct buf *buf, size_t size)
{
    buf->size += size;
    if (buf->capacity > 0)
        buf->data[buf->size] = '\0';
}

void buf_consume(struct buf *buf, size_t size)
{
    if (size == 0)
        return;
    if (size >= buf->size) {
        buf->size = 0;
    } else {
        memmove(buf->data, buf->data + size, buf->size - size);
        buf->size -= size;
    }
    if (buf->capacity > 0)
        buf->data[buf->size] = '\0';
}
