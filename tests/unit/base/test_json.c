/* JSON: what goes in comes out, and what is malformed is refused without being repeated. */
#include "worker/base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

static struct json *parse(const char *text)
{
    struct error error = {0};
    struct json *value = json_parse(text, strlen(text), &error);
    if (!value)
        fail_msg("%s", error.text);
    return value;
}

static void kinds_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum json_kind kind;
    } rows[] = {
        {"null", JSON_KIND_NULL},  {"false", JSON_KIND_FALSE}, {"true", JSON_KIND_TRUE},
        {"12", JSON_KIND_INTEGER}, {"1.5", JSON_KIND_REAL},    {"\"x\"", JSON_KIND_TEXT},
        {"[1]", JSON_KIND_ARRAY},  {"{}", JSON_KIND_OBJECT},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct json *value = parse(rows[i].text);
        assert_int_equal(json_kind_of(value), rows[i].kind);
        json_free(value);
    }
    assert_int_equal(json_kind_of(NULL), JSON_KIND_NULL);
}

static void members_are_found_with_their_values(void **state)
{
    (void)state;
    struct json *value = parse("{\"a\":\"x\\u0000y\",\"b\":7,\"c\":true,\"d\":[1,2]}");
    size_t size = 0;
    assert_memory_equal(json_text(json_find(value, "a"), &size), "x\0y", 4);
    assert_int_equal(size, 3);
    assert_int_equal(json_find_integer(value, "b", -1), 7);
    assert_int_equal(json_find_integer(value, "a", -1), -1);
    assert_true(json_find_true(value, "c"));
    assert_false(json_find_true(value, "b"));
    assert_int_equal(json_array_count(json_find(value, "d")), 2);
    assert_int_equal(json_integer_or(json_array_at(json_find(value, "d"), 1), 0), 2);
    assert_null(json_array_at(json_find(value, "d"), 2));
    assert_null(json_find(value, "e"));
    assert_null(json_find(NULL, "e"));
    assert_string_equal(json_find_text(value, "e"), "");
    assert_string_equal(json_text(NULL, &size), "");
    assert_int_equal(size, 0);
    assert_int_equal(json_array_count(NULL), 0);
    json_free(value);
}

static void malformed_texts_are_refused_and_not_repeated(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "[1,]",
        "{\"a\":1,\"a\":2}",
        "ada@example.org",
        "[1] x",
        "\"\xff\"",
        "\"\\ud800\"",
        "01",
        "99999999999999999999",
        "nul",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct error error = {0};
        assert_null(json_parse(texts[i], strlen(texts[i]), &error));
        assert_int_equal(error.exit_status, EX_DATAERR);
        assert_memory_equal(error.text, "JSON at line ", 13);
        assert_null(strstr(error.text, "ada"));
    }
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    char text[100000];
    memset(text, '[', sizeof(text));
    struct error error = {0};
    assert_null(json_parse(text, sizeof(text), &error));
    assert_non_null(strstr(error.text, "nested too deeply"));
}

static void what_is_built_is_printed(void **state)
{
    (void)state;
    struct json *object = json_new_object();
    struct json *array = json_new_array();
    assert_true(json_append(array, json_new_integer(-5)));
    assert_true(json_append(array, json_new_bool(false)));
    assert_true(json_set(object, "list", array));
    assert_true(json_set(object, "text", json_new_text("\"\n<b>", 5)));
    char *text = json_print(object);
    assert_string_equal(text, "{\"list\":[-5,false],\"text\":\"\\\"\\n<b>\"}");
    free(text);
    json_free(object);
}

static void a_text_that_is_no_utf8_fails_where_it_is_set(void **state)
{
    (void)state;
    struct json *object = json_new_object();
    struct json *array = json_new_array();
    assert_null(json_new_text("\xc0\xaf", 2));
    assert_false(json_set(object, "text", json_new_text("\xff", 1)));
    assert_false(json_append(array, NULL));
    json_free(object);
    json_free(array);
}

static void a_held_value_outlives_its_first_holder(void **state)
{
    (void)state;
    struct json *object = parse("{\"a\":{\"b\":1}}");
    struct json *member = json_hold(json_find(object, "a"));
    json_free(object);
    assert_int_equal(json_find_integer(member, "b", 0), 1);
    json_free(member);
    json_free(NULL);
}

static bool visit_member(void *context, const char *key, const struct json *value)
{
    char *seen = context;
    (void)value;
    strncat(seen, key, 10);
    return strcmp(key, "a") != 0;
}

static void members_are_visited_in_order_until_told_to_stop(void **state)
{
    (void)state;
    struct json *object = parse("{\"z\":1,\"m\":2,\"a\":3,\"b\":4}");
    char seen[64] = "";
    json_each(object, visit_member, seen);
    assert_string_equal(seen, "zma");
    json_each(NULL, visit_member, seen);
    json_free(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_told_apart),
        cmocka_unit_test(members_are_found_with_their_values),
        cmocka_unit_test(malformed_texts_are_refused_and_not_repeated),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(what_is_built_is_printed),
        cmocka_unit_test(a_text_that_is_no_utf8_fails_where_it_is_set),
        cmocka_unit_test(a_held_value_outlives_its_first_holder),
        cmocka_unit_test(members_are_visited_in_order_until_told_to_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
