/* DKIM signatures (RFC 6376, RFC 8463): relaxed/relaxed, rsa-sha256 and ed25519-sha256. It knows a
 * mail as bytes and a key as something that signs; where keys come from is dkim_keys.h, the time is
 * an argument. Nothing here is shared, so several threads may sign at a time. */
#ifndef HANDBELL_MAIL_DKIM_H
#define HANDBELL_MAIL_DKIM_H

#include "worker/base/buf.h"
#include "worker/base/crypto.h"
#include "worker/base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    DKIM_DOMAIN_BYTES = 254,   /* with the NUL; RFC 1035 section 2.3.4 */
    DKIM_SELECTOR_BYTES = 128, /* with the NUL */
    DKIM_KEYS_MAXIMUM = 4, /* of one domain: each costs a signature, and a field, of every mail */
    DKIM_FIELDS_MAXIMUM = 64, /* of one mail */
};

struct dkim_key {
    char selector[DKIM_SELECTOR_BYTES];
    struct crypto_private_key *key;
};

/* The keys of one domain, each of which signs. */
struct dkim_domain {
    char name[DKIM_DOMAIN_BYTES]; /* lower case */
    size_t key_count;
    struct dkim_key keys[DKIM_KEYS_MAXIMUM];
};

/* Puts one DKIM-Signature field a key in front of the mail, folded below 78 characters, d= the
 * domain's name, t= `now_unix_s`, no l=. Signed is what goes over the wire: a bare CR or LF counts
 * as CR LF, and a NUL becomes '?'. Fields that would deceive a reader
 * when added later (From, To, Subject, ...) are named once more than they occur (RFC 6376 section
 * 8.15). False with `error`: EX_DATAERR (a line of the header without a name, too many fields, the
 * mail's buffer is full), EX_OSERR (no memory) or EX_SOFTWARE (a key does not sign); `mail` is then
 * as it was, but for NULs. */
bool dkim_sign(const struct dkim_domain *domain, int64_t now_unix_s, struct buf *mail,
               struct error *error);

/* "relaxed" of RFC 6376 section 3.4.2: one field, with its line ends, appended as one line and its
 * CR LF. False as buf_append, and for a field without a colon. */
bool dkim_canonicalise_field(const char *field, size_t size, struct buf *out);
/* "relaxed" of RFC 6376 section 3.4.4: an empty body, or one of empty lines alone, is empty. */
bool dkim_canonicalise_body(const char *body, size_t size, struct buf *out);

#endif
