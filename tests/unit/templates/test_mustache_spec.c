/* Proves that the engine speaks Mustache: every test of the specification's core modules and of its
 * inheritance, read in place from HANDBELL_SHARED (or ../shared) /corpora/mustache-spec. */
#include "templates/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PARTIALS_MAXIMUM = 8 };

struct partials {
    struct arena *arena;
    const char *names[PARTIALS_MAXIMUM];
    struct template *templates[PARTIALS_MAXIMUM];
    size_t count;
};

static struct json *module_read(const char *module)
{
    const char *shared = getenv("HANDBELL_SHARED");
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/corpora/mustache-spec/%s.json",
                   shared != NULL ? shared : "../shared", module);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return NULL;
    static char text[256 * 1024];
    size_t size = fread(text, 1, sizeof(text), file);
    assert_int_equal(fclose(file), 0);
    struct error error = {0};
    struct json *json = json_parse(text, size, &error);
    assert_non_null(json);
    return json;
}

static struct template *compile(struct arena *arena, const char *name, const struct json *source)
{
    size_t size = 0;
    const char *text = json_text(source, &size);
    struct error error = {0};
    struct template *template = template_compile(arena, name, text, size, &error);
    if (template == NULL)
        fail_msg("%s", error.text);
    return template;
}

static bool partial_add(void *context, const char *key, const struct json *value)
{
    struct partials *partials = context;
    partials->names[partials->count] = key;
    partials->templates[partials->count++] = compile(partials->arena, key, value);
    return true;
}

static const struct template *partial_find(void *context, const char *name)
{
    const struct partials *partials = context;
    for (size_t i = 0; i < partials->count; i++)
        if (strcmp(partials->names[i], name) == 0)
            return partials->templates[i];
    return NULL;
}

static bool case_passes(const struct json *test, const char *module)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct partials partials = {.arena = &arena};
    json_each(json_find(test, "partials"), partial_add, &partials);
    struct template *template = compile(&arena, module, json_find(test, "template"));
    struct error error = {0};
    assert_true(template_link(template, partial_find, &partials, false, &error));
    for (size_t i = 0; i < partials.count; i++)
        assert_true(template_link(partials.templates[i], partial_find, &partials, false, &error));
    const struct json *stack[] = {json_find(test, "data")};
    struct buf out;
    buf_init(&out, 100000);
    assert_true(template_render(template, stack, 1, TEMPLATE_ESCAPE_HTML, &out));
    bool is_same = strcmp(out.data, json_find_text(test, "expected")) == 0;
    if (!is_same)
        print_error("%s: %s\nexpected [%s]\nbut was  [%s]\n", module, json_find_text(test, "name"),
                    json_find_text(test, "expected"), out.data);
    buf_free(&out);
    arena_free(&arena);
    return is_same;
}

static void check_module(const char *module, size_t least)
{
    struct json *json = module_read(module);
    if (json == NULL) {
        print_message("the specification is not here\n");
        skip();
        return;
    }
    const struct json *tests = json_find(json, "tests");
    size_t failures = 0;
    for (size_t i = 0; i < json_array_count(tests); i++)
        failures += !case_passes(json_array_at(tests, i), module);
    assert_true(json_array_count(tests) >= least);
    assert_int_equal(failures, 0);
    json_free(json);
}

static void comments_are_as_specified(void **state)
{
    (void)state;
    check_module("comments", 12);
}

static void delimiters_are_as_specified(void **state)
{
    (void)state;
    check_module("delimiters", 14);
}

static void interpolation_is_as_specified(void **state)
{
    (void)state;
    check_module("interpolation", 42);
}

static void inverted_sections_are_as_specified(void **state)
{
    (void)state;
    check_module("inverted", 22);
}

static void partials_are_as_specified(void **state)
{
    (void)state;
    check_module("partials", 12);
}

static void sections_are_as_specified(void **state)
{
    (void)state;
    check_module("sections", 34);
}

static void inheritance_is_as_specified(void **state)
{
    (void)state;
    check_module("~inheritance", 27);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comments_are_as_specified),
        cmocka_unit_test(delimiters_are_as_specified),
        cmocka_unit_test(interpolation_is_as_specified),
        cmocka_unit_test(inverted_sections_are_as_specified),
        cmocka_unit_test(partials_are_as_specified),
        cmocka_unit_test(sections_are_as_specified),
        cmocka_unit_test(inheritance_is_as_specified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
