/* A growing run of bytes, born with its ceiling: whoever makes one says how large it may become. */
#ifndef HANDBELL_BASE_BUF_H
#define HANDBELL_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* `data` is always followed by a NUL that `size` does not count, also when empty. `has_failed`
 * stays set from the first append that met the ceiling or found no memory, until buf_reset; what an
 * append cannot add whole it does not add at all. So a caller may append many times and look once.
 * `is_out_of_memory` tells the two reasons apart: what met the ceiling meets it again, what found
 * no memory may be tried again later. */
struct buf {
    char *data;
    size_t size;
    size_t capacity;
    size_t ceiling;
    bool has_failed;
    bool is_out_of_memory;
};

/* An empty buffer of at most `ceiling_bytes`; allocates nothing yet. Ended by buf_free. */
void buf_init(struct buf *buf, size_t ceiling_bytes);
/* Empties it, clears `has_failed` and `is_out_of_memory`; keeps the memory. */
void buf_reset(struct buf *buf);
/* Gives the memory back; the buffer is then as after buf_init. */
void buf_free(struct buf *buf);

/* Each returns false, and sets `has_failed`, when the bytes did not fit or memory ran out. */
bool buf_append(struct buf *buf, const void *bytes, size_t size);
bool buf_append_text(struct buf *buf, const char *text);
bool buf_append_char(struct buf *buf, char c);
bool buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *buf, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
/* Makes room for `size` more bytes and returns where they go, or NULL; buf_grown counts them in. */
char *buf_reserve(struct buf *buf, size_t size);
void buf_grown(struct buf *buf, size_t size);
/* Drops the first `size` bytes (all, when there are fewer) and moves the rest to the front. */
void buf_consume(struct buf *buf, size_t size);

#endif
