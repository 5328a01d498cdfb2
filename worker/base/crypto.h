/* The few primitives that Handbell needs, by OpenSSL's libcrypto (named in crypto.c alone). */
#ifndef HANDBELL_BASE_CRYPTO_H
#define HANDBELL_BASE_CRYPTO_H

#include "worker/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CRYPTO_KEY_BYTES = 32, CRYPTO_DIGEST_BYTES = 32 };

/* RFC 8301 section 3.2 wants 1024 bits at least of who signs. 4096 and more make a DNS answer that
 * many resolvers cut. */
enum { CRYPTO_RSA_BITS_LEAST = 1024, CRYPTO_RSA_BITS_MOST = 4096 };
enum { CRYPTO_SIGNATURE_BYTES = CRYPTO_RSA_BITS_MOST / 8, CRYPTO_PUBLIC_KEY_BYTES = 640 };

/* HMAC-SHA-256 (RFC 2104, FIPS 180-4). False without memory. */
bool crypto_hmac(const uint8_t key[CRYPTO_KEY_BYTES], const void *bytes, size_t size,
                 uint8_t digest[CRYPTO_DIGEST_BYTES]);
bool crypto_sha256(const void *bytes, size_t size, uint8_t digest[CRYPTO_DIGEST_BYTES]);
/* Takes the same time whatever differs. */
bool crypto_equal(const void *a, const void *b, size_t size);
/* Fills from the system's generator; false when there is none. */
bool crypto_random(void *bytes, size_t size);
/* Overwrites, and is not optimised away. */
void crypto_wipe(void *bytes, size_t size);

/* Base64 (RFC 4648 section 4) of `size` bytes and a NUL into `text`, which has room for
 * CRYPTO_BASE64_BYTES(size). */
#define CRYPTO_BASE64_BYTES(size) (((size) + 2) / 3 * 4 + 1)
void crypto_base64(const uint8_t *bytes, size_t size, char *text);

enum crypto_key_kind { CRYPTO_KEY_RSA, CRYPTO_KEY_ED25519 };

/* A private key that signs. It never changes, so several threads may sign with one at a time. */
struct crypto_private_key;

/* Reads a PEM text (PKCS#8, not encrypted) and tries the key on itself. NULL with `error`
 * (EX_CONFIG, or EX_OSERR without memory) that says what is wrong with it and quotes nothing of it.
 * Ended by crypto_private_key_free, which overwrites it. */
struct crypto_private_key *crypto_private_key_parse(const char *pem, size_t size,
                                                    struct error *error);
void crypto_private_key_free(struct crypto_private_key *key); /* NULL is fine */

enum crypto_key_kind crypto_private_key_kind(const struct crypto_private_key *key);
unsigned crypto_private_key_bits(const struct crypto_private_key *key);
/* Its public half as DKIM publishes it: RSA as a SubjectPublicKeyInfo (RFC 6376 section 3.6.1),
 * Ed25519 as its 32 bytes (RFC 8463 section 4.2). The size; 0 without memory. */
size_t crypto_public_key_write(const struct crypto_private_key *key,
                               uint8_t bytes[CRYPTO_PUBLIC_KEY_BYTES]);
/* Signs a SHA-256 digest: RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2), or PureEdDSA over the digest's
 * 32 bytes (RFC 8463 section 3). The signature's size; 0 when it failed. */
size_t crypto_sign(const struct crypto_private_key *key, const uint8_t digest[CRYPTO_DIGEST_BYTES],
                   uint8_t signature[CRYPTO_SIGNATURE_BYTES]);
/* Gives back what the library keeps for the calling thread: to be called by a thread that may end
 * after the library has, as those of a pool do. */
void crypto_end_thread(void);
/* Whether the signature is the key's own over the digest. */
bool crypto_verify(const struct crypto_private_key *key, const uint8_t digest[CRYPTO_DIGEST_BYTES],
                   const uint8_t *signature, size_t size);

#endif
