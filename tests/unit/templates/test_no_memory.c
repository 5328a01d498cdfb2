/* Lets the first allocation fail while templates are loaded, then the second, and so on to the
 * last: the set is whole or not there, and a tenant never falls back to what is shipped because
 * memory was short. Sanitizers and valgrind, under which this runs too, see what would leak. */
#include "tests/unit/shortage.h"
#include "tests/unit/templates/folder.h"

#include <sysexits.h>

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
        shortage_begin(allocations, false);
        set = template_set_load(folder->path, folder->overrides, &error);
        bool has_failed = shortage_end();
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
