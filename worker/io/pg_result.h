/* What became of a statement: a value, and its rows. It does not know the connection. */
#ifndef HANDBELL_IO_PG_RESULT_H
#define HANDBELL_IO_PG_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pg_result_kind {
    PG_RESULT_ROWS,    /* done, and committed; with rows, or none */
    PG_RESULT_REFUSED, /* the server refused it: nothing of its transaction remains */
    PG_RESULT_LOST,    /* sent, and the connection went before the answer: write uncertain */
    PG_RESULT_UNSENT,  /* never sent: nothing happened */
};

enum { PG_SQLSTATE_BYTES = 6, PG_TEXT_BYTES = 384 };

struct pg_rows; /* opaque: libpq's PGresult */

/* `sqlstate` ("HB002", "57014"; "" where none came) and `text` say why a statement was refused or
 * lost. `text` is the server's first line alone: its DETAIL, CONTEXT and any text of class 22
 * (data exception), which may quote values, are left out. `rows` is NULL but for PG_RESULT_ROWS.
 * `position` is the character, from 1, at which the server stopped reading the statement; 0 where
 * it read all. */
struct pg_result {
    enum pg_result_kind kind;
    char sqlstate[PG_SQLSTATE_BYTES];
    char text[PG_TEXT_BYTES];
    unsigned position;
    const struct pg_rows *rows;
};

/* "rows", "refused", "lost", "unsent": for logs. */
const char *pg_result_kind_name(enum pg_result_kind kind);

/* Rows and columns are counted from 0; asking for one that is not there is a broken invariant:
 * abort. Texts are borrowed from the result, UTF-8 (the client encoding), followed by a NUL. */
size_t pg_result_rows(const struct pg_result *result);
bool pg_result_is_null(const struct pg_result *result, size_t row, size_t column);
/* "" and 0 for null. `size` may be NULL. */
const char *pg_result_text(const struct pg_result *result, size_t row, size_t column, size_t *size);
/* smallint, integer or bigint; 0 for null. */
int64_t pg_result_integer(const struct pg_result *result, size_t row, size_t column);
/* boolean; false for null. */
bool pg_result_is_true(const struct pg_result *result, size_t row, size_t column);

#endif
