/* Proves that signatures are those of the RFCs' examples, byte for byte, that what is signed is
 * what goes over the wire, and that what deceives a reader breaks them. */
#include "tests/unit/mail/dkim_examples.h"
#include "worker/mail/dkim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

enum { ROOM = 1 << 20 };

#define MESSAGE                                                                                    \
    "From: Joe SixPack <joe@football.example.com>\r\n"                                             \
    "To: Suzie Q <suzie@shopping.example.net>\r\n"                                                 \
    "Subject: Is dinner ready?\r\n"                                                                \
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"                                              \
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
#define BODY "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"

/* Appendix A.3 of RFC 8463, each field up to "b=" and what must follow. */
static const struct {
    const char *pem;
    const char *field;
    const char *signature;
} examples[] = {
    {example_ed25519,
     "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
     " d=football.example.com; i=@football.example.com;\r\n"
     " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
     " subject : date : message-id : from : subject : date;\r\n"
     " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
     " b=",
     "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="},
    {example_rsa,
     "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
     " d=football.example.com; i=@football.example.com;\r\n"
     " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
     " date : message-id : from : subject : date;\r\n"
     " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
     " b=",
     "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9"
     "mPYQTnGdaSGsgeefOsk2JzdA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8="},
};

static struct crypto_private_key *key_of(const char *pem)
{
    struct error error = {0};
    struct crypto_private_key *key = crypto_private_key_parse(pem, strlen(pem), &error);
    if (key == NULL)
        fail_msg("%s", error.text);
    return key;
}

static void the_signatures_of_rfc_8463_are_met_byte_for_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        struct crypto_private_key *key = key_of(examples[i].pem);
        struct buf canonical;
        uint8_t digest[CRYPTO_DIGEST_BYTES];
        uint8_t signature[CRYPTO_SIGNATURE_BYTES];
        char text[CRYPTO_BASE64_BYTES(CRYPTO_SIGNATURE_BYTES)];
        buf_init(&canonical, ROOM);
        for (const char *at = MESSAGE; *at != '\0'; at = strchr(at, '\n') + 1)
            assert_true(dkim_canonicalise_field(at, strcspn(at, "\n") + 1, &canonical));
        assert_true(
            dkim_canonicalise_field(examples[i].field, strlen(examples[i].field), &canonical));
        assert_true(crypto_sha256(canonical.data, canonical.size - 2, digest));
        size_t size = crypto_sign(key, digest, signature);
        crypto_base64(signature, size, text);
        assert_string_equal(text, examples[i].signature);
        assert_true(crypto_verify(key, digest, signature, size));
        digest[0] ^= 1;
        assert_false(crypto_verify(key, digest, signature, size));
        buf_free(&canonical);
        crypto_private_key_free(key);
    }
}

static void public_keys_are_written_as_they_are_published(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{example_ed25519, example_ed25519_public},
                                          {example_rsa, example_rsa_public}};
    for (size_t i = 0; i < 2; i++) {
        struct crypto_private_key *key = key_of(rows[i][0]);
        uint8_t bytes[CRYPTO_PUBLIC_KEY_BYTES];
        char text[CRYPTO_BASE64_BYTES(CRYPTO_PUBLIC_KEY_BYTES)];
        size_t size = crypto_public_key_write(key, bytes);
        crypto_base64(bytes, size, text);
        assert_string_equal(text, rows[i][1]);
        crypto_private_key_free(key);
    }
}

static void bodies_are_made_canonical(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"}, /* RFC 6376 section 3.4.5 */
        {"", ""},
        {"\r\n", ""},
        {"\r\n\r\n \t\r\n", ""},
        {" ", ""},
        {"a", "a\r\n"},
        {"a\r\n", "a\r\n"},
        {"a\r\n\r\n\r\n", "a\r\n"},
        {"a\r\n \t \r\n", "a\r\n"},
        {"\r\n\r\na", "\r\n\r\na\r\n"},
        {"a\r\n \t \r\nb \t\r\n", "a\r\n\r\nb\r\n"},
        {"\t\ta\t\tb  c", " a b c\r\n"},
        {"a\nb\rc\r\n\r\rd\n\n", "a\r\nb\r\nc\r\n\r\n\r\nd\r\n"}, /* as the wire has it */
        {"a\r", "a\r\n"},
        {"..\r\n.\r\n", "..\r\n.\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        buf_init(&out, ROOM);
        assert_true(dkim_canonicalise_body(rows[i][0], strlen(rows[i][0]), &out));
        assert_string_equal(out.data != NULL ? out.data : "", rows[i][1]);
        buf_free(&out);
    }
}

/* The rules of RFC 6376 section 3.4.4 one after the other, a byte at a time. */
static void canonicalise_plainly(const char *body, size_t size, struct buf *out)
{
    for (size_t i = 0; i < size; i++) { /* the wire's line ends */
        bool is_pair = body[i] == '\r' && i + 1 < size && body[i + 1] == '\n';
        if (body[i] == '\r' || body[i] == '\n') {
            while (out->size > 0 && out->data[out->size - 1] == ' ')
                out->size--;
            buf_append_text(out, "\r\n");
            i += is_pair;
        } else if (body[i] != ' ' && body[i] != '\t') {
            buf_append_char(out, body[i]);
        } else if (out->size == 0 || out->data[out->size - 1] != ' ') {
            buf_append_char(out, ' ');
        }
    }
    while (out->size > 0 && out->data[out->size - 1] == ' ')
        out->size--;
    if (out->size > 0 && out->data[out->size - 1] != '\n')
        buf_append_text(out, "\r\n");
    while (out->size >= 4 && memcmp(out->data + out->size - 4, "\r\n\r\n", 4) == 0)
        out->size -= 2;
    if (out->size == 2)
        out->size = 0;
}

static void any_body_is_made_canonical_as_the_rules_say(void **state)
{
    (void)state;
    static const char letters[] = " \t\r\n ab.";
    static char body[100000];
    uint32_t chance = 1;
    struct buf quick;
    struct buf plain;
    buf_init(&quick, ROOM);
    buf_init(&plain, ROOM);
    for (size_t round = 0; round < 3000; round++) {
        size_t size = round < 2990 ? round % 40 : sizeof body;
        for (size_t i = 0; i < size; i++) {
            chance = chance * 1664525U + 1013904223U;
            body[i] = letters[(chance >> 24) % (sizeof letters - 1)];
        }
        buf_reset(&quick);
        buf_reset(&plain);
        canonicalise_plainly(body, size, &plain);
        assert_true(dkim_canonicalise_body(body, size, &quick));
        assert_int_equal(quick.size, plain.size);
        assert_true(plain.size == 0 || memcmp(quick.data, plain.data, plain.size) == 0);
    }
    buf_free(&quick);
    buf_free(&plain);
}

static void fields_are_made_canonical(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"A: X\r\n", "a:X\r\n"}, /* RFC 6376 section 3.4.5 */
        {"B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
        {"SubJECT:\r\n  x  y\r\n", "subject:x y\r\n"},
        {"S:\r\n \r\n\tx\r\n \r\n", "s:x\r\n"},
        {"S:a:b : c\r\n", "s:a:b : c\r\n"},
        {"S:", "s:\r\n"},
        {"S: \t \r\n", "s:\r\n"},
        {"S: \xc3\xa9 \r\n", "s:\xc3\xa9\r\n"},
        {"S:a\n b", "s:a b\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        buf_init(&out, ROOM);
        assert_true(dkim_canonicalise_field(rows[i][0], strlen(rows[i][0]), &out));
        assert_string_equal(out.data, rows[i][1]);
        buf_free(&out);
    }
}

static struct dkim_domain make_domain(void)
{
    struct dkim_domain domain = {.name = "football.example.com", .key_count = 2};
    (void)snprintf(domain.keys[0].selector, DKIM_SELECTOR_BYTES, "brisbane");
    (void)snprintf(domain.keys[1].selector, DKIM_SELECTOR_BYTES, "test");
    domain.keys[0].key = key_of(example_ed25519);
    domain.keys[1].key = key_of(example_rsa);
    return domain;
}

static void domain_free(struct dkim_domain *domain)
{
    for (size_t i = 0; i < domain->key_count; i++)
        crypto_private_key_free(domain->keys[i].key);
}

static void every_key_signs_in_front_of_the_mail_in_short_lines(void **state)
{
    (void)state;
    struct dkim_domain domain = make_domain();
    struct error error = {0};
    struct buf mail;
    buf_init(&mail, ROOM);
    buf_append_text(&mail, MESSAGE "\r\n" BODY);
    assert_true(dkim_sign(&domain, 1528637909, &mail, &error));
    const char *second = strstr(mail.data + 1, "DKIM-Signature: ");
    const char *message = strstr(mail.data, "\r\n" MESSAGE "\r\n" BODY);
    assert_non_null(second);
    assert_non_null(message);
    assert_int_equal(strncmp(mail.data, "DKIM-Signature: v=1; a=ed25519-sha256;", 38), 0);
    assert_int_equal(strncmp(second, "DKIM-Signature: v=1; a=rsa-sha256;", 34), 0);
    assert_non_null(strstr(second, "\r\n d=football.example.com;\r\n s=test;\r\n t=1528637909;"));
    assert_non_null(strstr(second, " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;"));
    assert_non_null(strstr(second, " h=from:from:to:to:cc:subject:subject:date:date:"));
    assert_null(strstr(mail.data, " l="));
    for (const char *at = mail.data; at < message; at = strchr(at, '\n') + 1)
        assert_true(strcspn(at, "\r") < 78);
    buf_free(&mail);
    domain_free(&domain);
}

/* The b= value of the mail's first signature with the mail's own bytes. */
static void signature_of(const char *text, size_t size, char *signature, size_t room)
{
    struct dkim_domain domain = make_domain();
    struct error error = {0};
    struct buf mail;
    domain.key_count = 1;
    buf_init(&mail, ROOM);
    buf_append(&mail, text, size);
    assert_true(dkim_sign(&domain, 1, &mail, &error));
    const char *start = strstr(mail.data, "\r\n b=") + 2;
    (void)snprintf(signature, room, "%.*s", (int)(strstr(start, "\r\nFrom") - start), start);
    domain.key_count = 2;
    domain_free(&domain);
    buf_free(&mail);
}

static void line_ends_and_nuls_count_as_the_wire_writes_them(void **state)
{
    (void)state;
    static const char wire[] = "From: a@b.example\r\nSubject: x\r\n\r\none\r\ntwo?\r\n";
    static const char raw[] = "From: a@b.example\nSubject: x\r\n\rone\ntwo\0\r";
    char expected[200];
    char signature[200];
    signature_of(wire, sizeof wire - 1, expected, sizeof expected);
    signature_of(raw, sizeof raw - 1, signature, sizeof signature);
    assert_string_equal(signature, expected);
    signature_of(wire, sizeof wire - 4, signature, sizeof signature);
    assert_string_not_equal(signature, expected);
}

static void what_is_no_mail_is_left_as_it_was(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t ceiling;
        const char *problem;
    } rows[] = {
        {"no colon\r\n\r\nx", ROOM, "mail: a line of the header without a name"},
        {": x\r\n\r\nx", ROOM, "mail: a line of the header without a name"},
        {" x: y\r\n\r\nx", ROOM, "mail: a line of the header without a name"},
        {MESSAGE "\r\n" BODY, sizeof MESSAGE + sizeof BODY + 100,
         "mail: no room for its signature"},
    };
    struct dkim_domain domain = make_domain();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error error = {0};
        struct buf mail;
        buf_init(&mail, rows[i].ceiling);
        assert_true(buf_append_text(&mail, rows[i].text));
        assert_false(dkim_sign(&domain, 1, &mail, &error));
        assert_int_equal(error.exit_status, EX_DATAERR);
        assert_string_equal(error.text, rows[i].problem);
        assert_string_equal(mail.data, rows[i].text);
        assert_false(mail.has_failed);
        buf_free(&mail);
    }
    domain_free(&domain);
}

static void a_header_of_too_many_fields_is_refused(void **state)
{
    (void)state;
    struct dkim_domain domain = make_domain();
    struct error error = {0};
    struct buf mail;
    buf_init(&mail, ROOM);
    for (int i = 0; i < DKIM_FIELDS_MAXIMUM; i++)
        buf_append_text(&mail, "From: x\r\n");
    assert_true(dkim_sign(&domain, 1, &mail, &error));
    buf_reset(&mail);
    for (int i = 0; i <= DKIM_FIELDS_MAXIMUM; i++)
        buf_append_text(&mail, "From: x\r\n");
    assert_false(dkim_sign(&domain, 1, &mail, &error));
    assert_int_equal(error.exit_status, EX_DATAERR);
    buf_free(&mail);
    domain_free(&domain);
}

static void keys_that_dkim_cannot_use_are_refused_and_not_quoted(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {example_small_rsa, "an RSA key of 768 bits; must have 1024 to 4096"},
        {example_elliptic, "neither an RSA nor an Ed25519 key"},
        {example_encrypted, "no private key in PEM (PKCS#8, without a passphrase)"},
        {"", "no private key in PEM (PKCS#8, without a passphrase)"},
        {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
         "no private key in PEM (PKCS#8, without a passphrase)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error error = {0};
        assert_null(crypto_private_key_parse(rows[i][0], strlen(rows[i][0]), &error));
        assert_int_equal(error.exit_status, EX_CONFIG);
        assert_string_equal(error.text, rows[i][1]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_signatures_of_rfc_8463_are_met_byte_for_byte),
        cmocka_unit_test(public_keys_are_written_as_they_are_published),
        cmocka_unit_test(bodies_are_made_canonical),
        cmocka_unit_test(any_body_is_made_canonical_as_the_rules_say),
        cmocka_unit_test(fields_are_made_canonical),
        cmocka_unit_test(every_key_signs_in_front_of_the_mail_in_short_lines),
        cmocka_unit_test(line_ends_and_nuls_count_as_the_wire_writes_them),
        cmocka_unit_test(what_is_no_mail_is_left_as_it_was),
        cmocka_unit_test(a_header_of_too_many_fields_is_refused),
        cmocka_unit_test(keys_that_dkim_cannot_use_are_refused_and_not_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
