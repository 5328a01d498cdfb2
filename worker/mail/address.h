/* Mail addresses: whom they name, and may this text stand in a header and in an SMTP command? */
#ifndef HANDBELL_MAIL_ADDRESS_H
#define HANDBELL_MAIL_ADDRESS_H

#include "worker/base/error.h"

#include <stdbool.h>

/* `name` is UTF-8 as people write it, or "". */
struct mail_address {
    const char *name;
    const char *address;
};

/* RFC 5321 section 4.5.3.1: a path of 256 octets, its angle brackets included. */
enum { MAIL_ADDRESS_BYTES = 254 };

/* Whether `address` can stand in a header and an SMTP command: one '@', 1 to 64 octets before it, 1
 * to 255 behind, 254 in all, no blank, control, angle bracket, comma, quote, parenthesis,
 * backslash, colon or semicolon; labels of the domain of 1 to 63 letters, digits, '-' (not at the
 * ends) and octets of valid UTF-8. UTF-8 is let through (RFC 6531): what the relay takes is the
 * transport's question. False with `error` naming `field`. */
bool mail_address_check(const char *address, const char *field, struct error *error);

#endif
