/* The few primitives that Handbell needs, by OpenSSL's libcrypto (named in crypto.c alone). */
#ifndef HANDBELL_BASE_CRYPTO_H
#define HANDBELL_BASE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CRYPTO_KEY_BYTES = 32, CRYPTO_DIGEST_BYTES = 32 };

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

#endif
