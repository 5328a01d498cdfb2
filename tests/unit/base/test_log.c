/* Log lines: one write each, quoted, bounded, and never with an address in them. */
#include "worker/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char written[65536];

/* What log_event writes to standard error, by a pipe in its place. */
static const char *line_of(enum log_level level, const char *event, const struct log_field *fields,
                           size_t field_count)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    log_event(level, event, fields, field_count);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    close(ends[1]);
    ssize_t got = read(ends[0], written, sizeof(written) - 1);
    close(ends[0]);
    assert_true(got >= 0);
    written[got] = '\0';
    return written;
}

static const char *value_line(const char *value)
{
    const char *line =
        line_of(LOG_LEVEL_INFO, "tried", (const struct log_field[]){log_text("v", value)}, 1);
    return strstr(line, " v=");
}

static void a_line_has_time_level_event_and_fields(void **state)
{
    (void)state;
    const struct log_field fields[] = {log_int("message", -7), log_text("state", "sent")};
    const char *line = line_of(LOG_LEVEL_WARNING, "message_sent", fields, 2);
    assert_memory_equal(line, "ts=2", 4);
    assert_string_equal(strchr(line, ' '),
                        " level=warning event=message_sent message=-7 state=sent\n");
}

static void a_value_with_an_at_sign_is_redacted(void **state)
{
    (void)state;
    assert_string_equal(value_line("550 <ada@example.org> unknown"), " v=redacted\n");
}

static void values_cannot_forge_fields_or_lines(void **state)
{
    (void)state;
    assert_string_equal(value_line("a b"), " v=\"a b\"\n");
    assert_string_equal(value_line("x\" level=\"error"), " v=\"x\\\" level=\\\"error\"\n");
    assert_string_equal(value_line("a\r\nts=1"), " v=\"a??ts=1\"\n");
    assert_string_equal(value_line("back\\slash"), " v=\"back\\\\slash\"\n");
    assert_string_equal(value_line(""), " v=\"\"\n");
    assert_string_equal(value_line(NULL), " v=\"\"\n");
    assert_string_equal(value_line("%s%n"), " v=\"%s%n\"\n");
}

static void long_values_are_cut(void **state)
{
    (void)state;
    char value[1000];
    memset(value, 'a', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    assert_int_equal(strlen(value_line(value)), strlen(" v=") + 400 + 1);
}

static void a_line_that_would_be_too_long_ends_between_fields(void **state)
{
    (void)state;
    char value[401];
    memset(value, 'a', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    struct log_field fields[40];
    for (size_t i = 0; i < 40; i++)
        fields[i] = log_text("v", value);
    const char *line = line_of(LOG_LEVEL_ERROR, "tried", fields, 40);
    size_t size = strlen(line);
    assert_true(size > 4000 && size <= 8193);
    assert_string_equal(line + size - 5, "aaaa\n");
    assert_null(strstr(line, "v=\n"));
}

static void lines_below_the_level_are_dropped(void **state)
{
    (void)state;
    assert_string_equal(line_of(LOG_LEVEL_DEBUG, "tried", NULL, 0), "");
    log_set_level(LOG_LEVEL_ERROR);
    assert_string_equal(line_of(LOG_LEVEL_WARNING, "tried", NULL, 0), "");
    log_set_level(LOG_LEVEL_DEBUG);
    assert_string_not_equal(line_of(LOG_LEVEL_DEBUG, "tried", NULL, 0), "");
    log_set_level(LOG_LEVEL_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_event_and_fields),
        cmocka_unit_test(a_value_with_an_at_sign_is_redacted),
        cmocka_unit_test(values_cannot_forge_fields_or_lines),
        cmocka_unit_test(long_values_are_cut),
        cmocka_unit_test(a_line_that_would_be_too_long_ends_between_fields),
        cmocka_unit_test(lines_below_the_level_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
