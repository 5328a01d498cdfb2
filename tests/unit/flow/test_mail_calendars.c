/* Proves who gets which calendar entries, that an entry keeps its name for life, and that none can
 * keep a mail from going. */
#include "queue/client/queue.h"
#include "worker/flow/mail_calendars.h"
#include "worker/mail/context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char tenant_text[] =
    "{\"slug\":\"demo\",\"from_name\":\"Demo\",\"from_address\":\"cpd@portal.example.org\","
    "\"time_zone\":\"Europe/London\"}";

/* One session before the clocks change, one after, one that has gone. */
static const char course_text[] =
    "{\"id\":77,\"title\":\"Leading\",\"sequence\":4,\"joining_instructions\":\"Read this.\","
    "\"contact\":\"Desk\",\"cancel_reason\":\"Illness\",\"booking_url\":\"https://p/77\","
    "\"sessions\":["
    "{\"key\":1,\"starts_unix\":1805794200,\"ends_unix\":1805805000,\"venue\":\"Hall\","
    "\"venue_address\":\"1 High St\\nYate\"},"
    "{\"key\":3,\"starts_unix\":1806395400,\"ends_unix\":null,\"online_url\":\"https://m/3\"}],"
    "\"gone_sessions\":[{\"key\":2,\"starts_unix\":1805880600,\"ends_unix\":1805891400}]}";

struct desk {
    struct mail_calendars calendars;
    struct batch *batch;
    struct buf unfolded;
};

static struct batch *batch_of(const char *tenant_facts, const char *course_facts)
{
    struct json *tenant = json_parse(tenant_facts, strlen(tenant_facts), NULL);
    struct json *course = json_parse(course_facts, strlen(course_facts), NULL);
    struct queue_claimed_course claimed = {.course_id = 77, .data = course};
    assert_non_null(tenant);
    assert_non_null(course);
    struct batch *batch = batch_new(42, tenant, &claimed, 1);
    assert_non_null(batch);
    json_free(tenant);
    json_free(course);
    return batch;
}

static int set_up(void **state)
{
    static struct desk desk;
    mail_calendars_init(&desk.calendars);
    desk.batch = batch_of(tenant_text, course_text);
    buf_init(&desk.unfolded, MAIL_CALENDARS_BYTES);
    *state = &desk;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *desk = *state;
    mail_calendars_free(&desk->calendars);
    batch_free(desk->batch);
    buf_free(&desk->unfolded);
    return 0;
}

/* How many entries a mail of that kind has, to somebody with these roles and this booking. */
static size_t write_entries(struct desk *desk, const char *kind, const char *person,
                            const char *roles, const char *booking)
{
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "{\"id\":9,\"kind\":\"%s\",\"created_unix\":1700000000,\"courses\":[77],"
                   "\"person\":%s,\"roles\":%s,\"booking\":%s}",
                   kind, person, roles, booking);
    struct json *data = json_parse(text, strlen(text), NULL);
    assert_non_null(data);
    const struct mail_calendars_input input = {
        .batch = desk->batch,
        .data = data,
        .course_views = batch_course_views(desk->batch, LANGUAGE_EN_GB),
        .recipient_name = "Ann Lee",
        .address = "ann@example.org",
        .now_unix_s = 1800000000,
    };
    assert_true(mail_calendars_write(&desk->calendars, &input));
    json_free(data);
    return desk->calendars.count;
}

static const char ann[] = "{\"id\":5,\"first_name\":\"Ann\",\"last_name\":\"Lee\"}";
static const char confirmed[] = "{\"status\":\"confirmed\"}";

/* Entry `index` with its folded lines joined (RFC 5545 section 3.1). */
static const char *entry_at(struct desk *desk, size_t index)
{
    const struct mail_calendar_part *part = &desk->calendars.parts[index];
    buf_reset(&desk->unfolded);
    for (size_t i = 0; i < part->size; i++) {
        if (i + 2 < part->size && memcmp(part->text + i, "\r\n ", 3) == 0)
            i += 2;
        else
            buf_append_char(&desk->unfolded, part->text[i]);
    }
    return desk->unfolded.data;
}

static void assert_has(const char *entry, const char *line)
{
    if (strstr(entry, line) == NULL)
        fail_msg("%s is not in\n%s", line, entry);
}

static void each_kind_asks_or_cancels_as_the_table_says(void **state)
{
    struct desk *desk = *state;
    static const struct {
        const char *kind;
        size_t count;
        enum mail_calendar_method first;
        enum mail_calendar_method last;
    } rows[] = {
        {"booking_confirmed", 2, MAIL_CALENDAR_REQUEST, MAIL_CALENDAR_REQUEST},
        {"joining_instructions", 2, MAIL_CALENDAR_REQUEST, MAIL_CALENDAR_REQUEST},
        {"course_changed", 3, MAIL_CALENDAR_REQUEST, MAIL_CALENDAR_CANCEL},
        {"course_cancelled", 3, MAIL_CALENDAR_CANCEL, MAIL_CALENDAR_CANCEL},
        {"booking_cancelled", 3, MAIL_CALENDAR_CANCEL, MAIL_CALENDAR_CANCEL},
        {"reminder", 0, 0, 0},
        {"course_alert", 0, 0, 0},
        {"booking_requested", 0, 0, 0},
        {"place_offered", 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(write_entries(desk, rows[i].kind, ann, "null", confirmed), rows[i].count);
        if (rows[i].count == 0)
            continue;
        assert_int_equal(desk->calendars.parts[0].method, rows[i].first);
        assert_int_equal(desk->calendars.parts[rows[i].count - 1].method, rows[i].last);
        for (size_t k = 0; k < rows[i].count; k++) {
            char method[32];
            const struct mail_calendar_part *part = &desk->calendars.parts[k];
            (void)snprintf(method, sizeof method, "METHOD:%s\r\n",
                           mail_calendar_method_name(part->method));
            const char *entry = entry_at(desk, k);
            assert_has(entry, method);
            assert_int_equal(strncmp(entry, "BEGIN:VCALENDAR\r\n", 17), 0);
            assert_string_equal(entry + strlen(entry) - 15, "END:VCALENDAR\r\n");
        }
    }
    assert_int_equal(desk->calendars.left_out, 0);
}

static void only_who_has_a_place_gets_entries(void **state)
{
    struct desk *desk = *state;
    static const struct {
        const char *kind;
        const char *person;
        const char *roles;
        const char *booking;
        size_t count;
    } rows[] = {
        {"course_changed", ann, "{\"delegate\":true,\"tutor\":true}", confirmed, 3},
        {"course_changed", ann, "null", "{\"status\":\"waiting\"}", 0},
        {"course_cancelled", ann, "null", "{\"status\":\"requested\"}", 0},
        {"course_cancelled", ann, "{\"tutor\":true}", "null", 0},
        {"course_cancelled", ann, "{\"booker\":true,\"booked_for\":[\"Jo\"]}", confirmed, 0},
        {"course_cancelled", "null", "{\"provider\":true}", "null", 0},
        {"course_cancelled", ann, "null", "null", 0},
        {"booking_confirmed", ann, "null",
         "{\"status\":\"confirmed\",\"delegate_name\":\"Jo Smith\"}", 0},
        {"booking_confirmed", ann, "null",
         "{\"status\":\"confirmed\",\"delegate_name\":\"Ann Lee\"}", 2},
        {"booking_cancelled", ann, "null", "{\"status\":\"cancelled\"}", 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(
            write_entries(desk, rows[i].kind, rows[i].person, rows[i].roles, rows[i].booking),
            rows[i].count);
}

static void an_entry_holds_what_the_delegate_needs(void **state)
{
    struct desk *desk = *state;
    assert_int_equal(write_entries(desk, "booking_confirmed", ann, "null", confirmed), 2);
    const char *entry = entry_at(desk, 0);
    assert_has(entry, "UID:hb.42.77.1@portal.example.org\r\n");
    assert_has(entry, "SEQUENCE:4\r\n");
    assert_has(entry, "DTSTAMP:20231114T221320Z\r\n");
    assert_has(entry, "DTSTART;TZID=Europe/London:20270323T093000\r\n");
    assert_has(entry, "DTEND;TZID=Europe/London:20270323T123000\r\n");
    assert_has(entry, "SUMMARY:Leading\r\n");
    assert_has(entry, "LOCATION:Hall\\, 1 High St\\, Yate\r\n");
    assert_has(entry, "DESCRIPTION:Read this.\\n\\nDesk\r\n");
    assert_has(entry, "mailto:cpd@portal.example.org\r\n");
    assert_has(entry, "mailto:ann@example.org\r\n");
    assert_has(entry, "https://p/77\r\n");
    assert_string_equal(desk->calendars.parts[0].name, "session-1.ics");
    entry = entry_at(desk, 1);
    /* Half past nine on the wall again, an hour earlier by the sun. */
    assert_has(entry, "DTSTART;TZID=Europe/London:20270330T093000\r\n");
    assert_has(entry, "LOCATION:https://m/3\r\n");
    assert_null(strstr(entry, "DTEND"));
    assert_string_equal(desk->calendars.parts[1].name, "session-2.ics");
}

static void ones_own_link_stands_in_the_place_of_the_sessions(void **state)
{
    struct desk *desk = *state;
    (void)write_entries(desk, "booking_confirmed", ann, "null",
                        "{\"status\":\"confirmed\",\"online_url\":\"https://m/own\"}");
    assert_has(entry_at(desk, 1), "LOCATION:https://m/own\r\n");
    assert_null(strstr(entry_at(desk, 0), "https://m/own"));
    (void)write_entries(desk, "booking_confirmed", ann, "null",
                        "{\"status\":\"confirmed\",\"online_url\":\"javascript:x\"}");
    assert_has(entry_at(desk, 1), "LOCATION:https://m/3\r\n");
}

/* Where each delegate has a link of their own, the sessions need none. */
static void ones_own_link_is_where_a_session_without_a_place_is(void **state)
{
    struct desk *desk = *state;
    batch_free(desk->batch);
    desk->batch = batch_of(tenant_text, "{\"id\":77,\"title\":\"Leading\",\"sessions\":["
                                        "{\"key\":1,\"starts_unix\":1805794200}]}");
    (void)write_entries(desk, "booking_confirmed", ann, "null",
                        "{\"status\":\"confirmed\",\"online_url\":\"https://m/own\"}");
    assert_has(entry_at(desk, 0), "LOCATION:https://m/own\r\n");
}

/* What a delegate was asked to is what is cancelled: by the same names. */
static void a_cancellation_names_the_same_entries(void **state)
{
    struct desk *desk = *state;
    (void)write_entries(desk, "course_cancelled", ann, "null", confirmed);
    assert_has(entry_at(desk, 0), "UID:hb.42.77.1@portal.example.org\r\n");
    assert_has(entry_at(desk, 0), "STATUS:CANCELLED\r\n");
    assert_has(entry_at(desk, 0), "DESCRIPTION:Illness\r\n");
    assert_has(entry_at(desk, 1), "UID:hb.42.77.3@portal.example.org\r\n");
    (void)write_entries(desk, "course_changed", ann, "null", confirmed);
    assert_has(entry_at(desk, 2), "UID:hb.42.77.2@portal.example.org\r\n");
    assert_has(entry_at(desk, 2), "STATUS:CANCELLED\r\n");
}

/* A notice of a change takes out what its reader knew; any other mail what is still to come. */
static void a_session_that_went_is_taken_out_where_it_may_still_be(void **state)
{
    struct desk *desk = *state;
    static const char past[] =
        "{\"id\":77,\"title\":\"T\",\"sessions\":[],\"gone_sessions\":["
        "{\"key\":1,\"starts_unix\":1799999999},{\"key\":2,\"starts_unix\":1805880600},"
        "{\"key\":3,\"starts_unix\":1805967000}]}";
    static const char knew[] = "{\"status\":\"confirmed\"},\"change\":{\"sessions\":[{\"key\":1},{"
                               "\"key\":3},{\"key\":4}]}";
    batch_free(desk->batch);
    desk->batch = batch_of(tenant_text, past);
    assert_int_equal(write_entries(desk, "course_cancelled", ann, "null", confirmed), 2);
    assert_has(entry_at(desk, 0), "UID:hb.42.77.2@");
    assert_has(entry_at(desk, 1), "UID:hb.42.77.3@");
    assert_int_equal(write_entries(desk, "course_changed", ann, "null", knew), 2);
    assert_has(entry_at(desk, 0), "UID:hb.42.77.1@");
    assert_has(entry_at(desk, 1), "UID:hb.42.77.3@");
    assert_int_equal(write_entries(desk, "joining_instructions", ann, "null", confirmed), 0);
}

static void what_no_entry_can_be_made_of_costs_the_entry_alone(void **state)
{
    struct desk *desk = *state;
    static const struct {
        const char *tenant;
        const char *sessions;
        size_t count;
        size_t left_out;
    } rows[] = {
        {tenant_text, "{\"key\":1,\"starts_unix\":1805794200,\"ends_unix\":1}", 0, 1},
        {tenant_text, "{\"starts_unix\":1805794200}", 0, 0},
        {tenant_text, "{\"key\":1,\"starts_unix\":null},{\"key\":2,\"starts_unix\":1805794200}", 1,
         0},
        {"{\"from_address\":\"a@e.org\",\"time_zone\":\"Mars/Olympus\"}",
         "{\"key\":1,\"starts_unix\":1805794200}", 0, 1},
        {"{\"from_address\":\"a@e.org\"}", "{\"key\":1,\"starts_unix\":1805794200}", 1, 0},
        {"{}", "{\"key\":1,\"starts_unix\":1805794200}", 0, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char course[500];
        size_t before = desk->calendars.left_out;
        (void)snprintf(course, sizeof course, "{\"id\":77,\"title\":\"T\",\"sessions\":[%s]}",
                       rows[i].sessions);
        batch_free(desk->batch);
        desk->batch = batch_of(rows[i].tenant, course);
        assert_int_equal(write_entries(desk, "booking_confirmed", ann, "null", confirmed),
                         rows[i].count);
        assert_int_equal(desk->calendars.left_out - before, rows[i].left_out);
    }
}

static void a_long_course_is_not_described_in_every_entry(void **state)
{
    struct desk *desk = *state;
    char course[16 * 1024];
    size_t at = (size_t)snprintf(course, sizeof course,
                                 "{\"id\":77,\"title\":\"T\",\"joining_instructions\":\"Read\","
                                 "\"sessions\":[");
    for (int i = 1; i <= MAIL_CONTEXT_SESSIONS_MAXIMUM + 5; i++)
        at += (size_t)snprintf(course + at, sizeof course - at, "%s{\"key\":%d,\"starts_unix\":%d}",
                               i > 1 ? "," : "", i, 1805794200 + i * 86400);
    (void)snprintf(course + at, sizeof course - at, "]}");
    batch_free(desk->batch);
    desk->batch = batch_of(tenant_text, course);
    assert_int_equal(write_entries(desk, "booking_confirmed", ann, "null", confirmed),
                     MAIL_CONTEXT_SESSIONS_MAXIMUM);
    assert_null(strstr(desk->calendars.text.data, "DESCRIPTION"));
    assert_string_equal(desk->calendars.parts[99].name, "session-100.ics");
    assert_has(entry_at(desk, 99), "UID:hb.42.77.100@");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_kind_asks_or_cancels_as_the_table_says, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(only_who_has_a_place_gets_entries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_entry_holds_what_the_delegate_needs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ones_own_link_stands_in_the_place_of_the_sessions, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(ones_own_link_is_where_a_session_without_a_place_is, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_cancellation_names_the_same_entries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_session_that_went_is_taken_out_where_it_may_still_be,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_no_entry_can_be_made_of_costs_the_entry_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_long_course_is_not_described_in_every_entry, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
