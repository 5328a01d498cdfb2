/* Proves that a folder of templates is loaded whole or refused with file, line and the nearest
 * name, and that our own templates load. */
#include "tests/unit/templates/folder.h"

static void a_folder_becomes_kinds_with_their_partials(void **state)
{
    const struct folder *folder = *state;
    struct error error = {0};
    put(folder, "zebra/fields", "");
    put(folder, "zebra/subject.mustache", "");
    put(folder, "zebra/text.mustache", "");
    put(folder, "zebra/html.mustache", "");
    struct template_set *set = template_set_load(folder->path, "", &error);
    if (set == NULL)
        fail_msg("%s", error.text);
    assert_int_equal(template_set_kind_count(set), 2);
    const struct template_kind *kind = template_set_find(set, "", "alert", NULL, 0);
    assert_string_equal(template_set_kind_at(set, 0), "alert");
    assert_string_equal(template_set_kind_at(set, 1), "zebra");
    assert_null(template_set_find(set, "", "partials", NULL, 0));
    assert_null(template_set_find(set, "", "aler", NULL, 0));
    render(kind->subject, TEMPLATE_ESCAPE_HEADER, "For <A>");
    render(kind->text, TEMPLATE_ESCAPE_TEXT, "x y ");
    render(kind->html, TEMPLATE_ESCAPE_HTML, "<&lt;A&gt; by T>");
    template_set_free(set);
}

static void a_mistake_stops_the_load_with_file_line_and_nearest_name(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *text;
        const char *problem;
    } rows[] = {
        {"alert/text.mustache", "{{#courses}}\n{{titel}}{{/courses}}",
         "alert/text.mustache: line 2: unknown field \"titel\"; nearest is \"courses.title\""},
        {"alert/text.mustache", "{{title}}", "unknown field \"title\""},
        {"alert/text.mustache", "{{#course}}{{/course}}", "nearest is \"courses\""},
        {"alert/text.mustache", "{{^nam}}{{/nam}}", "nearest is \"name\""},
        {"alert/text.mustache", "{{tenant.nme}}", "nearest is \"tenant.name\""},
        {"alert/html.mustache", "{{<page}}{{$body}}\n{{nme}}{{/body}}{{/page}}",
         "alert/html.mustache: line 2: unknown field \"nme\""},
        {"alert/html.mustache",
         "{{<page}}{{$body}}{{nme}}{{/body}}{{$body}}{{name}}{{/body}}{{/page}}",
         "unknown field \"nme\""},
        {"alert/html.mustache", "{{<page}}{{$boddy}}{{/boddy}}{{/page}}",
         "alert/html.mustache: line 1: \"page\" has no block \"boddy\""},
        {"alert/html.mustache", "{{>fot}}", "alert/html.mustache: line 1: no partial \"fot\""},
        {"partials/foot.mustache", "\n{{tennant.name}}",
         "partials/foot.mustache: line 2: unknown field \"tennant.name\""},
        {"partials/foot.mustache", "{{#a}}", "partials/foot.mustache: line 1: \"a\" is never"},
        {"alert/fields", "title\ntwo words\n", "alert/fields: line 2: not a name"},
        {"alert/fields", "a..b\n", "alert/fields: line 1: not a name"},
        {"Big/fields", "", "Big: a kind's name is of a-z"},
        {"partials/Big.mustache", "", "Big.mustache: a partial's name is of a-z"},
        {"empty/fields", "", "empty/subject.mustache: No such file"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        void *fresh = NULL;
        folder_make(&fresh);
        struct error error = {0};
        put(fresh, rows[i].file, rows[i].text);
        struct template_set *set = template_set_load(((struct folder *)fresh)->path, "", &error);
        if (set != NULL || strstr(error.text, rows[i].problem) == NULL)
            fail_msg("row %zu: %s", i, error.text);
        folder_remove(&fresh);
    }
}

static void a_missing_part_is_named(void **state)
{
    const struct folder *folder = *state;
    struct error error = {0};
    take(folder, "alert/html.mustache");
    assert_null(template_set_load(folder->path, "", &error));
    assert_non_null(strstr(error.text, "alert/html.mustache: No such file"));
    assert_null(template_set_load("/nonexistent", "", &error));
    assert_non_null(strstr(error.text, "/nonexistent/partials/fields: No such file"));
}

static void partials_that_include_themselves_or_too_much_are_refused(void **state)
{
    const struct folder *folder = *state;
    struct error error = {0};
    put(folder, "partials/foot.mustache", "\n{{#name}}{{>foot}}{{/name}}");
    assert_null(template_set_load(folder->path, "", &error));
    assert_non_null(strstr(error.text,
                           "partials/foot.mustache: line 2: \"foot\" lies deeper than "
                           "16 partials, parents and blocks; does one include itself?"));
    put(folder, "partials/foot.mustache", "{{>p1}}");
    for (int i = 1; i <= 13; i++) {
        char name[40];
        char source[40 * 9];
        (void)snprintf(name, sizeof(name), "partials/p%d.mustache", i);
        source[0] = '\0';
        for (int j = 0; i < 13 && j < 8; j++)
            (void)sprintf(source + strlen(source), "{{>p%d}}", i + 1);
        put(folder, name, source);
    }
    assert_null(template_set_load(folder->path, "", &error));
    assert_non_null(strstr(error.text, "too large to check with all that it includes"));
}

static void our_own_templates_load_in_both_languages(void **state)
{
    (void)state;
    struct error error = {0};
    struct template_set *set = template_set_load("templates", "", &error);
    if (set == NULL)
        fail_msg("%s", error.text);
    assert_true(template_set_kind_count(set) >= 11);
    for (size_t i = 0; i < template_set_kind_count(set); i++) {
        const char *kind = template_set_kind_at(set, i);
        if (!template_set_has_language(set, kind, "en-GB") ||
            !template_set_has_language(set, kind, "cy"))
            fail_msg("%s", kind);
    }
    assert_int_equal(template_set_language_count(set), 2);
    template_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_folder_becomes_kinds_with_their_partials, folder_make,
                                        folder_remove),
        cmocka_unit_test(a_mistake_stops_the_load_with_file_line_and_nearest_name),
        cmocka_unit_test_setup_teardown(a_missing_part_is_named, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(partials_that_include_themselves_or_too_much_are_refused,
                                        folder_make, folder_remove),
        cmocka_unit_test(our_own_templates_load_in_both_languages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
