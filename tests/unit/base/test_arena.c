/* Arenas: zeroed, aligned, bounded, and all gone at once. */
#include "worker/base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void allocations_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    unsigned char *last = NULL;
    for (size_t size = 0; size < 300; size++) {
        unsigned char *bytes = arena_alloc(&arena, size);
        assert_non_null(bytes);
        assert_ptr_not_equal(bytes, last);
        assert_int_equal((uintptr_t)bytes % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(bytes[i], 0);
        memset(bytes, 0xff, size);
        last = bytes;
    }
    arena_free(&arena);
    assert_int_equal(arena.used_bytes, 0);
}

static void memory_is_zeroed_again_after_a_reset(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    memset(arena_alloc(&arena, 100), 0xff, 100);
    arena_reset(&arena);
    assert_int_equal(arena.used_bytes, 0);
    const unsigned char *bytes = arena_alloc(&arena, 100);
    assert_non_null(bytes);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(bytes[i], 0);
    arena_free(&arena);
}

static void the_ceiling_is_never_passed(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1024);
    assert_null(arena_alloc(&arena, 1025));
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_copy(&arena, "", SIZE_MAX));
    assert_non_null(arena_alloc(&arena, 1024));
    assert_null(arena_alloc(&arena, 1));
    arena_free(&arena);
}

static void copies_are_texts_of_their_own(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 100000);
    char original[] = "Tuesday";
    const char *copy = arena_copy_text(&arena, original);
    const char *part = arena_copy(&arena, original, 4);
    memset(original, 'x', sizeof(original) - 1);
    assert_string_equal(copy, "Tuesday");
    assert_string_equal(part, "Tues");
    assert_non_null(arena_alloc(&arena, 50000));
    assert_string_equal(copy, "Tuesday");
    arena_reset(&arena);
    assert_non_null(arena_alloc(&arena, 10));
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_zeroed_aligned_and_apart),
        cmocka_unit_test(memory_is_zeroed_again_after_a_reset),
        cmocka_unit_test(the_ceiling_is_never_passed),
        cmocka_unit_test(copies_are_texts_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
