/* Proves that facts become the words of a mail, and that what is missing is simply not there. */
#include "tests/unit/mail/context_reading.h"

#include <stdio.h>

/* The context of `message` with `courses`, both as JSON, in a language. */
static struct json *context_in(enum language language, const char *message, const char *courses)
{
    static const char categories_text[] = "{\"1\":{\"kind\":\"subject\",\"name\":\"Maths\"},"
                                          "\"2\":{\"kind\":\"subject\",\"name\":\"Music\"},"
                                          "\"3\":{\"kind\":\"audience\",\"name\":\"Year 5\"},"
                                          "\"4\":{\"kind\":\"interest\",\"name\":\"Addysg\"}}";
    struct json *tenant_facts =
        parse("{\"name\":\"Desk\",\"language\":\"cy\",\"privacy_url\":\"javascript:x\","
              "\"postal_address\":\"1 High St\\r\\n\\nYate\\n\"}");
    struct json *course_facts = parse(courses);
    struct json *message_facts = parse(message);
    struct json *categories = parse(categories_text);
    struct json *tenant = mail_context_tenant(tenant_facts, NULL);
    struct json *by_id = mail_context_by_id(course_facts);
    struct json *views = mail_context_courses(by_id, language);
    const struct mail_context_input input = {.language = language,
                                             .tenant_view = tenant,
                                             .courses = by_id,
                                             .course_views = views,
                                             .categories = categories,
                                             .message = message_facts,
                                             .opt_out_url = "https://x/u/t"};
    struct json *context = mail_context_message(&input);
    assert_non_null(context);
    json_free(tenant_facts);
    json_free(course_facts);
    json_free(message_facts);
    json_free(categories);
    json_free(tenant);
    json_free(by_id);
    json_free(views);
    return context;
}

static struct json *context_of(const char *message, const char *courses)
{
    return context_in(LANGUAGE_EN_GB, message, courses);
}

static void the_greeting_uses_the_best_name_there_is(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        const char *greeting;
        const char *name;
    } rows[] = {
        {"{\"person\":{\"first_name\":\"Ann\",\"last_name\":\"Lee\"}}", "Ann", "Ann Lee"},
        {"{\"person\":{\"display_name\":\"Dr Lee\",\"last_name\":\"Lee\"}}", "Dr Lee", "Dr Lee"},
        {"{\"person\":{\"first_name\":\"Katherine\",\"display_name\":\"Kate Lee\"}}", "Kate Lee",
         "Kate Lee"},
        {"{\"person\":{\"first_name\":\"Ann\",\"display_name\":\"Anna Lee\"}}", "Anna Lee",
         "Anna Lee"},
        {"{\"person\":{\"first_name\":\"Ann\",\"display_name\":\"Dr Ann Lee\"}}", "Ann",
         "Dr Ann Lee"},
        {"{\"person\":{\"last_name\":\"Lee\"}}", "Lee", "Lee"},
        {"{\"person\":{\"first_name\":null}}", "", ""},
        {"{\"person\":null,\"establishment\":{\"name\":\"Yate School\"}}", "Yate School",
         "Yate School"},
        {"{}", "", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct json *context = context_of(rows[i].message, "[]");
        assert_string_equal(text_at(context, "greeting_name"), rows[i].greeting);
        assert_string_equal(text_at(context, "person_name"), rows[i].name);
        json_free(context);
    }
}

static void a_shared_mailbox_is_told_for_whom_the_mail_is(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        const char *for_whom;
    } rows[] = {
        {"{\"person\":{\"first_name\":\"Ann\",\"email\":\"office@e.org\"}}", "Ann"},
        {"{\"person\":{\"first_name\":\"Ann\",\"email\":\"ann@e.org\"}}", ""},
        {"{\"person\":{\"first_name\":\"Ann\",\"last_name\":\"Lee\",\"email\":\"ann@e.org\","
         "\"shares_address\":true}}",
         "Ann Lee"},
        {"{\"person\":{\"email\":\"office@e.org\"}}", ""},
        {"{\"establishment\":{\"name\":\"Yate School\",\"email\":\"office@e.org\"}}", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct json *context = context_of(rows[i].message, "[]");
        assert_string_equal(text_at(context, "for_whom"), rows[i].for_whom);
        json_free(context);
    }
    struct json *message = parse("{\"person\":{\"first_name\":\"Ann\",\"email\":\"ann@e.org\"}}");
    const struct mail_context_input input = {.message = message, .address = "head@e.org"};
    struct json *context = mail_context_message(&input);
    assert_string_equal(text_at(context, "for_whom"), "Ann");
    json_free(context);
    json_free(message);
}

static void a_booking_is_ones_own_or_says_whose_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *person;
        const char *roles;
        const char *delegate;
        bool is_for_other;
    } rows[] = {
        {"{\"first_name\":\"Ann\",\"last_name\":\"Lee\"}", "null", "Ann Lee", false},
        {"{\"first_name\":\"Ann\",\"last_name\":\"Lee\"}", "null", "Ann Leek", true},
        {"{\"first_name\":\"Ann\",\"last_name\":\"Lee\"}", "null", "Ann", true},
        {"{\"first_name\":\"Ann\",\"last_name\":\"Lee\"}", "null", "", false},
        {"{\"first_name\":\"Ann\"}", "null", "Ann", false},
        {"{\"last_name\":\"Lee\"}", "null", "Lee", false},
        {"{\"last_name\":\"Lee\"}", "null", "Ann Lee", true},
        {"{\"display_name\":\"Dr Lee\",\"last_name\":\"Lee\"}", "null", "Dr Lee", false},
        {"{\"display_name\":\"Dr Lee\",\"last_name\":\"Lee\"}", "null", "Lee", true},
        {"{\"first_name\":\"Ann\"}", "{\"delegate\":true}", "Bob", false},
        {"{\"first_name\":\"Ann\"}", "{\"booker\":true}", "Ann", true},
        {"null", "null", "Ann", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char message[512];
        (void)snprintf(message, sizeof message,
                       "{\"person\":%s,\"roles\":%s,\"booking\":{\"delegate_name\":\"%s\"}}",
                       rows[i].person, rows[i].roles, rows[i].delegate);
        struct json *context = context_of(message, "[]");
        if (is_true_at(context, "booking.is_for_other") != rows[i].is_for_other)
            fail_msg("row %zu", i);
        json_free(context);
    }
}

/* Until when an offer holds and what became of a booking, in the words of the language. */
static void a_booking_says_its_state_and_the_offers_end(void **state)
{
    (void)state;
    static const char *const statuses[] = {"confirmed", "waiting",  "offered",  "requested",
                                           "approved",  "declined", "cancelled"};
    static const char *const names[] = {"is_confirmed", "is_waiting",  "is_offered",
                                        "is_requested", "is_approved", "is_declined",
                                        "is_cancelled"};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        char message[200];
        (void)snprintf(message, sizeof message,
                       "{\"booking\":{\"ref\":\"B1\",\"status\":\"%s\","
                       "\"offer_expires_local\":\"2026-11-16T17:00\"}}",
                       statuses[i]);
        struct json *context = context_in(LANGUAGE_CY, message, "[]");
        const struct json *booking = value_at(context, "booking");
        assert_true(json_find_true(booking, names[i]));
        assert_int_equal(json_find_true(booking, "is_waiting"), i == 1 || i == 2);
        assert_int_equal(json_find_true(booking, "is_requested"), i == 3 || i == 4);
        assert_string_equal(text_at(booking, "offer_expires"), "5pm ddydd Llun 16 Tachwedd 2026");
        json_free(context);
    }
}

static void the_link_says_what_it_stops(void **state)
{
    (void)state;
    struct json *context = context_of("{\"link_topic\":\"optional\"}", "[]");
    assert_true(json_find_true(context, "stops_optional"));
    assert_false(json_find_true(context, "stops_alerts"));
    assert_false(json_find_true(context, "stops_bulletin"));
    json_free(context);
    struct json *message = parse("{\"link_topic\":\"alerts\"}");
    struct mail_context_input input = {.message = message, .opt_out_url = ""};
    context = mail_context_message(&input);
    assert_false(json_find_true(context, "stops_alerts"));
    json_free(context);
    input.opt_out_url = "https://x/";
    context = mail_context_message(&input);
    assert_true(json_find_true(context, "stops_alerts"));
    json_free(context);
    json_free(message);
}

static void an_alert_says_when_where_and_why(void **state)
{
    (void)state;
    struct json *context =
        context_of("{\"courses\":[12,99,13],\"ticks\":[99,4,3,1,2]}",
                   "[{\"id\":12,\"title\":\"A\",\"categories\":[4,7,3,1],\"sessions\":[{\"starts_"
                   "local\":\"2026-11-23T09:30\","
                   "\"ends_local\":\"2026-11-23T15:30\",\"zone\":\"GMT\",\"venue\":\"Hall\"},"
                   "{\"starts_local\":\"2026-11-24T09:30\",\"online_url\":\"https://m/1\"}]},"
                   "{\"id\":13,\"title\":\"B\",\"categories\":[2,4]}]");
    assert_string_equal(text_at(context, "courses.0.course.title"), "A");
    assert_string_equal(text_at(context, "courses.0.because"), "Maths, Year 5 and Addysg");
    assert_string_equal(text_at(context, "courses.0.course.first_day"), "Monday 23 November 2026");
    assert_string_equal(text_at(context, "courses.0.course.first_times"), "9.30am to 3.30pm GMT");
    assert_string_equal(text_at(context, "courses.0.course.first_venue"), "Hall");
    assert_string_equal(text_at(context, "courses.0.course.sessions.1.online_url"), "https://m/1");
    assert_string_equal(text_at(context, "courses.0.course.sessions.1.venue"), "");
    assert_string_equal(text_at(context, "courses.1.because"), "Music and Addysg");
    assert_string_equal(text_at(context, "courses.1.course.first_day"), "");
    assert_int_equal(json_array_count(json_find(context, "courses")), 2);
    assert_int_equal(json_find_integer(context, "course_count", 0), 2);
    assert_true(json_find_true(context, "is_many"));
    assert_false(json_find_true(context, "is_one"));
    assert_string_equal(text_at(context, "course.title"), "A");
    json_free(context);
}

static void a_link_of_another_scheme_is_left_out(void **state)
{
    (void)state;
    struct json *context = context_of(
        "{\"courses\":[1],\"booking\":{\"online_url\":\"data:x\",\"status\":\"confirmed\"}}",
        "[{\"id\":1,\"booking_url\":\"javascript:alert(1)\",\"resources\":["
        "{\"name\":\"a\",\"url\":\"javascript:x\"},{\"url\":\"https://r/\"},"
        "{\"name\":\"b\",\"url\":\"https://r/ x\"},{\"name\":\"c\",\"url\":\"http://r/c\"}]}]");
    assert_string_equal(text_at(context, "course.booking_url"), "");
    assert_string_equal(text_at(context, "booking.online_url"), "");
    assert_string_equal(text_at(context, "tenant.privacy_url"), "");
    const struct json *resources = json_find(json_find(context, "course"), "resources");
    assert_int_equal(json_array_count(resources), 2);
    assert_string_equal(text_at(context, "course.resources.0.name"), "https://r/");
    assert_string_equal(text_at(context, "course.resources.1.name"), "c");
    json_free(context);
}

static void roles_are_the_ones_given_and_else_a_delegates(void **state)
{
    (void)state;
    struct json *context = context_of(
        "{\"roles\":{\"delegate\":false,\"booker\":true,\"booked_for\":[\"Jo\",\"Al\"]}}", "[]");
    assert_false(json_find_true(context, "is_delegate"));
    assert_true(json_find_true(context, "is_booker"));
    assert_string_equal(text_at(context, "booked_for"), "Jo and Al");
    json_free(context);
    context = context_of("{\"roles\":{\"delegate\":true,\"tutor\":true}}", "[]");
    assert_true(json_find_true(context, "is_delegate"));
    assert_true(json_find_true(context, "is_tutor"));
    json_free(context);
    context = context_of("{\"roles\":null}", "[]");
    assert_true(json_find_true(context, "is_delegate"));
    assert_false(json_find_true(context, "is_provider"));
    json_free(context);
}

static void many_names_are_counted(void **state)
{
    (void)state;
    char message[2000] = "{\"roles\":{\"booker\":true,\"booked_for\":[\"Jo\"";
    for (int i = 0; i < 52; i++)
        strcat(message, ",\"Jo\"");
    strcat(message, "]}}");
    struct json *context = context_of(message, "[]");
    const char *names = text_at(context, "booked_for");
    assert_string_equal(names + strlen(names) - 15, ", Jo and 3 more");
    json_free(context);
}

static void who_has_no_name_is_counted(void **state)
{
    (void)state;
    static const struct {
        const char *names;
        const char *booked_for;
    } rows[] = {
        {"\"\",\"Ann Lee\"", "Ann Lee and 1 more"},
        {"\"Ann Lee\",\"\",null,\"Jo\"", "Ann Lee, Jo and 2 more"},
        {"\"\",\"\"", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char message[200];
        (void)snprintf(message, sizeof message, "{\"roles\":{\"booker\":true,\"booked_for\":[%s]}}",
                       rows[i].names);
        struct json *context = context_of(message, "[]");
        assert_string_equal(text_at(context, "booked_for"), rows[i].booked_for);
        json_free(context);
    }
}

/* "Please do not travel" must reach all who might. */
static void a_course_is_only_online_where_nobody_can_travel_to_it(void **state)
{
    (void)state;
    static const struct {
        const char *sessions;
        const char *own_link;
        bool is_only_online;
    } rows[] = {
        {"{\"online_url\":\"https://m/1\"}", "", true},
        {"{\"online_url\":\"https://m/1\"},{}", "", true},
        {"{}", "https://m/own", true},
        {"{}", "", false},
        {"", "", false},
        {"{\"online_url\":\"https://m/1\"},{\"venue\":\"Hall\"}", "", false},
        {"{\"online_url\":\"https://m/1\",\"venue_address\":\"1 High St\"}", "", false},
        {"{\"venue\":\"Hall\"}", "https://m/own", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char courses[200];
        char message[200];
        (void)snprintf(courses, sizeof courses, "[{\"id\":1,\"sessions\":[%s]}]", rows[i].sessions);
        (void)snprintf(message, sizeof message,
                       "{\"courses\":[1],\"booking\":{\"online_url\":\"%s\"}}", rows[i].own_link);
        struct json *context = context_of(message, courses);
        if (json_find_true(context, "is_only_online") != rows[i].is_only_online)
            fail_msg("row %zu", i);
        json_free(context);
    }
}

static void only_who_has_a_place_has_a_link_of_their_own(void **state)
{
    (void)state;
    static const char *const statuses[] = {"confirmed", "cancelled", "requested", "waiting"};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        char message[200];
        (void)snprintf(message, sizeof message,
                       "{\"booking\":{\"status\":\"%s\",\"online_url\":\"https://m/own\"}}",
                       statuses[i]);
        struct json *context = context_of(message, "[]");
        assert_string_equal(text_at(context, "booking.online_url"), i == 0 ? "https://m/own" : "");
        json_free(context);
    }
}

static void the_entries_that_go_along_are_counted(void **state)
{
    (void)state;
    for (size_t count = 0; count < 3; count++) {
        const struct mail_context_input input = {.calendar_count = count};
        struct json *context = mail_context_message(&input);
        assert_int_equal(json_find_true(context, "has_calendar"), count > 0);
        assert_int_equal(json_find_true(context, "has_many_calendars"), count > 1);
        json_free(context);
    }
}

static void long_texts_come_in_lines_too(void **state)
{
    (void)state;
    struct json *context = context_of(
        "{\"courses\":[1]}",
        "[{\"id\":1,\"bring\":\"a\\n\\nb\\n\\n\",\"cancel_by_local\":\"2026-11-16T17:00\"}]");
    const struct json *course = json_find(context, "course");
    const struct json *lines = json_find(course, "bring_lines");
    assert_int_equal(json_array_count(lines), 3);
    assert_string_equal(json_text(json_array_at(lines, 1), NULL), "");
    assert_int_equal(json_array_count(json_find(course, "summary_lines")), 0);
    assert_string_equal(text_at(course, "cancel_by"), "5pm on Monday 16 November 2026");
    assert_int_equal(
        json_array_count(json_find(json_find(context, "tenant"), "postal_address_lines")), 3);
    json_free(context);
}

static void facts_of_the_wrong_type_are_as_absent(void **state)
{
    (void)state;
    struct json *context = context_of(
        "{\"courses\":{\"a\":1},\"ticks\":[],\"person\":5,\"booking\":[],\"roles\":\"x\"}",
        "[{\"id\":1,\"title\":7,\"sessions\":{},\"resources\":\"x\"},5]");
    assert_int_equal(json_find_integer(context, "course_count", -1), 0);
    assert_string_equal(text_at(context, "person_name"), "");
    json_free(context);
    const struct mail_context_input input = {0};
    context = mail_context_message(&input);
    assert_non_null(context);
    json_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_greeting_uses_the_best_name_there_is),
        cmocka_unit_test(a_shared_mailbox_is_told_for_whom_the_mail_is),
        cmocka_unit_test(a_booking_is_ones_own_or_says_whose_it_is),
        cmocka_unit_test(a_booking_says_its_state_and_the_offers_end),
        cmocka_unit_test(the_link_says_what_it_stops),
        cmocka_unit_test(an_alert_says_when_where_and_why),
        cmocka_unit_test(a_link_of_another_scheme_is_left_out),
        cmocka_unit_test(roles_are_the_ones_given_and_else_a_delegates),
        cmocka_unit_test(many_names_are_counted),
        cmocka_unit_test(who_has_no_name_is_counted),
        cmocka_unit_test(a_course_is_only_online_where_nobody_can_travel_to_it),
        cmocka_unit_test(only_who_has_a_place_has_a_link_of_their_own),
        cmocka_unit_test(the_entries_that_go_along_are_counted),
        cmocka_unit_test(long_texts_come_in_lines_too),
        cmocka_unit_test(facts_of_the_wrong_type_are_as_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
