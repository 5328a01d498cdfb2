/* Lets the first allocation fail while a mail is signed and keys are read, then the second, and so
 * on to the last: the mail is signed whole or as it was, the keys are all there or none. */
#include "tests/unit/mail/dkim_examples.h"
#include "tests/unit/shortage.h"
#include "worker/mail/dkim_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

static const char text[] = "From: a@football.example.com\r\nSubject: x\r\n\r\nOne  two \r\n\r\n";

/* False once there is no allocation of that number. */
static bool sign_without(const struct dkim_domain *domain, size_t number)
{
    struct error error = {0};
    struct buf mail;
    buf_init(&mail, 1 << 20);
    assert_true(buf_append_text(&mail, text));
    shortage_begin(number, false);
    bool is_signed = dkim_sign(domain, 1, &mail, &error);
    bool has_failed = shortage_end();
    assert_true(is_signed == !has_failed);
    if (has_failed) {
        assert_int_equal(error.exit_status, EX_OSERR);
        assert_string_equal(mail.data, text);
        assert_false(mail.has_failed);
    } else {
        assert_string_equal(mail.data + mail.size - (sizeof text - 1), text);
    }
    buf_free(&mail);
    return has_failed;
}

static void a_mail_is_signed_whole_or_left_as_it_was(void **state)
{
    (void)state;
    struct dkim_domain domain = {.name = "football.example.com", .key_count = 2};
    memcpy(domain.keys[0].selector, "e1", 3);
    memcpy(domain.keys[1].selector, "s1", 3);
    domain.keys[0].key =
        crypto_private_key_parse(example_ed25519, sizeof example_ed25519 - 1, NULL);
    domain.keys[1].key = crypto_private_key_parse(example_rsa, sizeof example_rsa - 1, NULL);
    /* Each length lets the buffer of the fields grow at another place, inside a value too. */
    for (size_t length = 1; length < DKIM_DOMAIN_BYTES; length++) {
        size_t number = 0;
        memset(domain.name, 'd', length);
        while (sign_without(&domain, number))
            number++;
        assert_true(number > 4); /* or nothing was tried */
    }
    crypto_private_key_free(domain.keys[0].key);
    crypto_private_key_free(domain.keys[1].key);
}

static void keys_are_all_read_or_none(void **state)
{
    (void)state;
    char folder[] = "/tmp/handbell-dkim-XXXXXX";
    char path[128];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/dkim_football.example.com_s1.pem", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(example_ed25519, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
    size_t number = 0;
    for (bool has_failed = true; has_failed; number++) {
        struct error error = {0};
        shortage_begin(number, false);
        struct dkim_keys *keys = dkim_keys_read(folder, &error);
        has_failed = shortage_end();
        assert_true((keys == NULL) == has_failed);
        assert_true(!has_failed || error.exit_status == EX_OSERR);
        dkim_keys_let_go(keys);
    }
    assert_true(number > 3);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mail_is_signed_whole_or_left_as_it_was),
        cmocka_unit_test(keys_are_all_read_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
