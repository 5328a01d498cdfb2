/* Digests, keyed digests, signatures and chance, by OpenSSL's libcrypto, which no other file names.
 */
#include "worker/base/crypto.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

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

void crypto_base64(const uint8_t *bytes, size_t size, char *text)
{
    int room = size <= INT_MAX ? (int)size : INT_MAX;
    (void)EVP_EncodeBlock((unsigned char *)text, bytes, room);
}

struct crypto_private_key {
    EVP_PKEY *pkey;
    enum crypto_key_kind kind;
};

/* Without it OpenSSL would ask for a passphrase on the terminal. */
static int no_passphrase(char *room, int size, int is_writing, void *context)
{
    (void)room;
    (void)size;
    (void)is_writing;
    (void)context;
    return -1;
}

static bool key_check(struct crypto_private_key *key, struct error *error)
{
    int bits = EVP_PKEY_get_bits(key->pkey);
    if (EVP_PKEY_is_a(key->pkey, "ED25519")) {
        key->kind = CRYPTO_KEY_ED25519;
        return true;
    }
    if (!EVP_PKEY_is_a(key->pkey, "RSA"))
        return error_set(error, EX_CONFIG, "neither an RSA nor an Ed25519 key");
    key->kind = CRYPTO_KEY_RSA;
    if (bits < CRYPTO_RSA_BITS_LEAST || bits > CRYPTO_RSA_BITS_MOST)
        return error_set(error, EX_CONFIG, "an RSA key of %d bits; must have %d to %d", bits,
                         CRYPTO_RSA_BITS_LEAST, CRYPTO_RSA_BITS_MOST);
    return true;
}

/* A damaged key signs what nobody can verify: better said now than by the mail's readers. */
static bool key_try(const struct crypto_private_key *key, struct error *error)
{
    const uint8_t digest[CRYPTO_DIGEST_BYTES] = {1, 2, 3};
    uint8_t signature[CRYPTO_SIGNATURE_BYTES];
    size_t size = crypto_sign(key, digest, signature);
    if (size > 0 && crypto_verify(key, digest, signature, size))
        return true;
    return error_set(error, EX_CONFIG, "does not verify what it signs: damaged");
}

struct crypto_private_key *crypto_private_key_parse(const char *pem, size_t size,
                                                    struct error *error)
{
    struct crypto_private_key *key = calloc(1, sizeof *key);
    BIO *bio = key != NULL && size <= INT_MAX ? BIO_new_mem_buf(pem, (int)size) : NULL;
    if (bio == NULL) {
        free(key);
        error_set(error, EX_OSERR, "no memory");
        return NULL;
    }
    key->pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (key->pkey == NULL)
        error_set(error, EX_CONFIG, "no private key in PEM (PKCS#8, without a passphrase)");
    if (key->pkey != NULL && key_check(key, error) && key_try(key, error))
        return key;
    ERR_clear_error();
    crypto_private_key_free(key);
    return NULL;
}

void crypto_private_key_free(struct crypto_private_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

enum crypto_key_kind crypto_private_key_kind(const struct crypto_private_key *key)
{
    return key->kind;
}

unsigned crypto_private_key_bits(const struct crypto_private_key *key)
{
    return (unsigned)EVP_PKEY_get_bits(key->pkey);
}

size_t crypto_public_key_write(const struct crypto_private_key *key,
                               uint8_t bytes[CRYPTO_PUBLIC_KEY_BYTES])
{
    size_t size = CRYPTO_PUBLIC_KEY_BYTES;
    unsigned char *der = NULL;
    if (key->kind == CRYPTO_KEY_ED25519)
        return EVP_PKEY_get_raw_public_key(key->pkey, bytes, &size) == 1 ? size : 0;
    int der_size = i2d_PUBKEY(key->pkey, &der);
    size = der_size > 0 && der_size <= CRYPTO_PUBLIC_KEY_BYTES ? (size_t)der_size : 0;
    if (size > 0)
        memcpy(bytes, der, size);
    OPENSSL_free(der);
    return size;
}

/* A context for RSA with PKCS #1 1.5 padding over a SHA-256 digest; NULL without memory. */
static EVP_PKEY_CTX *rsa_context(const struct crypto_private_key *key,
                                 int (*begin)(EVP_PKEY_CTX *context))
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    if (context != NULL && begin(context) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
        EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1)
        return context;
    EVP_PKEY_CTX_free(context);
    return NULL;
}

static bool rsa_sign(const struct crypto_private_key *key, const uint8_t *digest,
                     uint8_t *signature, size_t *size)
{
    EVP_PKEY_CTX *context = rsa_context(key, EVP_PKEY_sign_init);
    bool is_signed = context != NULL &&
                     EVP_PKEY_sign(context, signature, size, digest, CRYPTO_DIGEST_BYTES) == 1;
    EVP_PKEY_CTX_free(context);
    return is_signed;
}

static bool ed25519_sign(const struct crypto_private_key *key, const uint8_t *digest,
                         uint8_t *signature, size_t *size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_signed = context != NULL &&
                     EVP_DigestSignInit(context, NULL, NULL, NULL, key->pkey) == 1 &&
                     EVP_DigestSign(context, signature, size, digest, CRYPTO_DIGEST_BYTES) == 1;
    EVP_MD_CTX_free(context);
    return is_signed;
}

size_t crypto_sign(const struct crypto_private_key *key, const uint8_t digest[CRYPTO_DIGEST_BYTES],
                   uint8_t signature[CRYPTO_SIGNATURE_BYTES])
{
    size_t size = CRYPTO_SIGNATURE_BYTES;
    bool is_signed = key->kind == CRYPTO_KEY_RSA ? rsa_sign(key, digest, signature, &size)
                                                 : ed25519_sign(key, digest, signature, &size);
    if (!is_signed)
        ERR_clear_error();
    return is_signed ? size : 0;
}

void crypto_end_thread(void)
{
    OPENSSL_thread_stop();
}

bool crypto_verify(const struct crypto_private_key *key, const uint8_t digest[CRYPTO_DIGEST_BYTES],
                   const uint8_t *signature, size_t size)
{
    bool is_right;
    if (key->kind == CRYPTO_KEY_RSA) {
        EVP_PKEY_CTX *context = rsa_context(key, EVP_PKEY_verify_init);
        is_right = context != NULL &&
                   EVP_PKEY_verify(context, signature, size, digest, CRYPTO_DIGEST_BYTES) == 1;
        EVP_PKEY_CTX_free(context);
    } else {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        is_right = context != NULL &&
                   EVP_DigestVerifyInit(context, NULL, NULL, NULL, key->pkey) == 1 &&
                   EVP_DigestVerify(context, signature, size, digest, CRYPTO_DIGEST_BYTES) == 1;
        EVP_MD_CTX_free(context);
    }
    if (!is_right)
        ERR_clear_error();
    return is_right;
}
