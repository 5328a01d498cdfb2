/* Lets the first allocation fail while a mail is made, then the second, and so on to the last: the
 * mail is whole or not there, and what stops it may be gone at the next attempt. The sanitizers,
 * under which this runs too, see what would leak. Valgrind is too slow for each: HANDBELL_UNIT_STEP
 * says that of so many allocations one fails, of other ones for each kind of mail. */
#include "queue/client/queue.h"
#include "tests/unit/shortage.h"
#include "worker/flow/batch.h"
#include "worker/flow/mail_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

/* jansson.h is for base/json.c alone. */
void json_set_alloc_funcs(void *(*allocate)(size_t size), void (*release)(void *memory));

static const char tenant_text[] =
    "{\"slug\":\"demo\",\"name\":\"Demo\",\"from_name\":\"D\xc3\xa9mo\","
    "\"from_address\":\"cpd@portal.example.org\",\"reply_to\":\"office@portal.example.org\","
    "\"dpo_contact\":\"dpo@portal.example.org\",\"privacy_url\":\"https://portal.example.org/p\","
    "\"postal_address\":\"County Hall\\nMarket Street\",\"base_url\":\"https://m.example.org/\","
    "\"bounce_domain\":\"bounce.example.org\",\"language\":\"en-GB\",\"brand\":{"
    "\"name\":\"Learning\",\"colour\":\"#0b525b\",\"logo\":{\"type\":\"image/gif\","
    "\"base64\":\"R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\"}}}";
static const char categories_text[] =
    "{\"1\":{\"kind\":\"subject\",\"name\":\"Maths\"},\"2\":{\"kind\":\"interest\","
    "\"name\":\"Primary\"},\"3\":{\"kind\":\"subject\",\"name\":\"Music\"}}";
static const char course_text[] =
    "{\"id\":7,\"title\":\"Teaching \xe2\x80\xa6 <fractions>\",\"summary\":\"One\\nTwo\","
    "\"booking_url\":\"https://portal.example.org/c/7\",\"contact\":\"The office\","
    "\"cost\":\"Free\",\"cancel_by_local\":\"2026-11-01T12:00\",\"bring\":\"A pen\","
    "\"joining_instructions\":\"Turn left.\\nKnock.\",\"cancel_reason\":\"The tutor is ill.\","
    "\"resources\":[{\"name\":\"Map\",\"url\":\"https://portal.example.org/map\"}],"
    "\"categories\":[1,2,3],\"sequence\":2,"
    "\"sessions\":[{\"key\":1,\"starts_unix\":1795426200,\"starts_local\":\"2026-11-23T09:30\","
    "\"ends_local\":\"2026-11-23T15:30\","
    "\"zone\":\"GMT\",\"venue\":\"Abbey Room\",\"venue_address\":\"1 High Street\\nTown\","
    "\"online_url\":\"https://meet.example.org/"
    "x\"},{\"key\":2,\"starts_local\":\"2026-11-24T09:30\"}],"
    "\"gone_sessions\":[{\"key\":3,\"starts_unix\":1795512600}]}";
#define PERSON                                                                                     \
    "\"person\":{\"id\":5,\"email\":\"a@example.org\",\"first_name\":\"Zo\xc3\xab\","              \
    "\"last_name\":\"O'Hara\"},\"courses\":[7]"
static const char *const messages[] = {
    "{\"id\":9,\"kind\":\"course_alert\",\"link_topic\":\"alerts\"," PERSON ",\"ticks\":[1,2,3]}",
    "{\"id\":9,\"kind\":\"booking_confirmed\",\"link_topic\":\"optional\"," PERSON
    ",\"booking\":{\"ref\":\"b1\",\"status\":\"confirmed\"}}",
    "{\"id\":9,\"kind\":\"joining_instructions\",\"link_topic\":\"optional\"," PERSON
    ",\"booking\":{\"ref\":\"b1\",\"status\":\"confirmed\",\"online_url\":\"https://m.test/o\"}}",
    "{\"id\":9,\"kind\":\"course_cancelled\",\"link_topic\":\"optional\"," PERSON
    ",\"roles\":{\"booker\":true,\"booked_for\":[\"Jo Smith\",\"Al Brown\"]}}",
    "{\"id\":9,\"kind\":\"course_changed\",\"link_topic\":\"optional\"," PERSON
    ",\"booking\":{\"status\":\"confirmed\",\"delegate_name\":\"Zo\xc3\xab O'Hara\"},"
    "\"change\":{\"title\":\"Old\",\"sessions\":[{\"key\":1,\"venue\":\"Barn\"},{\"key\":3}]}}",
};

struct desk {
    struct template_set *templates;
    struct token_keys keys;
    struct json *tenant;
    struct json *course;
    struct json *categories;
};

static struct json *parse(const char *text)
{
    struct json *value = json_parse(text, strlen(text), NULL);
    assert_non_null(value);
    return value;
}

static int set_up(void **state)
{
    static struct desk desk;
    struct error error = {0};
    json_set_alloc_funcs(__wrap_malloc, free);
    memset(&desk, 0, sizeof desk);
    desk.templates = template_set_load("templates", "", &error);
    assert_non_null(desk.templates);
    desk.keys.count = 1;
    memset(desk.keys.keys[0], 7, CRYPTO_KEY_BYTES);
    desk.tenant = parse(tenant_text);
    desk.course = parse(course_text);
    desk.categories = parse(categories_text);
    *state = &desk;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *desk = *state;
    json_free(desk->tenant);
    json_free(desk->course);
    json_free(desk->categories);
    template_set_free(desk->templates);
    return 0;
}

/* From what a claim brings to the bytes of a mail, as the worker does it. */
static bool make_mail(const struct desk *desk, const struct json *data, struct buf *out,
                      struct error *error)
{
    struct queue_claimed_course course = {.course_id = 7, .data = desk->course};
    struct batch *batch = batch_new(42, desk->tenant, &course, 1);
    struct mail_writer writer;
    bool is_made = false;
    mail_writer_init(&writer);
    writer.templates = desk->templates;
    writer.keys = &desk->keys;
    const struct mail_writer_input input = {.batch = batch,
                                            .data = data,
                                            .message_id = 9,
                                            .address = "a@example.org",
                                            .is_bulk = true,
                                            .now_unix_s = 1000000000};
    if (batch != NULL)
        batch->categories = json_hold(desk->categories);
    if (batch == NULL)
        error->exit_status = EX_OSERR;
    else
        is_made = mail_writer_write(&writer, &input, out, error);
    mail_writer_free(&writer);
    batch_free(batch);
    return is_made;
}

/* False once there is no allocation number `number` any more. */
static bool try_without(const struct desk *desk, const struct json *data, const struct buf *whole,
                        size_t number, bool stays_short)
{
    struct error error = {0};
    struct buf out;
    buf_init(&out, 1 << 20);
    shortage_begin(number, stays_short);
    bool is_made = make_mail(desk, data, &out, &error);
    bool has_failed = shortage_end();
    if (is_made) {
        assert_int_equal(out.size, whole->size);
        assert_memory_equal(out.data, whole->data, out.size);
    } else {
        assert_true(has_failed);
        assert_int_equal(out.size, 0);
        /* EX_DATAERR would end the message for good. */
        assert_int_equal(error.exit_status, EX_OSERR);
    }
    buf_free(&out);
    return has_failed;
}

static size_t step_between_failures(void)
{
    const char *text = getenv("HANDBELL_UNIT_STEP");
    unsigned long step = text != NULL ? strtoul(text, NULL, 10) : 1;
    return step > 0 ? step : 1;
}

static void a_mail_is_whole_or_comes_later_whatever_allocation_fails(void **state)
{
    const struct desk *desk = *state;
    const size_t step = step_between_failures();
    for (size_t kind = 0; kind < sizeof messages / sizeof messages[0]; kind++) {
        struct json *data = parse(messages[kind]);
        struct error error = {0};
        struct buf whole;
        buf_init(&whole, 1 << 20);
        assert_true(make_mail(desk, data, &whole, &error));
        for (int stays_short = 0; stays_short < 2; stays_short++) {
            size_t number = (2 * kind + (size_t)stays_short) % step;
            while (try_without(desk, data, &whole, number, stays_short != 0))
                number += step;
            assert_true(number > 100); /* or nothing was tried */
        }
        buf_free(&whole);
        json_free(data);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_mail_is_whole_or_comes_later_whatever_allocation_fails,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
