/* A token is a power of attorney in a link or an address: who holds it may do one thing, for one
 * person or message of one tenant, without signing in. It carries ids and a signature, never an
 * address. It does not know what is done with it. */
#ifndef HANDBELL_MODEL_TOKEN_H
#define HANDBELL_MODEL_TOKEN_H

#include "worker/model/token_keys.h"
#include "worker/model/topic.h"

/* TOKEN_TEXT_BYTES counts the closing NUL. Version and power (1 byte), topic (1), tenant (8) and
 * person or message (8), big-endian, and half an HMAC-SHA-256 (16; RFC 2104 section 5 allows no
 * less), in base32 (RFC 4648 section 6, lower case, no padding): 55 characters, so that a
 * two-letter prefix and the token fit a local part's 64 octets (RFC 5321 section 4.5.3.1.1) and
 * outlive case folding.
 */
enum { TOKEN_TEXT_BYTES = 56 };

/* What a token allows. Numbers are never given a second meaning. At most 15. */
enum token_power {
    TOKEN_POWER_OPT_OUT = 1,
    TOKEN_POWER_BOUNCE = 2, /* to say that this message came back; it is in no link */
};

struct token {
    enum token_power power;
    enum topic topic; /* of TOKEN_POWER_OPT_OUT */
    int64_t tenant_id;
    union {
        int64_t person_id;
        int64_t message_id; /* of TOKEN_POWER_BOUNCE */
    };
};

/* Writes the token, signed by the first key, and a NUL. False when there is no key or no memory;
 * `text` is then "". */
bool token_write(const struct token_keys *keys, const struct token *token,
                 char text[TOKEN_TEXT_BYTES]);

/* Believes `size` characters of `text` only when they are exactly what token_write wrote with one
 * of `keys` for `power` (upper case is accepted), and then fills `token`. Otherwise false, with
 * `token` zeroed, and no word about why: a wrong length, character, power, topic, version or
 * signature cost the same work, all keys are tried every time, and signatures are compared in
 * constant time. */
bool token_read(const struct token_keys *keys, const char *text, size_t size,
                enum token_power power, struct token *token);

#endif
