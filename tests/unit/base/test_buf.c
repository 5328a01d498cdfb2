/* Buffers: the ceiling holds, a failed append adds nothing, and the text always ends. */
#include "worker/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void an_empty_buffer_is_an_empty_text(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10);
    assert_string_equal(buf.data, "");
    assert_int_equal(buf.capacity, 0);
    buf_consume(&buf, 5);
    buf_grown(&buf, 0);
    buf_reset(&buf);
    assert_true(buf_append(&buf, NULL, 0));
    assert_string_equal(buf.data, "");
    buf_free(&buf);
    assert_string_equal(buf.data, "");
}

static void appends_follow_each_other(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    assert_true(buf_append_text(&buf, "ab"));
    assert_true(buf_append_char(&buf, 'c'));
    assert_true(buf_append(&buf, "\0d", 2));
    assert_true(buf_printf(&buf, "%d-%s", 42, "x"));
    assert_int_equal(buf.size, 9);
    assert_memory_equal(buf.data, "abc\0d42-x", 10);
    buf_free(&buf);
}

static void the_ceiling_is_met_whole_or_not_at_all(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 8);
    assert_true(buf_append_text(&buf, "12345678"));
    assert_false(buf.has_failed);
    assert_false(buf_append_char(&buf, '9'));
    assert_true(buf.has_failed);
    assert_string_equal(buf.data, "12345678");
    buf_reset(&buf);
    assert_false(buf.has_failed);
    assert_false(buf_printf(&buf, "%s", "123456789"));
    assert_int_equal(buf.size, 0);
    assert_string_equal(buf.data, "");
    buf_free(&buf);
}

static void growth_never_passes_the_ceiling(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100000);
    for (int i = 0; i < 100000; i++)
        assert_true(buf_append_char(&buf, 'a'));
    assert_int_equal(buf.size, 100000);
    assert_true(buf.capacity <= 100001);
    assert_false(buf_append_char(&buf, 'a'));
    assert_null(buf_reserve(&buf, SIZE_MAX));
    buf_free(&buf);
}

static void reserved_room_counts_once_it_is_grown(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    char *room = buf_reserve(&buf, 5);
    assert_non_null(room);
    assert_int_equal(buf.size, 0);
    memcpy(room, "hello", 5);
    buf_grown(&buf, 5);
    assert_string_equal(buf.data, "hello");
    assert_null(buf_reserve(&buf, 96));
    assert_true(buf.has_failed);
    buf_free(&buf);
}

static void consuming_moves_the_rest_to_the_front(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    buf_append_text(&buf, "one two");
    buf_consume(&buf, 4);
    assert_string_equal(buf.data, "two");
    buf_consume(&buf, 100);
    assert_string_equal(buf.data, "");
    assert_int_equal(buf.size, 0);
    buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_is_an_empty_text),
        cmocka_unit_test(appends_follow_each_other),
        cmocka_unit_test(the_ceiling_is_met_whole_or_not_at_all),
        cmocka_unit_test(growth_never_passes_the_ceiling),
        cmocka_unit_test(reserved_room_counts_once_it_is_grown),
        cmocka_unit_test(consuming_moves_the_rest_to_the_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
