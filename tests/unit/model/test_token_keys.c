/* Proves that the key file is read as documented and that a bad one is named, never quoted. */
#include "worker/model/token_keys.h"

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

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_B "FFEEDDCCBBAA99887766554433221100ffeeddccbbaa99887766554433221100"

static bool parse(const char *text, struct token_keys *keys, struct error *error)
{
    return token_keys_parse("key", text, strlen(text), keys, error);
}

static void every_key_of_the_file_is_read_in_order(void **state)
{
    (void)state;
    static const char *const texts[] = {
        KEY_A "\n" KEY_B "\n",
        KEY_A "\n" KEY_B,
        "# new\r\n" KEY_A "\r\n\r\n \t" KEY_B " \r\n\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct token_keys keys;
        struct error error = {0};
        assert_true(parse(texts[i], &keys, &error));
        assert_int_equal(keys.count, 2);
        assert_int_equal(keys.keys[0][1], 0x11);
        assert_int_equal(keys.keys[0][31], 0xff);
        assert_int_equal(keys.keys[1][0], 0xff);
        assert_int_equal(keys.keys[1][31], 0x00);
        token_keys_wipe(&keys);
        assert_int_equal(keys.count, 0);
        assert_int_equal(keys.keys[0][1], 0);
    }
}

static void a_bad_line_is_named_by_its_number_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *problem;
    } rows[] = {
        {KEY_A "\n" KEY_A "0\n", "key: line 2: not a key"},
        {"\n\nsecret\n" KEY_A "\n", "key: line 3: not a key"},
        {"g" KEY_A, "key: line 1: not a key"},
        {KEY_A KEY_B "\n", "key: line 1: not a key"},
        {"", "key: holds no key"},
        {"# nothing\n\n", "key: holds no key"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct token_keys keys;
        struct error error = {0};
        assert_false(parse(rows[i].text, &keys, &error));
        assert_int_equal(keys.count, 0);
        assert_int_equal(error.exit_status, EX_CONFIG);
        assert_ptr_equal(strstr(error.text, rows[i].problem), error.text);
        assert_null(strstr(error.text, "0011"));
        assert_null(strstr(error.text, "secret"));
    }
}

static void a_ninth_key_is_refused(void **state)
{
    (void)state;
    char text[9 * 65 + 1] = "";
    for (size_t i = 0; i < 8; i++)
        strcat(text, KEY_A "\n");
    struct token_keys keys;
    struct error error = {0};
    assert_true(parse(text, &keys, &error));
    assert_int_equal(keys.count, 8);
    strcat(text, KEY_A "\n");
    assert_false(parse(text, &keys, &error));
    assert_non_null(strstr(error.text, "line 9: more than 8 keys"));
}

static void file_write(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void a_file_open_to_everybody_is_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/handbell-key-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    struct token_keys keys;
    struct error error = {0};
    file_write(path, KEY_A "\n", 0600);
    assert_true(token_keys_read(path, &keys, &error));
    file_write(path, KEY_A "\n", 0640);
    assert_true(token_keys_read(path, &keys, &error));
    assert_int_equal(keys.count, 1);
    file_write(path, KEY_A "\n", 0644);
    assert_false(token_keys_read(path, &keys, &error));
    assert_non_null(strstr(error.text, "open to everybody (mode 644)"));
    assert_int_equal(keys.count, 0);
    assert_int_equal(unlink(path), 0);
    assert_false(token_keys_read(path, &keys, &error));
    assert_int_equal(error.exit_status, EX_NOINPUT);
    assert_non_null(strstr(error.text, path));
}

static void what_is_no_file_or_too_large_is_refused(void **state)
{
    (void)state;
    struct token_keys keys;
    struct error error = {0};
    assert_false(token_keys_read("/tmp", &keys, &error));
    assert_non_null(strstr(error.text, "not a regular file"));
    char path[] = "/tmp/handbell-key-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, TOKEN_KEYS_FILE_BYTES + 1), 0);
    close(fd);
    assert_false(token_keys_read(path, &keys, &error));
    assert_non_null(strstr(error.text, "larger than 4096 bytes"));
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_of_the_file_is_read_in_order),
        cmocka_unit_test(a_bad_line_is_named_by_its_number_alone),
        cmocka_unit_test(a_ninth_key_is_refused),
        cmocka_unit_test(a_file_open_to_everybody_is_refused),
        cmocka_unit_test(what_is_no_file_or_too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
