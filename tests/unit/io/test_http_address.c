/* Addresses to listen on, and who counts as one client. */
#include "worker/io/http_address.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

static void addresses_with_ports_are_read(void **state)
{
    static const char *const good[] = {"127.0.0.1:8025", "0.0.0.0:0", "[::1]:80", "[::]:65535"};
    static const char *const bad[] = {"",        "8025",        "127.0.0.1",       "127.0.0.1:",
                                      ":80",     "::1:80",      "[::1]",           "[::1]:-1",
                                      "[]:80",   "a.test:80",   "127.0.0.1:65536", "[127.0.0.1]:1",
                                      "[::1:80", "1.2.3.4:+80", "1.2.3.4:80 ",     "1.2.3:80"};
    struct http_address address;
    struct error error;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!http_address_parse(good[i], &address, &error))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (http_address_parse(bad[i], &address, &error))
            fail_msg("%s", bad[i]);
        assert_int_equal(error.exit_status, EX_CONFIG);
    }
}

static void check_same(const char *a, const char *b, bool is_same)
{
    struct http_client one, other;
    assert_true(http_client_parse(a, &one));
    assert_true(http_client_parse(b, &other));
    assert_int_equal(http_client_is_same(&one, &other), is_same);
}

static void a_client_is_an_address_or_a_network_of_64_bits(void **state)
{
    struct http_client client;
    (void)state;
    check_same("192.0.2.1", "192.0.2.1", true);
    check_same("192.0.2.1", "192.0.2.2", false);
    check_same("::ffff:192.0.2.1", "192.0.2.1", true);
    check_same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true);
    check_same("2001:db8:1:2::1", "2001:db8:1:3::1", false);
    assert_false(http_client_parse("", &client));
    assert_false(http_client_parse("unknown", &client));
}

static void the_last_hop_alone_is_believed(void **state)
{
    struct http_client client, expected;
    (void)state;
    assert_true(http_client_parse("192.0.2.7", &expected));
    assert_true(http_client_forwarded("192.0.2.7", &client));
    assert_true(http_client_is_same(&client, &expected));
    assert_true(http_client_forwarded("10.0.0.1, evil\t, 192.0.2.7 ", &client));
    assert_true(http_client_is_same(&client, &expected));
    assert_false(http_client_forwarded("", &client));
    assert_false(http_client_forwarded("192.0.2.7,", &client));
    assert_false(http_client_forwarded("192.0.2.7, unknown", &client));
    assert_false(http_client_forwarded("192.0.2.7 192.0.2.8", &client));
}

static void a_port_in_use_is_an_error_that_names_it(void **state)
{
    char text[HTTP_ADDRESS_TEXT_BYTES];
    struct error error;
    (void)state;
    int fd = http_address_listen("127.0.0.1:0", &error);
    assert_true(fd >= 0);
    http_address_write(fd, text);
    assert_memory_equal(text, "127.0.0.1:", 10);
    assert_int_equal(http_address_listen(text, &error), -1);
    assert_int_equal(error.exit_status, EX_UNAVAILABLE);
    assert_non_null(strstr(error.text, text));
    assert_int_equal(close(fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_with_ports_are_read),
        cmocka_unit_test(a_client_is_an_address_or_a_network_of_64_bits),
        cmocka_unit_test(the_last_hop_alone_is_believed),
        cmocka_unit_test(a_port_in_use_is_an_error_that_names_it),
    };
    return cmocka_run_group_tests_name("http_address", tests, NULL, NULL);
}
