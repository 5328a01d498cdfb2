/* What goes over the wire, as bytes: the mail in its transparent form and the envelope's commands.
 * Pure: knows no socket and no dialogue. */
#ifndef HANDBELL_IO_SMTP_TEXT_H
#define HANDBELL_IO_SMTP_TEXT_H

#include "worker/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 5321 4.5.3.1.3 allows a path of 256; a little more, and the peer may decide. */
enum { SMTP_ADDRESS_BYTES = 320 };

/* What is to be known of a mail before MAIL is sent. `size_bytes` counts as RFC 1870 3 does: line
 * ends as CR LF, without dot-stuffing and final dot. */
struct smtp_body {
    size_t size_bytes;
    bool has_8bit;
};

/* Appends the mail as RFC 5321 4.5.2 wants it: every line end becomes CR LF (so do a bare CR and a
 * bare LF: neither reaches the wire, and no two servers can disagree on where the mail ends), a dot
 * that opens a line is doubled, a NUL becomes '?' (servers that drop NULs would see "NUL . CR LF"
 * as the end), and the final dot follows. False when `wire` cannot take it. */
bool smtp_body_encode(struct buf *wire, const char *bytes, size_t size, struct smtp_body *body);

/* "" where `address` may stand in MAIL or RCPT, or else what is wrong with it: empty, longer than
 * SMTP_ADDRESS_BYTES, or holding a space, a control character, '<', '>' or bytes that are no UTF-8.
 */
const char *smtp_address_problem(const char *address);
bool smtp_address_is_ascii(const char *address);

#endif
