/* The relay's address and the settings around it: what is taken, and what could mean sending in the
 * clear is not. */
#include "worker/io/smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct good {
    const char *text;
    const char *host;
    unsigned port;
    enum smtp_tls tls;
    bool is_this_host;
};

static const struct good goods[] = {
    {"smtp://localhost", "localhost", 25, SMTP_TLS_NONE, true},
    {"smtp://localhost:25", "localhost", 25, SMTP_TLS_NONE, true},
    {"smtp://LOCALHOST/", "LOCALHOST", 25, SMTP_TLS_NONE, true},
    {"smtp://127.0.0.1:2525", "127.0.0.1", 2525, SMTP_TLS_NONE, true},
    {"smtp://127.9.9.9", "127.9.9.9", 25, SMTP_TLS_NONE, true},
    {"smtp://[::1]:2525", "::1", 2525, SMTP_TLS_NONE, true},
    {"smtp://localhost?tls=required", "localhost", 25, SMTP_TLS_STARTTLS, true},
    {"smtp://127.0.0.1/?tls=none", "127.0.0.1", 25, SMTP_TLS_NONE, true},
    {"smtps://localhost", "localhost", 465, SMTP_TLS_IMPLICIT, true},
    {"smtps://relay.example:4650", "relay.example", 4650, SMTP_TLS_IMPLICIT, false},
    {"smtp://relay.example", "relay.example", 25, SMTP_TLS_STARTTLS, false},
    {"smtp://relay.example:587?tls=required", "relay.example", 587, SMTP_TLS_STARTTLS, false},
    {"smtp://relay.example?tls=none", "relay.example", 25, SMTP_TLS_NONE, false},
    {"smtp://192.0.2.1", "192.0.2.1", 25, SMTP_TLS_STARTTLS, false},
    {"smtp://[2001:db8::1]", "2001:db8::1", 25, SMTP_TLS_STARTTLS, false},
    /* Names that only look like this host. */
    {"smtp://localhost.evil.example", "localhost.evil.example", 25, SMTP_TLS_STARTTLS, false},
    {"smtp://127.0.0.1.evil.example", "127.0.0.1.evil.example", 25, SMTP_TLS_STARTTLS, false},
    {"smtp://0.0.0.0", "0.0.0.0", 25, SMTP_TLS_STARTTLS, false},
};

static void urls_are_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof goods / sizeof goods[0]; i++) {
        struct smtp_url url;
        struct error error = {0};
        if (!smtp_url_parse(goods[i].text, &url, &error))
            fail_msg("%s: %s", goods[i].text, error.text);
        assert_string_equal(url.host, goods[i].host);
        assert_int_equal(url.port, goods[i].port);
        assert_int_equal(url.tls, goods[i].tls);
        assert_int_equal(url.is_this_host, goods[i].is_this_host);
    }
}

static void what_is_not_understood_is_refused(void **state)
{
    (void)state;
    static const char *const bads[] = {"",
                                       "localhost",
                                       "http://localhost",
                                       "smtp:localhost",
                                       "smtp://",
                                       "smtp://:25",
                                       "smtp://user@localhost",
                                       "smtp://user:word@localhost",
                                       "smtp://localhost:",
                                       "smtp://localhost:0",
                                       "smtp://localhost:65536",
                                       "smtp://localhost:123456",
                                       "smtp://localhost:25x",
                                       "smtp://localhost/path",
                                       "smtp://localhost?tls=maybe",
                                       "smtp://localhost?tls=none&tls=required",
                                       "smtp://localhost?TLS=none",
                                       "smtp://localhost#x",
                                       "smtp://[::1",
                                       "smtp://[localhost]",
                                       "smtp://[::1]x",
                                       "smtp://b\xC3\xBC.example",
                                       "smtp://a b",
                                       "smtp://a%20b",
                                       "smtps://relay.example?tls=none"};
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        struct smtp_url url;
        struct error error = {0};
        if (smtp_url_parse(bads[i], &url, &error))
            fail_msg("%s is taken", bads[i]);
        assert_non_null(strstr(error.text, "url"));
        assert_null(strstr(error.text, "word@"));
    }
}

static void a_login_in_the_clear_is_refused(void **state)
{
    (void)state;
    struct smtp_options options;
    struct error error = {0};
    smtp_options_init(&options);
    options.username = "handbell";
    options.password_file = "/nowhere";
    assert_true(smtp_options_check(&options, &error)); /* on this host */
    options.url = "smtp://relay.example?tls=none";
    assert_false(smtp_options_check(&options, &error));
    assert_non_null(strstr(error.text, "TLS"));
    options.url = "smtp://relay.example";
    assert_true(smtp_options_check(&options, &error));
}

static void secrets_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    struct smtp_options options;
    struct error error = {0};
    smtp_options_init(&options);
    options.username = "handbell";
    assert_false(smtp_options_check(&options, &error));
    options.password_file = "/p";
    options.token_file = "/t";
    assert_false(smtp_options_check(&options, &error));
    options.password_file = "";
    assert_true(smtp_options_check(&options, &error));
    options.auth = SMTP_AUTH_PLAIN;
    assert_false(smtp_options_check(&options, &error));
    options.auth = SMTP_AUTH_XOAUTH2;
    assert_true(smtp_options_check(&options, &error));
    options.token_file = "";
    options.password_file = "/p";
    assert_false(smtp_options_check(&options, &error));
    options.username = "";
    assert_false(smtp_options_check(&options, &error));
}

static void the_settings_defaults_are_the_options_defaults(void **state)
{
    (void)state;
    const struct setting *const tables[] = {smtp_settings[0], NULL};
    struct smtp_options expected;
    struct smtp_options options;
    struct error error = {0};
    struct config *config = config_load(NULL, tables, &error);
    assert_non_null(config);
    assert_true(smtp_options_from_config(config, 1, &options, &error));
    smtp_options_init(&expected);
    assert_string_equal(options.url, expected.url);
    assert_string_equal(options.hostname, expected.hostname);
    assert_string_equal(options.ca_file, expected.ca_file);
    assert_string_equal(options.username, "");
    assert_int_equal(options.auth, expected.auth);
    assert_int_equal(options.connections, 20);
    assert_int_equal(options.may_pipeline, expected.may_pipeline);
    assert_int_equal(options.message_bytes, expected.message_bytes);
    assert_memory_equal(&options.timeouts, &expected.timeouts, sizeof options.timeouts);
    config_free(config);
}

static void an_unknown_mechanism_is_named(void **state)
{
    (void)state;
    const struct setting *const tables[] = {smtp_settings[0], NULL};
    struct smtp_options options;
    struct error error = {0};
    struct config *config;
    setenv("HANDBELL_SMTP_AUTH", "cram-md5", 1);
    config = config_load(NULL, tables, &error);
    unsetenv("HANDBELL_SMTP_AUTH");
    assert_non_null(config);
    assert_false(smtp_options_from_config(config, 1, &options, &error));
    assert_non_null(strstr(error.text, "auth"));
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(what_is_not_understood_is_refused),
        cmocka_unit_test(a_login_in_the_clear_is_refused),
        cmocka_unit_test(secrets_that_contradict_each_other_are_refused),
        cmocka_unit_test(the_settings_defaults_are_the_options_defaults),
        cmocka_unit_test(an_unknown_mechanism_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
