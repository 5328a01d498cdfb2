/* Lets the first allocation fail while templates are loaded, then the second, and so on to the
 * last: the set is whole or not there, and a tenant never falls back to what is shipped because
 * memory was short. Sanitizers and valgrind, under which this runs too, see what would leak. */
#include "tests/unit/templates/folder.h"

#include <sysexits.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);

/* Allocations until one fails. */
static struct {
    bool is_on;
    size_t left;
} shortage;

static bool fails_now(void)
{
    if (!shortage.is_on)
        return false;
    if (shortage.left == 0) {
        shortage.is_on = false;
        return true;
    }
    shortage.left--;
    return false;
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails_now() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
    return fails_now() ? NULL : __real_strdup(text);
}

static void a_set_is_loaded_whole_or_not_at_all(void **state)
{
    const struct folder *folder = *state;
    struct template_set *set = NULL;
    size_t allocations = 0;
    put(folder, "../tenants/east/alrt/words.cy", "");
    put(folder, "../tenants/north/partials/foot.mustache", "; {{words.by}} North");
    put(folder, "../tenants/north/alert/words.cy", "hello = {{#name}}Helo{{/name}}\n");
    for (; set == NULL; allocations++) {
        struct error error = {0};
        shortage.left = allocations;
        shortage.is_on = true;
        set = template_set_load(folder->path, folder->overrides, &error);
        bool has_failed = !shortage.is_on;
        shortage.is_on = false;
        if (set == NULL && (!has_failed || error.exit_status != EX_OSERR))
            fail_msg("allocation %zu: %s", allocations, error.text);
        if (set != NULL && has_failed)
            fail_msg("allocation %zu was not missed", allocations);
    }
    assert_true(allocations > 50);
    assert_int_equal(template_set_tenant_count(set), 1);
    assert_int_equal(template_set_problem_count(set), 1);
    template_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_set_is_loaded_whole_or_not_at_all, folder_make_with_words,
                                        folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
