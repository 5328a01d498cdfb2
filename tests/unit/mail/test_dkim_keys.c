/* Proves which files are keys, which are refused, and that a refusal names domain and selector. */
#include "tests/unit/mail/dkim_examples.h"
#include "worker/mail/dkim_keys.h"

#include <fcntl.h>
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

struct folder {
    char path[64];
};

static int set_up(void **state)
{
    static struct folder folder;
    (void)snprintf(folder.path, sizeof folder.path, "/tmp/handbell-dkim-XXXXXX");
    assert_non_null(mkdtemp(folder.path));
    *state = &folder;
    return 0;
}

static int tear_down(void **state)
{
    const struct folder *folder = *state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder->path);
    return system(command);
}

/* Writes a file of the folder, and the folder that it is in. */
static void put(const struct folder *folder, const char *name, const char *text, mode_t mode)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder->path, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    (void)mkdir(path, 0755);
    *slash = '/';
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void every_key_of_a_domain_signs_and_the_next_one_waits(void **state)
{
    const struct folder *folder = *state;
    struct error error = {0};
    put(folder, "Portal.Example.org/s1.pem", example_rsa, 0600);
    put(folder, "Portal.Example.org/e-1.2026.pem", example_ed25519, 0400);
    put(folder, "Portal.Example.org/s2.pem.next", example_rsa, 0600);
    put(folder, "Portal.Example.org/s1.txt", "notes", 0644);
    put(folder, "Portal.Example.org/.s3.pem", "notes", 0644);
    put(folder, "waits.example.org/s1.pem.next", example_rsa, 0600);
    put(folder, "dkim_cred.example.org_s9.pem", example_rsa, 0600);
    put(folder, "key", "another credential", 0644);
    struct dkim_keys *keys = dkim_keys_read(folder->path, &error);
    if (keys == NULL)
        fail_msg("%s", error.text);
    assert_int_equal(dkim_keys_count(keys), 3);
    const struct dkim_domain *found = dkim_keys_find(keys, "PORTAL.example.org");
    assert_non_null(found);
    assert_string_equal(found->name, "portal.example.org");
    assert_int_equal(found->key_count, 2);
    assert_string_equal(found->keys[0].selector, "e-1.2026");
    assert_int_equal(crypto_private_key_kind(found->keys[0].key), CRYPTO_KEY_ED25519);
    assert_string_equal(found->keys[1].selector, "s1");
    assert_int_equal(crypto_private_key_bits(found->keys[1].key), 1024);
    assert_non_null(dkim_keys_find(keys, "cred.example.org"));
    assert_null(dkim_keys_find(keys, "waits.example.org"));
    assert_null(dkim_keys_find(keys, "example.org"));
    assert_null(dkim_keys_find(keys, ""));
    const struct dkim_entry *entry = dkim_keys_at(keys, 1);
    assert_string_equal(entry->signing.name, "portal.example.org");
    assert_int_equal(entry->waiting_count, 1);
    assert_string_equal(entry->waiting[0].selector, "s2");
    assert_int_equal(dkim_keys_at(keys, 2)->waiting_count, 1);
    dkim_keys_let_go(dkim_keys_hold(keys));
    assert_non_null(dkim_keys_find(keys, "cred.example.org"));
    dkim_keys_let_go(keys);
}

static void without_a_folder_there_are_no_keys(void **state)
{
    (void)state;
    struct dkim_keys *keys = dkim_keys_read("", NULL);
    assert_non_null(keys);
    assert_int_equal(dkim_keys_count(keys), 0);
    assert_null(dkim_keys_find(keys, "portal.example.org"));
    dkim_keys_let_go(keys);
}

static void what_would_leave_mails_unsigned_is_refused_by_name(void **state)
{
    const struct folder *folder = *state;
    static char long_text[DKIM_KEY_FILE_BYTES + 2];
    memset(long_text, 'x', sizeof long_text - 1);
    const struct {
        const char *name;
        const char *text;
        mode_t mode;
        const char *problem;
    } rows[] = {
        {"a.example/s1.pem", "rubbish", 0600, "a.example/s1.pem: no private key in PEM"},
        {"a.example/s1.pem", example_elliptic, 0600, "a.example/s1.pem: neither an RSA"},
        {"a.example/s1.pem.next", example_small_rsa, 0600,
         "a.example/s1.pem.next: an RSA key of 768 bits"},
        {"a.example/s1.pem", example_rsa, 0604, "a.example/s1.pem: open to its group or to others"},
        {"a.example/s1.pem", example_rsa, 0620, "a.example/s1.pem: open to its group or to others"},
        {"a.example/s1.pem", long_text, 0600, "a.example/s1.pem: larger than 16384 bytes"},
        {"a.example/s_1.pem", example_rsa, 0600, "a.example/s_1.pem: not a selector"},
        {"a.example/-s.pem", example_rsa, 0600, "a.example/-s.pem: not a selector"},
        {"a.example/a..b.pem", example_rsa, 0600, "a.example/a..b.pem: not a selector"},
        {"a.example/s1.key", example_rsa, 0600, "a.example: holds no SELECTOR.pem"},
        {"my_domain/s1.pem", example_rsa, 0600, "my_domain: a folder whose name is no domain's"},
        {"a.example.pem", example_rsa, 0600, "a.example.pem: a key belongs in a folder"},
        {"dkim_a.example.pem", example_rsa, 0600, "dkim_a.example.pem: a key belongs in a folder"},
        {"dkim_a.example_s_1.pem", example_rsa, 0600, "dkim_a.example_s_1.pem: not a selector"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error error = {0};
        put(folder, rows[i].name, rows[i].text, rows[i].mode);
        assert_null(dkim_keys_read(folder->path, &error));
        assert_memory_equal(error.text, rows[i].problem, strlen(rows[i].problem));
        assert_null(strstr(error.text, "rubbish"));
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(mkdir(folder->path, 0700), 0);
    }
}

static void a_folder_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct error error = {0};
    assert_null(dkim_keys_read("/nonexistent/dkim", &error));
    assert_int_equal(error.exit_status, EX_NOINPUT);
    assert_non_null(strstr(error.text, "/nonexistent/dkim: "));
}

static void a_fifth_key_of_a_domain_is_refused(void **state)
{
    const struct folder *folder = *state;
    struct error error = {0};
    char name[32];
    for (int i = 1; i <= DKIM_KEYS_MAXIMUM + 1; i++) {
        (void)snprintf(name, sizeof name, "a.example/s%d.pem", i);
        put(folder, name, example_ed25519, 0600);
    }
    assert_null(dkim_keys_read(folder->path, &error));
    assert_string_equal(error.text, "a.example/s5.pem: more than 4 keys that sign");
}

static void a_pipe_in_a_keys_place_does_not_hang(void **state)
{
    const struct folder *folder = *state;
    struct error error = {0};
    char path[128];
    put(folder, "a.example/s1.pem", example_ed25519, 0600);
    (void)snprintf(path, sizeof path, "%s/a.example/s2.pem", folder->path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(dkim_keys_read(folder->path, &error));
    assert_string_equal(error.text, "a.example/s2.pem: not a regular file");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_key_of_a_domain_signs_and_the_next_one_waits, set_up,
                                        tear_down),
        cmocka_unit_test(without_a_folder_there_are_no_keys),
        cmocka_unit_test_setup_teardown(what_would_leave_mails_unsigned_is_refused_by_name, set_up,
                                        tear_down),
        cmocka_unit_test(a_folder_that_is_not_there_is_named),
        cmocka_unit_test_setup_teardown(a_fifth_key_of_a_domain_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pipe_in_a_keys_place_does_not_hang, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
