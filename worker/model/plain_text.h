/* What people type, made harmless for a line (a header, a heading) or a page of plain text: it
 * stays itself, but for the characters that pretend to be structure. Knows no header and no
 * template. */
#ifndef HANDBELL_MODEL_PLAIN_TEXT_H
#define HANDBELL_MODEL_PLAIN_TEXT_H

#include "worker/base/buf.h"

/* Each appends `size` bytes of UTF-8 and returns false as buf_append does. In both:
 * - a byte that is no UTF-8 (RFC 3629: overlong forms and surrogates included) becomes U+FFFD;
 * - characters that turn the reading direction (U+200E, U+200F, U+061C, U+202A to U+202E, U+2066 to
 *   U+2069) or take no room (U+200B, U+2060, U+FEFF) are left out: with them a text can be made to
 *   show something else than it holds. ZWJ and ZWNJ stay, since emoji and scripts need them. */

/* As one line: each run of blanks and of controls (C0, DEL, C1, U+2028, U+2029; so CR, LF and NUL)
 * becomes one space, and none stands at either end. */
bool plain_text_append_line(struct buf *out, const char *text, size_t size);
/* As a body: controls but LF and TAB are left out; U+0085, U+2028 and U+2029 become LF. */
bool plain_text_append_body(struct buf *out, const char *text, size_t size);
/* As a body inside HTML: as above, and & < > " ' become character references. */
bool plain_text_append_html(struct buf *out, const char *text, size_t size);

/* The size of the UTF-8 sequence that `text` starts with (1 to 4), or 0 where it starts with none
 * that is whole and shortest; `size` is at least 1. `code_point` may be NULL. */
size_t plain_text_sequence(const char *text, size_t size, unsigned *code_point);

#endif
