/* Error values: what travels up is whole, bounded and in the order it was said. */
#include "worker/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

static void an_error_keeps_status_and_text(void **state)
{
    (void)state;
    struct error error = {0};
    assert_false(error_set(&error, EX_CONFIG, "[%s] %s", "smtp", "url"));
    assert_int_equal(error.exit_status, EX_CONFIG);
    assert_string_equal(error.text, "[smtp] url");
}

static void nobody_listening_is_fine(void **state)
{
    (void)state;
    assert_false(error_set(NULL, EX_USAGE, "%d", 1));
    assert_false(error_prefix(NULL, "%d", 1));
}

static void a_prefix_goes_in_front(void **state)
{
    (void)state;
    struct error error = {0};
    error_set(&error, EX_DATAERR, "too long");
    assert_false(error_prefix(&error, "course %d", 7));
    assert_string_equal(error.text, "course 7: too long");
    assert_int_equal(error.exit_status, EX_DATAERR);
}

static void texts_longer_than_the_buffer_are_cut(void **state)
{
    (void)state;
    char words[ERROR_TEXT_BYTES * 2];
    memset(words, 'a', sizeof(words) - 1);
    words[sizeof(words) - 1] = '\0';
    struct error error = {0};
    error_set(&error, EX_SOFTWARE, "%s", words);
    assert_int_equal(strlen(error.text), ERROR_TEXT_BYTES - 1);
    error_prefix(&error, "x");
    assert_int_equal(strlen(error.text), ERROR_TEXT_BYTES - 1);
    assert_memory_equal(error.text, "x: aaa", 6);
    error_prefix(&error, "%s", words);
    assert_int_equal(strlen(error.text), ERROR_TEXT_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_keeps_status_and_text),
        cmocka_unit_test(nobody_listening_is_fine),
        cmocka_unit_test(a_prefix_goes_in_front),
        cmocka_unit_test(texts_longer_than_the_buffer_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
