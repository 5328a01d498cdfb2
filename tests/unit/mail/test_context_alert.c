/* Proves that an alert's courses stand under the subjects that the recipient ticked, and that
 * counts and lists have the forms of both languages. */
#include "tests/unit/mail/context_reading.h"

#include <stdio.h>

enum { FACTS_BYTES = 32 * 1024 };

static const char categories[] =
    "{\"1\":{\"kind\":\"subject\",\"name\":\"Maths\"},\"2\":{\"kind\":\"subject\","
    "\"name\":\"Addysg\"},\"3\":{\"kind\":\"audience\",\"name\":\"Year 5\"},"
    "\"4\":{\"kind\":\"interest\",\"name\":\"Iechyd\"},\"5\":{\"kind\":\"interest\","
    "\"name\":\"Hanes\"},\"6\":{\"kind\":\"other\",\"name\":\"?\"},\"7\":5}";

static const char courses[] =
    "[{\"id\":10,\"title\":\"A\",\"categories\":[2,3]},{\"id\":11,\"title\":\"B\","
    "\"categories\":[4]},{\"id\":12,\"title\":\"C\",\"categories\":[1,6,7]},"
    "{\"id\":13,\"title\":\"D\",\"categories\":[1,2,5,4,3]},{\"id\":14,\"title\":\"E\"}]";

static void courses_stand_under_their_subject_soonest_first(void **state)
{
    (void)state;
    struct json *context =
        context_make(LANGUAGE_EN_GB, "{\"courses\":[10,11,12,13,14],\"ticks\":[1,2,3,4,5,6,7]}",
                     courses, categories);
    assert_int_equal(json_array_count(value_at(context, "groups")), 3);
    assert_true(is_true_at(context, "has_groups"));
    assert_string_equal(text_at(context, "groups.0.subject"), "Addysg");
    assert_string_equal(text_at(context, "groups.0.courses.0.course.title"), "A");
    /* It matches Maths too: one that has a heading already is as good, and is the first. */
    assert_string_equal(text_at(context, "groups.1.subject"), "Maths");
    assert_string_equal(text_at(context, "groups.1.courses.0.course.title"), "C");
    assert_string_equal(text_at(context, "groups.1.courses.1.course.title"), "D");
    assert_string_equal(text_at(context, "groups.2.subject"), "");
    assert_string_equal(text_at(context, "groups.2.courses.0.course.title"), "B");
    assert_string_equal(text_at(context, "groups.2.courses.1.course.title"), "E");
    static const char *const titles[] = {"A", "C", "D", "B", "E"};
    for (size_t i = 0; i < 5; i++) {
        const struct json *item = json_array_at(value_at(context, "courses"), i);
        assert_string_equal(text_at(item, "course.title"), titles[i]);
        assert_int_equal(json_find_integer(item, "course_number", 0), i + 1);
    }
    assert_string_equal(text_at(context, "course.title"), "A");
    assert_string_equal(text_at(context, "courses.0.because"), "Addysg and Year 5");
    assert_string_equal(text_at(context, "courses.1.because"), "Maths");
    assert_string_equal(text_at(context, "courses.2.because"),
                        "Maths, Addysg, Year 5, Hanes and Iechyd");
    assert_string_equal(text_at(context, "courses.4.because"), "");
    json_free(context);
}

static void only_what_was_ticked_is_named(void **state)
{
    (void)state;
    struct json *context =
        context_make(LANGUAGE_EN_GB, "{\"courses\":[13],\"ticks\":[3,2,99]}", courses, categories);
    assert_string_equal(text_at(context, "courses.0.because"), "Addysg and Year 5");
    assert_string_equal(text_at(context, "groups.0.subject"), "Addysg");
    assert_false(is_true_at(context, "has_groups"));
    json_free(context);
}

/* Nobody should have to guess where one name ends and the next begins. */
static void a_name_with_an_and_of_its_own_stands_apart(void **state)
{
    (void)state;
    static const char apart[] = "{\"1\":{\"kind\":\"subject\",\"name\":\"Art and design\"},"
                                "\"2\":{\"kind\":\"audience\",\"name\":\"Staff\"},"
                                "\"3\":{\"kind\":\"interest\",\"name\":\"Iaith a llythrennedd\"}}";
    static const char course[] = "[{\"id\":1,\"categories\":[1,2,3]}]";
    struct json *context =
        context_make(LANGUAGE_EN_GB, "{\"courses\":[1],\"ticks\":[1,2]}", course, apart);
    assert_string_equal(text_at(context, "courses.0.because"), "Art and design, and Staff");
    json_free(context);
    context = context_make(LANGUAGE_CY, "{\"courses\":[1],\"ticks\":[2,3]}", course, apart);
    assert_string_equal(text_at(context, "courses.0.because"), "Staff, ac Iaith a llythrennedd");
    json_free(context);
    context = context_make(LANGUAGE_CY, "{\"courses\":[1],\"ticks\":[1,2]}", course, apart);
    assert_string_equal(text_at(context, "courses.0.because"), "Art and design a Staff");
    json_free(context);
}

static void a_welsh_list_says_a_or_ac(void **state)
{
    (void)state;
    static const struct {
        const char *ticks;
        const char *because;
    } rows[] = {
        {"[5]", "Hanes"},
        {"[1,5]", "Maths a Hanes"},
        {"[1,4]", "Maths ac Iechyd"},
        {"[1,2]", "Maths ac Addysg"},
        {"[1,2,3]", "Maths, Addysg a Year 5"},
        {"[1,2,3,4]", "Maths, Addysg, Year 5 ac Iechyd"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char message[200];
        (void)snprintf(message, sizeof message, "{\"courses\":[13],\"ticks\":%s}", rows[i].ticks);
        struct json *context = context_make(LANGUAGE_CY, message, courses, categories);
        assert_string_equal(text_at(context, "courses.0.because"), rows[i].because);
        assert_string_equal(text_at(context, "language"), "cy");
        json_free(context);
    }
}

/* `count` courses of `count` sessions each. */
static struct json *counted_make(enum language language, size_t count)
{
    static char facts[FACTS_BYTES];
    char message[FACTS_BYTES];
    size_t at = (size_t)snprintf(message, sizeof message, "{\"courses\":[");
    size_t facts_at = (size_t)snprintf(facts, sizeof facts, "[");
    for (size_t i = 1; i <= count; i++) {
        at += (size_t)snprintf(message + at, sizeof message - at, "%s%zu", i > 1 ? "," : "", i);
        facts_at += (size_t)snprintf(facts + facts_at, sizeof facts - facts_at,
                                     "%s{\"id\":%zu,\"sessions\":[", i > 1 ? "," : "", i);
        for (size_t k = 0; k < count; k++)
            facts_at += (size_t)snprintf(facts + facts_at, sizeof facts - facts_at, "%s{}",
                                         k > 0 ? "," : "");
        facts_at += (size_t)snprintf(facts + facts_at, sizeof facts - facts_at, "]}");
    }
    (void)snprintf(message + at, sizeof message - at, "]}");
    (void)snprintf(facts + facts_at, sizeof facts - facts_at, "]");
    return context_make(language, message, facts, "{}");
}

static void counts_come_with_the_plural_of_the_language(void **state)
{
    (void)state;
    static const char *const names[] = {"zero", "one", "two", "few", "many", "other"};
    static const struct {
        size_t count;
        const char *english;
        const char *welsh;
    } rows[] = {
        {0, "other", "zero"},  {1, "one", "one"},    {2, "other", "two"},   {3, "other", "few"},
        {4, "other", "other"}, {6, "other", "many"}, {7, "other", "other"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int l = 0; l < LANGUAGE_COUNT; l++) {
            struct json *context = counted_make((enum language)l, rows[i].count);
            const char *right = l == LANGUAGE_CY ? rows[i].welsh : rows[i].english;
            for (size_t k = 0; k < 6; k++) {
                bool is_it = strcmp(names[k], right) == 0;
                assert_int_equal(json_find_true(value_at(context, "course_plural"), names[k]),
                                 is_it);
                if (rows[i].count > 0)
                    assert_int_equal(
                        json_find_true(value_at(context, "course.session_plural"), names[k]),
                        is_it);
            }
            assert_int_equal(is_true_at(context, "is_one"), rows[i].count == 1);
            assert_int_equal(is_true_at(context, "is_many"), rows[i].count > 1);
            json_free(context);
        }
    }
}

static void more_courses_than_a_mail_holds_are_left_out(void **state)
{
    (void)state;
    static char facts[FACTS_BYTES];
    static char message[FACTS_BYTES];
    size_t at = (size_t)snprintf(message, sizeof message, "{\"courses\":[");
    size_t facts_at = (size_t)snprintf(facts, sizeof facts, "[");
    for (size_t i = 1; i <= MAIL_CONTEXT_COURSES_MAXIMUM + 5; i++) {
        const char *comma = i > 1 ? "," : "";
        at += (size_t)snprintf(message + at, sizeof message - at, "%s%zu", comma, i);
        facts_at += (size_t)snprintf(facts + facts_at, sizeof facts - facts_at,
                                     "%s{\"id\":%zu,\"categories\":[%zu]}", comma, i, i);
    }
    (void)snprintf(message + at, sizeof message - at, "]}");
    (void)snprintf(facts + facts_at, sizeof facts - facts_at, "]");
    struct json *context = context_make(LANGUAGE_EN_GB, message, facts, "{}");
    assert_int_equal(json_find_integer(context, "course_count", 0), MAIL_CONTEXT_COURSES_MAXIMUM);
    assert_int_equal(json_array_count(value_at(context, "groups")), 1);
    json_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(courses_stand_under_their_subject_soonest_first),
        cmocka_unit_test(only_what_was_ticked_is_named),
        cmocka_unit_test(a_name_with_an_and_of_its_own_stands_apart),
        cmocka_unit_test(a_welsh_list_says_a_or_ac),
        cmocka_unit_test(counts_come_with_the_plural_of_the_language),
        cmocka_unit_test(more_courses_than_a_mail_holds_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
