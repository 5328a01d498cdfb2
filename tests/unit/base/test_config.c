/* Settings: file and environment against the tables; each mistake names where it is and what it
 * should be, and never what it was. */
#include "worker/base/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

static const struct setting first_table[] = {
    {"smtp", "url", SETTING_URL, "", 1, 500, "smtp://localhost:25", "The relay.", false},
    {"smtp", "connections", SETTING_INTEGER, "", 1, 1000, "20", "At most so many.", false},
    {"smtp", "password_file", SETTING_PATH, "", 0, 500, "", "Where the password is.", false},
    {NULL, NULL, SETTING_TEXT, "", 0, 0, NULL, NULL, false},
};
static const struct setting second_table[] = {
    {"database", "url", SETTING_TEXT, "", 1, 300, "host=x", "A libpq string | URL.", true},
    {"smtp", "timeout", SETTING_INTEGER, "s", 1, 600, "300", "How long to wait.", false},
    {"web", "trusted", SETTING_BOOLEAN, "", 0, 0, "false", "Whether.", false},
    {NULL, NULL, SETTING_TEXT, "", 0, 0, NULL, NULL, false},
};
static const struct setting *const tables[] = {first_table, second_table, NULL};

static char path[] = "/tmp/handbell-config-XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void put_file(const char *bytes, size_t size)
{
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
}

static struct config *load(const char *text)
{
    put_file(text, strlen(text));
    struct error error = {0};
    struct config *config = config_load(path, tables, &error);
    if (!config)
        fail_msg("%s", error.text);
    return config;
}

/* `expected` is what stands behind the file's name. */
static void expect_error(const char *bytes, size_t size, const char *expected)
{
    put_file(bytes, size);
    struct error error = {0};
    struct config *config = config_load(path, tables, &error);
    if (config)
        fail_msg("accepted: %s", bytes);
    assert_int_equal(error.exit_status, EX_CONFIG);
    assert_memory_equal(error.text, path, strlen(path));
    assert_string_equal(error.text + strlen(path), expected);
}

static void without_a_file_the_defaults_hold(void **state)
{
    (void)state;
    struct config *config = config_load(NULL, tables, NULL);
    assert_non_null(config);
    assert_string_equal(config_text(config, "smtp", "url"), "smtp://localhost:25");
    assert_int_equal(config_integer(config, "smtp", "connections"), 20);
    assert_false(config_is_true(config, "web", "trusted"));
    assert_string_equal(config_source(config, "smtp", "url"), "default");
    config_free(config);
}

static void the_file_overrides_the_defaults(void **state)
{
    (void)state;
    struct config *config = load("# ours\n; and theirs\n[smtp]\nconnections = 7\n"
                                 "url=smtps://mail.example.org;x\n"
                                 "[web]\n  trusted: Yes\n[smtp]\r\ntimeout = 9\r\n");
    assert_int_equal(config_integer(config, "smtp", "connections"), 7);
    assert_int_equal(config_integer(config, "smtp", "timeout"), 9);
    assert_true(config_is_true(config, "web", "trusted"));
    assert_string_equal(config_source(config, "smtp", "timeout"), "file");
    config_free(config);
}

static void the_environment_overrides_the_file(void **state)
{
    (void)state;
    assert_int_equal(setenv("HANDBELL_SMTP_CONNECTIONS", "3", 1), 0);
    struct config *config = load("[smtp]\nconnections = 7\n");
    unsetenv("HANDBELL_SMTP_CONNECTIONS");
    assert_int_equal(config_integer(config, "smtp", "connections"), 3);
    assert_string_equal(config_source(config, "smtp", "connections"), "environment");
    config_free(config);
}

static void a_wrong_variable_is_named(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"HANDBELL_SMTP_CONNECTIONS", "many",
         "environment variable HANDBELL_SMTP_CONNECTIONS: [smtp] connections: must be a whole "
         "number from 1 to 1000"},
        {"HANDBELL_SMTP_URLL", "smtp://x",
         "environment variable HANDBELL_SMTP_URLL: unknown setting"},
    };
    for (size_t i = 0; i < 2; i++) {
        struct error error = {0};
        assert_int_equal(setenv(rows[i][0], rows[i][1], 1), 0);
        assert_null(config_load(NULL, tables, &error));
        unsetenv(rows[i][0]);
        assert_string_equal(error.text, rows[i][2]);
        assert_int_equal(error.exit_status, EX_CONFIG);
    }
}

static void each_mistake_names_line_section_and_key(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"[smtp]\nconnections = 0\n",
         ":2: [smtp] connections: must be a whole number from 1 to 1000"},
        {"[smtp]\n\nconnections = 1001\n",
         ":3: [smtp] connections: must be a whole number from 1 to 1000"},
        {"[smtp]\nconnections = 12x\n",
         ":2: [smtp] connections: must be a whole number from 1 to 1000"},
        {"[smtp]\nconnections =\n",
         ":2: [smtp] connections: must be a whole number from 1 to 1000"},
        {"[smtp]\ntimeout = 99999999999999999999\n",
         ":2: [smtp] timeout: must be a whole number from 1 to 600 s"},
        {"[smtp]\nurl = localhost\n", ":2: [smtp] url: must be a URL (scheme:...)"},
        {"[smtp]\nurl =\n", ":2: [smtp] url: must not be empty"},
        {"[smtp]\nurl = smtp://a\tb\n", ":2: [smtp] url: must hold no control character"},
        {"[smtp]\npassword_file = secret\n", ":2: [smtp] password_file: must be an absolute path"},
        {"[web]\ntrusted = maybe\n", ":2: [web] trusted: must be true or false"},
        {"[smtp]\nconections = 5\n", ":2: unknown key in [smtp] conections"},
        {"[stmp]\nurl = smtp://x\n", ":2: unknown section in [stmp] url"},
        {"url = smtp://x\n", ":1: unknown section in [] url"},
        {"[smtp]\nurl smtp\n", ":2: neither [section] nor key = value"},
        {"[smtp\nurl = smtp://x\n", ":1: neither [section] nor key = value"},
        {"[smtp]\ntimeout = 5\n[smtp]\ntimeout = 6\n",
         ":4: [smtp] timeout: set twice, first on line 2"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_error(rows[i][0], strlen(rows[i][0]), rows[i][1]);
}

static void lines_and_bytes_are_bounded(void **state)
{
    (void)state;
    static char text[20000];
    expect_error("[smtp]\nurl = smtp://a\0b\n", 23, ":2: a NUL byte; settings are text");
    memset(text, 'a', 5000);
    memcpy(text, "[smtp]\nurl = ", 13);
    expect_error(text, 5000, ":2: line longer than 4096 bytes");
    memset(text, '\n', sizeof(text));
    expect_error(text, sizeof(text), ":10001: more than 10000 lines");
    memset(text, 'a', 500);
    memcpy(text, "[database]\nurl = ", 17);
    expect_error(text, 500, ":2: [database] url: must be 1 to 300 bytes long");
}

static void long_lines_are_read_whole(void **state)
{
    (void)state;
    char text[400];
    char value[301];
    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    (void)snprintf(text, sizeof(text), "[database]\nurl = %s\n", value);
    struct config *config = load(text);
    assert_string_equal(config_text(config, "database", "url"), value);
    config_free(config);
}

static void a_missing_file_is_an_error(void **state)
{
    (void)state;
    struct error error = {0};
    assert_null(config_load("/nonexistent/handbell.conf", tables, &error));
    assert_int_equal(error.exit_status, EX_NOINPUT);
    assert_string_equal(error.text, "/nonexistent/handbell.conf: No such file or directory");
}

static void secrets_are_never_shown(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    struct config *config = load("[database]\nurl = password=hunter2\n[smtp]\ntimeout = 30\n");
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    config_write_explained(config, stream);
    assert_int_equal(fclose(stream), 0);
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "url = (not shown)\n    from: file;"));
    assert_non_null(strstr(text, "timeout = 30\n    from: file; whole number, 1 to 600 s\n"));
    assert_ptr_equal(strstr(strstr(text, "[smtp]") + 1, "[smtp]"), NULL);
    free(text);
    config_free(config);
}

static void the_reference_page_has_every_setting_once(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    config_write_markdown(tables, stream);
    assert_int_equal(fclose(stream), 0);
    assert_non_null(strstr(text, "\n## [smtp]\n"));
    assert_non_null(strstr(text, "| `timeout` | `HANDBELL_SMTP_TIMEOUT` | `300` | whole number, 1 "
                                 "to 600 s | How long to wait. |\n"));
    assert_non_null(strstr(text, "A libpq string \\| URL."));
    size_t rows = 0;
    for (const char *at = text; (at = strstr(at, "| `HANDBELL_")); at++)
        rows++;
    assert_int_equal(rows, 6);
    free(text);
}

static void a_secret_is_the_first_line_of_its_file(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        const char *secret; /* NULL: refused */
    } rows[] = {
        {"hunter2\nmore\n", 13, "hunter2"},
        {"hunter2", 7, "hunter2"},
        {"pw\r\n", 4, "pw"},
        {"1234567", 7, "1234567"},
        {"12345678", 8, NULL},
        {"", 0, NULL},
        {"\n", 1, NULL},
        {"\r\n", 2, NULL},
        {"a\0b\n", 4, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char secret[8];
        struct error error = {0};
        put_file(rows[i].text, rows[i].size);
        bool is_read = config_read_secret(path, secret, sizeof(secret), &error);
        assert_int_equal(is_read, rows[i].secret != NULL);
        assert_string_equal(secret, rows[i].secret ? rows[i].secret : "");
        if (!is_read)
            assert_memory_equal(error.text, path, strlen(path));
    }
    char secret[8];
    assert_false(config_read_secret("/nonexistent/key", secret, sizeof(secret), NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_file_the_defaults_hold),
        cmocka_unit_test(the_file_overrides_the_defaults),
        cmocka_unit_test(the_environment_overrides_the_file),
        cmocka_unit_test(a_wrong_variable_is_named),
        cmocka_unit_test(each_mistake_names_line_section_and_key),
        cmocka_unit_test(lines_and_bytes_are_bounded),
        cmocka_unit_test(long_lines_are_read_whole),
        cmocka_unit_test(a_missing_file_is_an_error),
        cmocka_unit_test(secrets_are_never_shown),
        cmocka_unit_test(the_reference_page_has_every_setting_once),
        cmocka_unit_test(a_secret_is_the_first_line_of_its_file),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
