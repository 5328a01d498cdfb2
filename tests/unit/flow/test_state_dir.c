/* Proves that a worker keeps its name, that a directory serves one process, and that what is wrong
 * is said. */
#include "worker/flow/state_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_BYTES = 256 };

struct place {
    char base[64];
    char path[PATH_BYTES];
    char owner[PATH_BYTES];
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    strcpy(place->base, "/tmp/handbell_state_XXXXXX");
    assert_non_null(mkdtemp(place->base));
    snprintf(place->path, sizeof place->path, "%s/state", place->base);
    snprintf(place->owner, sizeof place->owner, "%s/state/owner", place->base);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    char lock[PATH_BYTES];
    snprintf(lock, sizeof lock, "%s/state/lock", place->base);
    unlink(lock);
    unlink(place->owner);
    rmdir(place->path);
    rmdir(place->base);
    free(place);
    return 0;
}

static void a_new_worker_gets_a_name_and_keeps_it(void **state)
{
    const struct place *place = *state;
    struct state_dir first;
    struct state_dir second;
    struct error error = {0};
    struct stat status;
    assert_true(state_dir_open(&first, place->path, &error));
    assert_int_equal(strlen(first.owner), 36);
    assert_int_equal(first.owner[14], '4');
    assert_int_equal(stat(place->owner, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(stat(place->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    state_dir_close(&first);
    assert_true(state_dir_open(&second, place->path, &error));
    assert_string_equal(first.owner, second.owner);
    state_dir_close(&second);
}

static void a_directory_in_use_is_refused_until_it_is_free(void **state)
{
    const struct place *place = *state;
    struct state_dir first;
    struct state_dir second;
    struct error error = {0};
    assert_true(state_dir_open(&first, place->path, &error));
    assert_false(state_dir_open(&second, place->path, &error));
    assert_int_equal(error.exit_status, EX_TEMPFAIL);
    assert_non_null(strstr(error.text, place->path));
    state_dir_close(&first);
    assert_true(state_dir_open(&second, place->path, &error));
    state_dir_close(&second);
}

static void a_name_that_is_no_uuid_is_refused(void **state)
{
    const struct place *place = *state;
    static const char *const texts[] = {"",
                                        "\n",
                                        "x",
                                        "0f8fad5b-d9cb-469f-a165-70867728950",
                                        "0f8fad5b-d9cb-469f-a165-70867728950G",
                                        "0f8fad5b-d9cb-469f-a165-70867728950e0"};
    struct state_dir opened;
    struct error error = {0};
    assert_int_equal(mkdir(place->path, 0700), 0);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        FILE *file = fopen(place->owner, "w");
        assert_non_null(file);
        fputs(texts[i], file);
        fclose(file);
        assert_false(state_dir_open(&opened, place->path, &error));
        assert_int_equal(error.exit_status, EX_CONFIG);
    }
}

static void a_directory_that_cannot_be_made_is_named(void **state)
{
    (void)state;
    struct state_dir opened;
    struct error error = {0};
    assert_false(state_dir_open(&opened, "/nonexistent/state", &error));
    assert_int_equal(error.exit_status, EX_OSERR);
    assert_non_null(strstr(error.text, "/nonexistent/state"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_worker_gets_a_name_and_keeps_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_directory_in_use_is_refused_until_it_is_free, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_name_that_is_no_uuid_is_refused, set_up, tear_down),
        cmocka_unit_test(a_directory_that_cannot_be_made_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
