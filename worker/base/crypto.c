/* Digests, keyed digests and chance, by OpenSSL's libcrypto, which no other file names. */
#include "worker/base/crypto.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

bool crypto_hmac(const uint8_t key[CRYPTO_KEY_BYTES], const void *bytes, size_t size,
                 uint8_t digest[CRYPTO_DIGEST_BYTES])
{
    unsigned length = 0;
    return HMAC(EVP_sha256(), key, CRYPTO_KEY_BYTES, bytes, size, digest, &length) != NULL &&
           length == CRYPTO_DIGEST_BYTES;
}

bool crypto_sha256(const void *bytes, size_t size, uint8_t digest[CRYPTO_DIGEST_BYTES])
{
    unsigned length = 0;
    return EVP_Digest(bytes, size, digest, &length, EVP_sha256(), NULL) == 1 &&
           length == CRYPTO_DIGEST_BYTES;
}

bool crypto_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

bool crypto_random(void *bytes, size_t size)
{
    return size <= INT_MAX && RAND_bytes(bytes, (int)size) == 1;
}

void crypto_wipe(void *bytes, size_t size)
{
    OPENSSL_cleanse(bytes, size);
}
