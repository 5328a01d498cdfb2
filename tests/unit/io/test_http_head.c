/* The head of a request: taken, or refused with the right status (RFC 9112). */
#include "worker/io/http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { HEADERS_MAXIMUM = 4 };

struct row {
    const char *uri;
    const char *headers[HEADERS_MAXIMUM][2]; /* ends with a NULL name */
    unsigned status;
};

static const struct http_head_limits limits = {
    .head_bytes = 1000, .uri_bytes = 40, .body_bytes = 100};

static void each_head_is_judged(void **state)
{
    static const struct row rows[] = {
        {"/", {{"Host", "a.test"}}, 0},
        {"/u/abc?x=%20y", {{"host", "a.test:8025"}}, 0},
        {"/", {{"Host", "[::1]:80"}}, 0},
        {"/", {{"Host", "a"}, {"Content-Length", "100"}}, 0},
        {"/", {{"Host", "a"}, {"Transfer-Encoding", "Chunked"}}, 0},
        {"/", {{"X", "a"}}, 400},
        {"/", {{"Host", ""}}, 400},
        {"/", {{"Host", "a b"}}, 400},
        {"/", {{"Host", "a\xc3\xa9"}}, 400},
        {"/", {{"Host", "a'--"}}, 400},
        {"/", {{"Host", "a"}, {"Host", "a"}}, 400},
        {"/", {{"Host", "a"}, {"Content-Length", "1"}, {"Transfer-Encoding", "chunked"}}, 400},
        {"/", {{"Host", "a"}, {"Content-Length", "1"}, {"Content-Length", "1"}}, 400},
        {"/", {{"Host", "a"}, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "x"}}, 400},
        {"/", {{"Host", "a"}, {"Transfer-Encoding", "gzip, chunked"}}, 400},
        {"/", {{"Host", "a"}, {"Transfer-Encoding", "identity"}}, 400},
        {"/", {{"Host", "a"}, {"Content-Type", "a/b"}, {"Content-Type", "a/b"}}, 400},
        {"", {{"Host", "a"}}, 400},
        {"*", {{"Host", "a"}}, 400},
        {"http://a/", {{"Host", "a"}}, 400},
        {"/..%2fetc", {{"Host", "a"}}, 400},
        {"/u/%00", {{"Host", "a"}}, 400},
        {"/a b", {{"Host", "a"}}, 400},
        {"/a\tb", {{"Host", "a"}}, 400},
        {"/\x7f", {{"Host", "a"}}, 400},
        {"/\xc3\xa9", {{"Host", "a"}}, 400},
        {"/?\x01", {{"Host", "a"}}, 400},
        {"/", {{"Host", "a"}, {"Content-Length", "101"}}, 413},
        {"/", {{"Host", "a"}, {"Content-Length", "99999999999999999999999"}}, 413},
        {"/2345678901234567890123456789012345678901", {{"Host", "a"}}, 414},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_head head = {0};
        for (size_t j = 0; j < HEADERS_MAXIMUM && rows[i].headers[j][0] != NULL; j++)
            http_head_add(&head, rows[i].headers[j][0], rows[i].headers[j][1]);
        unsigned status = http_head_judge_uri(rows[i].uri, strlen(rows[i].uri), &limits);
        if (status == 0)
            status = http_head_judge(&head, &limits);
        if (status != rows[i].status)
            fail_msg("row %zu: %u", i, status);
    }
}

static void a_nul_in_the_request_line_is_malformed(void **state)
{
    struct http_head head = {.has_nul = true};
    (void)state;
    http_head_add(&head, "Host", "a");
    assert_int_equal(http_head_judge(&head, &limits), 400);
}

static void each_refusal_has_words(void **state)
{
    static const unsigned statuses[] = {400, 413, 414, 503};
    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        assert_true(strlen(http_head_refusal(statuses[i])) > 10);
    assert_string_not_equal(http_head_refusal(413), http_head_refusal(400));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_head_is_judged),
        cmocka_unit_test(a_nul_in_the_request_line_is_malformed),
        cmocka_unit_test(each_refusal_has_words),
    };
    return cmocka_run_group_tests_name("http_head", tests, NULL, NULL);
}
