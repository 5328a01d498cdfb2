/* Proves that a change shows each session as it was and as it is, and names only what differs. */
#include "tests/unit/mail/context_reading.h"

#include <stdio.h>

enum { FACTS_BYTES = 8192 };

/* course 1's sessions as they are, and as they were. */
static struct json *change_make(enum language language, const char *now, const char *before)
{
    char courses[FACTS_BYTES];
    char message[FACTS_BYTES];
    (void)snprintf(courses, sizeof courses,
                   "[{\"id\":1,\"title\":\"New title\",\"sessions\":[%s]}]", now);
    (void)snprintf(message, sizeof message,
                   "{\"courses\":[1],\"change\":{\"title\":\"Old title\",\"sessions\":[%s]}}",
                   before);
    return context_make(language, message, courses, "{}");
}

static size_t count_at(const struct json *context, const char *path)
{
    return json_array_count(value_at(context, path));
}

static const char monday[] =
    "{\"key\":1,\"starts_local\":\"2026-11-23T09:30\",\"ends_local\":\"2026-11-23T15:30\","
    "\"zone\":\"GMT\",\"venue\":\"Hall\"}";

static void another_day_is_another_day_and_nothing_else(void **state)
{
    (void)state;
    struct json *context = change_make(
        LANGUAGE_EN_GB,
        "{\"key\":1,\"starts_local\":\"2026-11-24T09:30\",\"ends_local\":\"2026-11-24T15:30\","
        "\"zone\":\"GMT\",\"venue\":\"Hall\"}",
        monday);
    assert_int_equal(count_at(context, "change.rows"), 1);
    assert_true(is_true_at(context, "change.rows.0.is_changed"));
    assert_true(is_true_at(context, "change.rows.0.is_day_changed"));
    assert_false(is_true_at(context, "change.rows.0.is_times_changed"));
    assert_false(is_true_at(context, "change.rows.0.is_venue_changed"));
    assert_false(is_true_at(context, "change.rows.0.is_link_changed"));
    assert_string_equal(text_at(context, "change.rows.0.old.day"), "Monday 23 November 2026");
    assert_string_equal(text_at(context, "change.rows.0.new.day"), "Tuesday 24 November 2026");
    assert_true(is_true_at(context, "change.is_day_changed"));
    assert_false(is_true_at(context, "change.is_times_changed"));
    assert_true(is_true_at(context, "change.is_title_changed"));
    assert_string_equal(text_at(context, "change.old_title"), "Old title");
    json_free(context);
}

static void each_kind_of_difference_is_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *now;
        const char *difference;
    } rows[] = {
        {"{\"key\":1,\"starts_local\":\"2026-11-23T10:00\",\"ends_local\":\"2026-11-23T15:30\","
         "\"venue\":\"Hall\"}",
         "is_times_changed"},
        {"{\"key\":1,\"starts_local\":\"2026-11-23T09:30\",\"ends_local\":\"2026-11-23T16:00\","
         "\"venue\":\"Hall\"}",
         "is_times_changed"},
        {"{\"key\":1,\"starts_local\":\"2026-11-23T09:30\",\"ends_local\":null,"
         "\"venue\":\"Hall\"}",
         "is_times_changed"},
        {"{\"key\":1,\"starts_local\":\"2026-11-23T09:30\",\"ends_local\":\"2026-11-24T15:30\","
         "\"venue\":\"Hall\"}",
         "is_times_changed"},
        {"{\"key\":1,\"starts_local\":\"2026-11-23T09:30\",\"ends_local\":\"2026-11-23T15:30\","
         "\"venue\":\"Barn\"}",
         "is_venue_changed"},
        {"{\"key\":1,\"starts_local\":\"2026-11-23T09:30\",\"ends_local\":\"2026-11-23T15:30\","
         "\"venue\":\"Hall\",\"venue_address\":\"2 High St\"}",
         "is_venue_changed"},
    };
    static const char *const all[] = {"is_day_changed", "is_times_changed", "is_venue_changed",
                                      "is_link_changed"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json *context = change_make(LANGUAGE_EN_GB, rows[i].now, monday);
        for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) {
            bool is_it = strcmp(all[k], rows[i].difference) == 0;
            const struct json *change = value_at(context, "change");
            if (json_find_true(change, all[k]) != is_it ||
                json_find_true(value_at(change, "rows.0"), all[k]) != is_it)
                fail_msg("row %zu, %s", i, all[k]);
        }
        json_free(context);
    }
}

static void a_new_link_is_no_new_venue_but_going_online_is(void **state)
{
    (void)state;
    struct json *context = change_make(LANGUAGE_EN_GB, "{\"key\":1,\"online_url\":\"https://m/2\"}",
                                       "{\"key\":1,\"online_url\":\"https://m/1\"}");
    assert_true(is_true_at(context, "change.rows.0.is_link_changed"));
    assert_false(is_true_at(context, "change.rows.0.is_venue_changed"));
    json_free(context);
    context = change_make(LANGUAGE_EN_GB, "{\"key\":1,\"online_url\":\"https://m/2\"}",
                          "{\"key\":1,\"venue\":\"Hall\"}");
    assert_true(is_true_at(context, "change.rows.0.is_venue_changed"));
    json_free(context);
    context = change_make(LANGUAGE_EN_GB, "{\"key\":1,\"venue\":\"Hall\"}",
                          "{\"key\":1,\"online_url\":\"https://m/1\"}");
    assert_true(is_true_at(context, "change.is_venue_changed"));
    assert_false(is_true_at(context, "change.is_link_changed"));
    json_free(context);
}

/* Their link is not the one that changed. */
static void who_has_a_link_of_their_own_is_shown_no_row_for_another(void **state)
{
    (void)state;
    struct json *context = context_make(
        LANGUAGE_EN_GB,
        "{\"courses\":[1],\"booking\":{\"online_url\":\"https://m/own\"},\"change\":{"
        "\"sessions\":[{\"key\":1,\"online_url\":\"https://m/1\"}]}}",
        "[{\"id\":1,\"sessions\":[{\"key\":1,\"online_url\":\"https://m/2\"}]}]", "{}");
    assert_true(is_true_at(context, "change.is_link_changed"));
    assert_true(is_true_at(context, "change.rows.0.is_same"));
    assert_int_equal(count_at(context, "change.changed_rows"), 0);
    json_free(context);
}

/* In the order of their start, each with the number that it has, or had. */
static void sessions_come_go_and_stay(void **state)
{
    (void)state;
    struct json *context =
        change_make(LANGUAGE_CY,
                    "{\"key\":1,\"starts_local\":\"2026-11-23T09:30\",\"zone\":\"GMT\"},"
                    "{\"key\":4,\"starts_local\":\"2026-11-30T09:30\",\"zone\":\"GMT\"},"
                    "{\"key\":5}",
                    "{\"key\":1,\"starts_local\":\"2026-11-23T09:30\",\"zone\":\"GMT\"},"
                    "{\"key\":2,\"starts_local\":\"2026-11-25T09:30\",\"zone\":\"GMT\"},"
                    "{\"key\":3,\"starts_local\":\"2026-11-26T09:30\",\"zone\":\"GMT\"}");
    static const char *const states[] = {"is_same", "is_dropped", "is_dropped", "is_added",
                                         "is_added"};
    assert_int_equal(count_at(context, "change.rows"), 5);
    assert_int_equal(count_at(context, "change.changed_rows"), 4);
    for (size_t i = 0; i < 5; i++) {
        const struct json *row = json_array_at(value_at(context, "change.rows"), i);
        static const char *const all[] = {"is_same", "is_changed", "is_dropped", "is_added"};
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(json_find_true(row, all[k]), strcmp(all[k], states[i]) == 0);
    }
    assert_true(is_true_at(context, "change.has_added"));
    assert_true(is_true_at(context, "change.has_dropped"));
    assert_false(is_true_at(context, "change.is_day_changed"));
    assert_int_equal(json_kind_of(value_at(context, "change.rows.1.new")), JSON_KIND_FALSE);
    assert_int_equal(json_kind_of(value_at(context, "change.rows.3.old")), JSON_KIND_FALSE);
    assert_string_equal(text_at(context, "change.rows.1.old.on_day"),
                        "ddydd Mercher 25 Tachwedd 2026");
    assert_string_equal(text_at(context, "change.rows.3.new.day"), "Dydd Llun 30 Tachwedd 2026");
    assert_int_equal(json_integer_or(value_at(context, "change.rows.3.new.number"), 0), 2);
    assert_int_equal(json_integer_or(value_at(context, "change.rows.2.old.number"), 0), 3);
    json_free(context);
}

static void a_session_is_known_by_key_then_ref_then_place(void **state)
{
    (void)state;
    struct json *context =
        change_make(LANGUAGE_EN_GB, "{\"key\":2,\"venue\":\"B\"},{\"key\":1,\"venue\":\"A\"}",
                    "{\"key\":1,\"venue\":\"A\"},{\"key\":2,\"venue\":\"B\"}");
    assert_int_equal(count_at(context, "change.changed_rows"), 0);
    json_free(context);
    context = change_make(LANGUAGE_EN_GB, "{\"ref\":\"b\",\"venue\":\"B\"},{\"ref\":\"a\"}",
                          "{\"ref\":\"a\"},{\"ref\":\"b\",\"venue\":\"B\"}");
    assert_int_equal(count_at(context, "change.changed_rows"), 0);
    json_free(context);
    context = change_make(LANGUAGE_EN_GB, "{\"venue\":\"A\"},{\"venue\":\"C\"}",
                          "{\"venue\":\"A\"},{\"venue\":\"B\"}");
    assert_int_equal(count_at(context, "change.changed_rows"), 1);
    assert_string_equal(text_at(context, "change.changed_rows.0.old.venue"), "B");
    json_free(context);
}

/* The local time stays, the zone's name does not. */
static void a_move_across_the_change_of_clocks_says_both_zones(void **state)
{
    (void)state;
    struct json *context = change_make(
        LANGUAGE_EN_GB,
        "{\"key\":1,\"starts_local\":\"2027-03-30T09:30\",\"ends_local\":\"2027-03-30T12:00\","
        "\"zone\":\"BST\"}",
        "{\"key\":1,\"starts_local\":\"2027-03-23T09:30\",\"ends_local\":\"2027-03-23T12:00\","
        "\"zone\":\"GMT\"}");
    assert_string_equal(text_at(context, "change.rows.0.old.times"), "9.30am to 12 noon GMT");
    assert_string_equal(text_at(context, "change.rows.0.new.times"), "9.30am to 12 noon BST");
    assert_false(is_true_at(context, "change.is_times_changed"));
    assert_true(is_true_at(context, "change.is_day_changed"));
    json_free(context);
}

static void a_mail_without_a_change_has_none(void **state)
{
    (void)state;
    struct json *context =
        context_make(LANGUAGE_EN_GB, "{\"courses\":[1],\"change\":null}", "[{\"id\":1}]", "{}");
    assert_null(value_at(context, "change"));
    json_free(context);
    context =
        context_make(LANGUAGE_EN_GB, "{\"courses\":[7],\"change\":{\"sessions\":5}}", "[]", "{}");
    assert_int_equal(count_at(context, "change.rows"), 0);
    assert_false(is_true_at(context, "change.is_title_changed"));
    json_free(context);
}

static void a_course_put_off_and_one_on_again_say_so(void **state)
{
    (void)state;
    static const struct {
        const char *was;
        const char *is;
        bool is_postponed;
        bool is_on_again;
    } rows[] = {
        {"published", "postponed", true, false},  {"postponed", "published", false, true},
        {"cancelled", "published", false, true},  {"cancelled", "postponed", true, false},
        {"published", "published", false, false}, {"", "", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char courses[FACTS_BYTES];
        char message[FACTS_BYTES];
        (void)snprintf(courses, sizeof courses, "[{\"id\":1,\"status\":\"%s\",\"sessions\":[]}]",
                       rows[i].is);
        (void)snprintf(message, sizeof message,
                       "{\"courses\":[1],\"change\":{\"status\":\"%s\",\"sessions\":[%s]}}",
                       rows[i].was, monday);
        struct json *context = context_make(LANGUAGE_EN_GB, message, courses, "{}");
        assert_int_equal(is_true_at(context, "change.is_postponed"), rows[i].is_postponed);
        assert_int_equal(is_true_at(context, "change.is_on_again"), rows[i].is_on_again);
        /* A session that is put off is not called cancelled. */
        assert_int_equal(is_true_at(context, "change.has_dropped"), !rows[i].is_postponed);
        assert_true(is_true_at(context, "change.rows.0.is_dropped"));
        json_free(context);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_day_is_another_day_and_nothing_else),
        cmocka_unit_test(a_course_put_off_and_one_on_again_say_so),
        cmocka_unit_test(each_kind_of_difference_is_told_apart),
        cmocka_unit_test(a_new_link_is_no_new_venue_but_going_online_is),
        cmocka_unit_test(who_has_a_link_of_their_own_is_shown_no_row_for_another),
        cmocka_unit_test(sessions_come_go_and_stay),
        cmocka_unit_test(a_session_is_known_by_key_then_ref_then_place),
        cmocka_unit_test(a_move_across_the_change_of_clocks_says_both_zones),
        cmocka_unit_test(a_mail_without_a_change_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
