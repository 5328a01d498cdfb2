/* The one field of a small form, as a page's button or a mail program posts it (RFC 8058
 * sections 3.1 and 3.2). Pure: bytes in, name and value out. It does not know what a name means. */
#ifndef HANDBELL_MODEL_FORM_H
#define HANDBELL_MODEL_FORM_H

#include <stdbool.h>
#include <stddef.h>

/* NAME and VALUE count the closing NUL. */
enum { FORM_NAME_BYTES = 64, FORM_VALUE_BYTES = 64 };

struct form_field {
    char name[FORM_NAME_BYTES];
    char value[FORM_VALUE_BYTES];
};

/* Reads a body of exactly one field, by its Content-Type: application/x-www-form-urlencoded (WHATWG
 * URL section 5.1; one line end behind it is forgiven) or multipart/form-data (RFC 7578; what
 * stands before the first and behind the last boundary is ignored, as RFC 2046 section 5.1.1 says).
 * False, with `field` empty, for any other type, none or two fields, a file, a control character or
 * NUL in name or value, a broken escape or boundary, and past the sizes. */
bool form_read(const char *content_type, const char *body, size_t size, struct form_field *field);

#endif
