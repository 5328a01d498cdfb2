/* Arrays in PostgreSQL's text form, both ways, for the parameters and results of pg.h. */
#ifndef HANDBELL_IO_PG_ARRAY_H
#define HANDBELL_IO_PG_ARRAY_H

#include "worker/base/buf.h"

#include <stddef.h>
#include <stdint.h>

/* Each appends one whole literal ("{1,2}", "{}"; PostgreSQL manual, section 8.15.6) to `buf` and
 * returns false when it does not fit; what was appended before stays. In a text array NULL is SQL's
 * null; every other element is quoted, so that braces, commas, quotes, backslashes, line ends, ""
 * and the word NULL stand for themselves. */
bool pg_array_append_int64(struct buf *buf, const int64_t *values, size_t count);
bool pg_array_append_int32(struct buf *buf, const int32_t *values, size_t count);
bool pg_array_append_text(struct buf *buf, const char *const *values, size_t count);

/* Reads a one-dimensional integer array without nulls ("{1,2,3}") into at most `maximum` values.
 * Returns how many; false in `is_valid` for anything else, or for more than `maximum`. */
size_t pg_array_read_int64(const char *text, int64_t *values, size_t maximum, bool *is_valid);

#endif
