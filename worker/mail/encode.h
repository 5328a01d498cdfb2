/* The encodings of MIME: bytes that any mail system carries, from text as people write it. */
#ifndef HANDBELL_MAIL_ENCODE_H
#define HANDBELL_MAIL_ENCODE_H

#include "worker/base/buf.h"

/* Quoted-printable (RFC 2045 section 6.7): LF or CR LF becomes CR LF, lines end at 76 characters,
 * blanks at a line's end are encoded, and the result ends with CR LF. False as buf_append. */
bool mail_encode_quoted_printable(struct buf *out, const char *text, size_t size);

/* Base64 (RFC 2045 section 6.8): lines of 76 characters, each ended by CR LF. No bytes give
 * nothing. False as buf_append. */
bool mail_encode_base64(struct buf *out, const void *bytes, size_t size);

/* Encoded-words (RFC 2047), UTF-8 in Q or B, mostly the shorter, separated by CR LF and a space;
 * no word passes 75 characters nor cuts a character, no line passes 76. `column` is where the first
 * word stands in its line. Returns the column behind the last word. `text` must be valid UTF-8.
 * Usable in a Subject and in a display name (section 5, rules 1 and 3). */
size_t mail_encode_words(struct buf *out, const char *text, size_t size, size_t column);

/* A parameter of a header, on a folded line of its own: name="value", or RFC 2231's
 * name*=utf-8''... where value is not plain ASCII or is long, in numbered pieces that cut no
 * character where one line does not hold it. `value` must be valid UTF-8 without controls. False as
 * buf_append. */
bool mail_encode_parameter(struct buf *out, const char *name, const char *value);

#endif
