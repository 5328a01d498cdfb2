/* Digests against published vectors. */
#include "worker/base/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *hex(const uint8_t digest[CRYPTO_DIGEST_BYTES])
{
    static char text[CRYPTO_DIGEST_BYTES * 2 + 1];
    for (size_t i = 0; i < CRYPTO_DIGEST_BYTES; i++)
        (void)snprintf(text + i * 2, 3, "%02x", digest[i]);
    return text;
}

static void sha256_is_that_of_fips_180(void **state)
{
    (void)state;
    uint8_t digest[CRYPTO_DIGEST_BYTES];
    assert_true(crypto_sha256("abc", 3, digest));
    assert_string_equal(hex(digest),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(crypto_sha256("", 0, digest));
    assert_string_equal(hex(digest),
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 4231, case 1: its 20-byte key filled up with zeros, as RFC 2104 does anyway. */
static void hmac_is_that_of_rfc_4231(void **state)
{
    (void)state;
    uint8_t key[CRYPTO_KEY_BYTES] = {0};
    memset(key, 0x0b, 20);
    uint8_t digest[CRYPTO_DIGEST_BYTES];
    assert_true(crypto_hmac(key, "Hi There", 8, digest));
    assert_string_equal(hex(digest),
                        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
}

static void equal_sees_every_byte(void **state)
{
    (void)state;
    uint8_t a[CRYPTO_DIGEST_BYTES] = {0};
    for (size_t i = 0; i < sizeof(a); i++) {
        uint8_t b[CRYPTO_DIGEST_BYTES] = {0};
        assert_true(crypto_equal(a, b, sizeof(a)));
        b[i] = 1;
        assert_false(crypto_equal(a, b, sizeof(a)));
    }
}

static void chance_differs_and_wiping_wipes(void **state)
{
    (void)state;
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};
    assert_true(crypto_random(a, sizeof(a)) && crypto_random(b, sizeof(b)));
    assert_memory_not_equal(a, b, sizeof(a));
    crypto_wipe(a, sizeof(a));
    for (size_t i = 0; i < sizeof(a); i++)
        assert_int_equal(a[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_is_that_of_fips_180),
        cmocka_unit_test(hmac_is_that_of_rfc_4231),
        cmocka_unit_test(equal_sees_every_byte),
        cmocka_unit_test(chance_differs_and_wiping_wipes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
