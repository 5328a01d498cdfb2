/* Lines of a mail's header. What is written here is one field, whatever the value holds. */
#ifndef HANDBELL_MAIL_HEADER_H
#define HANDBELL_MAIL_HEADER_H

#include "worker/base/buf.h"

/* Makes `line` (which it initialises; the caller frees it in either case) the text as one line
 * (plain_text_append_line) of at most `ceiling_bytes`: cut at a character, U+2026 says so. False
 * without memory. */
bool mail_header_make_line(struct buf *line, const char *text, size_t ceiling_bytes);
/* The same cut for UTF-8 that is there already; `text` has room for three bytes more than
 * `ceiling_bytes`, which is at least three. */
bool mail_header_cut(struct buf *text, size_t ceiling_bytes);

/* "Name: value", CR LF. `text` is UTF-8 as people write it: it is made one line
 * (plain_text_append_line), cut at `ceiling_bytes` at a character (U+2026 says so), folded at 78
 * where it has blanks, and encoded (RFC 2047) where it is not ASCII, looks encoded, or cannot be
 * folded. False as buf_append. */
bool mail_header_append_text(struct buf *out, const char *name, const char *text,
                             size_t ceiling_bytes);

/* "Name: display name <address>", CR LF (RFC 5322 section 3.4). `address` must have passed
 * mail_address_check; `display_name` as above, a phrase, a quoted string or encoded-words as it
 * needs; "" leaves the address alone. */
bool mail_header_append_address(struct buf *out, const char *name, const char *display_name,
                                const char *address);

/* "Name: value", CR LF, as it stands: for values of our own without controls. */
bool mail_header_append_plain(struct buf *out, const char *name, const char *value);

#endif
