/* Proves what a mail carries that is ours to decide: its Message-ID, its opt-out links, and that a
 * message which cannot be written says why and names nobody. */
#include "worker/flow/mail_writer.h"
#include "worker/model/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char tenant_text[] =
    "{\"slug\":\"demo\",\"name\":\"Demo\",\"from_name\":\"Demo\","
    "\"from_address\":\"cpd@portal.example.org\",\"base_url\":\"https://m.example.org/\","
    "\"bounce_domain\":\"bounce.example.org\"}";
static const char alert_text[] =
    "{\"id\":9,\"kind\":\"course_alert\",\"link_topic\":\"alerts\",\"created_unix\":1700000000,"
    "\"person\":{\"id\":5,\"email\":\"old@example.org\",\"first_name\":\"Ann\"},"
    "\"courses\":[],\"ticks\":[]}";
static const char school_text[] =
    "{\"id\":9,\"kind\":\"course_cancelled\",\"link_topic\":\"optional\","
    "\"establishment\":{\"id\":5,\"name\":\"A School\",\"email\":\"old@example.org\"},"
    "\"courses\":[],\"roles\":{\"provider\":true}}";

static const char person_text[] =
    "{\"id\":9,\"kind\":\"course_cancelled\",\"link_topic\":\"optional\","
    "\"person\":{\"id\":5,\"first_name\":\"Ann\",\"last_name\":\"Lee\"},\"courses\":[]}";

struct desk {
    struct template_set *templates;
    struct token_keys keys;
    struct mail_writer writer;
    struct batch *batch;
    struct buf out;
    struct error error;
    bool is_single; /* not bulk */
};

static int set_up(void **state)
{
    static struct desk desk;
    /* The tests are run from the top of the tree. */
    struct json *tenant = json_parse(tenant_text, strlen(tenant_text), NULL);
    memset(&desk, 0, sizeof desk);
    desk.templates = template_set_load("templates", "", &desk.error);
    if (desk.templates == NULL)
        print_message("%s\n", desk.error.text);
    assert_non_null(desk.templates);
    desk.keys.count = 1;
    memset(desk.keys.keys[0], 7, CRYPTO_KEY_BYTES);
    mail_writer_init(&desk.writer);
    desk.writer.templates = desk.templates;
    desk.writer.keys = &desk.keys;
    desk.batch = batch_new(42, tenant, NULL, 0);
    assert_non_null(desk.batch);
    buf_init(&desk.out, 1 << 20);
    json_free(tenant);
    *state = &desk;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *desk = *state;
    buf_free(&desk->out);
    batch_free(desk->batch);
    mail_writer_free(&desk->writer);
    template_set_free(desk->templates);
    return 0;
}

static bool write_mail(struct desk *desk, const char *text, const char *address)
{
    struct json *data = json_parse(text, strlen(text), NULL);
    const struct mail_writer_input input = {.batch = desk->batch,
                                            .data = data,
                                            .message_id = 9,
                                            .address = address,
                                            .is_bulk = !desk->is_single,
                                            .now_unix_s = 1000000000};
    buf_reset(&desk->out);
    bool is_written = mail_writer_write(&desk->writer, &input, &desk->out, &desk->error);
    json_free(data);
    return is_written;
}

static void a_mail_goes_to_the_address_of_the_mark_under_its_own_message_id(void **state)
{
    struct desk *desk = *state;
    assert_true(write_mail(desk, alert_text, "new@example.org"));
    assert_non_null(
        strstr(desk->out.data, "\r\nMessage-ID: <hb.42.9.1700000000@portal.example.org>\r\n"));
    assert_non_null(strstr(desk->out.data, "new@example.org"));
    assert_null(strstr(desk->out.data, "old@example.org"));
    assert_string_equal(mail_writer_sender(desk->batch), "cpd@portal.example.org");
}

static void the_opt_out_links_carry_a_token_for_this_person_and_topic(void **state)
{
    struct desk *desk = *state;
    struct token token;
    assert_true(write_mail(desk, alert_text, "new@example.org"));
    const char *url = strstr(desk->out.data, "<https://m.example.org/u/");
    assert_non_null(url);
    url += strlen("<https://m.example.org/u/");
    assert_true(token_read(&desk->keys, url, 55, TOKEN_POWER_OPT_OUT, &token));
    assert_int_equal(token.tenant_id, 42);
    assert_int_equal(token.person_id, 5);
    assert_int_equal(token.topic, TOPIC_ALERTS);
    const char *mailto = strstr(desk->out.data, "<mailto:u-");
    assert_non_null(mailto);
    assert_memory_equal(mailto + strlen("<mailto:u-"), url, 55);
    assert_non_null(strstr(mailto, "@bounce.example.org?subject=unsubscribe>"));
    assert_non_null(strstr(desk->out.data, "List-Unsubscribe-Post: List-Unsubscribe=One-Click"));
}

static void an_establishment_gets_no_opt_out_link(void **state)
{
    struct desk *desk = *state;
    assert_true(write_mail(desk, school_text, "office@example.org"));
    assert_null(strstr(desk->out.data, "List-Unsubscribe"));
    assert_null(strstr(desk->out.data, "/u/"));
    assert_non_null(strstr(desk->out.data, "A School"));
}

static void the_same_message_gives_the_same_bytes_again(void **state)
{
    struct desk *desk = *state;
    struct buf first;
    buf_init(&first, 1 << 20);
    assert_true(write_mail(desk, alert_text, "new@example.org"));
    assert_true(buf_append(&first, desk->out.data, desk->out.size));
    assert_true(write_mail(desk, alert_text, "new@example.org"));
    assert_int_equal(first.size, desk->out.size);
    assert_memory_equal(first.data, desk->out.data, first.size);
    buf_free(&first);
}

/* What a mail to a person of that language, or none, says of itself. */
static const char *language_of(struct desk *desk, const char *language)
{
    static char lang[16];
    char text[512];
    (void)snprintf(text, sizeof text,
                   "{\"id\":9,\"kind\":\"course_cancelled\",\"person\":{\"id\":5,"
                   "\"first_name\":\"Ann\",\"language\":%s},\"courses\":[]}",
                   language);
    assert_true(write_mail(desk, text, "ann@example.org"));
    const char *found = strstr(desk->writer.html.data, "<html lang=\"");
    assert_non_null(found);
    found += strlen("<html lang=\"");
    (void)snprintf(lang, sizeof lang, "%.*s", (int)strcspn(found, "\""), found);
    return lang;
}

static void tenant_replace(struct desk *desk, const char *text)
{
    struct json *tenant = json_parse(text, strlen(text), NULL);
    assert_non_null(tenant);
    batch_free(desk->batch);
    desk->batch = batch_new(42, tenant, NULL, 0);
    assert_non_null(desk->batch);
    json_free(tenant);
}

static void the_language_is_the_persons_then_the_tenants_then_english(void **state)
{
    struct desk *desk = *state;
    assert_string_equal(language_of(desk, "\"cy\""), "cy");
    assert_string_equal(language_of(desk, "\"cy-GB\""), "cy");
    assert_string_equal(language_of(desk, "\"fr\""), "en-GB");
    assert_string_equal(language_of(desk, "null"), "en-GB");
    tenant_replace(desk, "{\"slug\":\"demo\",\"from_address\":\"a@e.org\",\"language\":\"cy\"}");
    assert_string_equal(language_of(desk, "null"), "cy");
    assert_string_equal(language_of(desk, "\"fr\""), "cy");
    assert_string_equal(language_of(desk, "\"en-GB\""), "en-GB");
}

/* One batch writes in both languages, whoever comes first. */
static void a_batch_has_views_of_each_language_once(void **state)
{
    struct desk *desk = *state;
    (void)language_of(desk, "\"cy\"");
    const struct json *welsh = batch_course_views(desk->batch, LANGUAGE_CY);
    const struct json *english = batch_course_views(desk->batch, LANGUAGE_EN_GB);
    assert_ptr_not_equal(welsh, english);
    (void)language_of(desk, "\"en-GB\"");
    (void)language_of(desk, "\"cy\"");
    assert_ptr_equal(batch_course_views(desk->batch, LANGUAGE_CY), welsh);
    assert_ptr_equal(batch_course_views(desk->batch, LANGUAGE_EN_GB), english);
}

static void the_logo_comes_inside_the_mail_and_nothing_from_elsewhere(void **state)
{
    struct desk *desk = *state;
    tenant_replace(desk,
                   "{\"slug\":\"demo\",\"name\":\"Demo\",\"from_address\":\"cpd@e.org\",\"brand\":{"
                   "\"colour\":\"#0b525b\",\"logo\":{\"type\":\"image/gif\",\"alt\":\"Bell\","
                   "\"base64\":\"R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\"}}}");
    assert_true(write_mail(desk, alert_text, "ann@example.org"));
    const char *id = desk->batch->logo.content_id;
    assert_non_null(strstr(desk->writer.html.data, "#0b525b"));
    const char *picture = strstr(desk->writer.html.data, "src=\"cid:");
    assert_non_null(picture);
    assert_int_equal(strncmp(picture + strlen("src=\"cid:"), id, strlen(id)), 0);
    assert_null(strstr(desk->writer.html.data, "src=\"http"));
    assert_non_null(strstr(desk->out.data, "Content-Type: multipart/related"));
    assert_non_null(strstr(desk->out.data, "Content-Type: image/gif"));
    const char *part = strstr(desk->out.data, "Content-ID: <");
    assert_non_null(part);
    assert_int_equal(strncmp(part + strlen("Content-ID: <"), id, strlen(id)), 0);
}

/* What every automatic mail says, and what bulk alone does. */
static void headers_say_what_kind_of_mail_it_is(void **state)
{
    struct desk *desk = *state;
    assert_true(write_mail(desk, alert_text, "ann@example.org"));
    assert_non_null(strstr(desk->out.data, "\r\nAuto-Submitted: auto-generated\r\n"));
    assert_non_null(strstr(desk->out.data, "\r\nX-Auto-Response-Suppress: OOF, AutoReply\r\n"));
    assert_non_null(
        strstr(desk->out.data, "\r\nList-Id: <course_alert.demo.portal.example.org>\r\n"));
    assert_non_null(strstr(desk->out.data, "\r\nFeedback-ID: course_alert:demo:42:handbell\r\n"));
    assert_null(strstr(desk->out.data, "Precedence"));
    desk->is_single = true;
    assert_true(write_mail(desk, person_text, "ann@example.org"));
    assert_non_null(strstr(desk->out.data, "\r\nAuto-Submitted: auto-generated\r\n"));
    assert_non_null(strstr(desk->out.data, "\r\nList-Unsubscribe: <"));
    assert_null(strstr(desk->out.data, "List-Id"));
    assert_null(strstr(desk->out.data, "Feedback-ID"));
    assert_null(strstr(desk->out.data, "Precedence"));
}

static void a_kind_that_nothing_stops_has_no_link(void **state)
{
    struct desk *desk = *state;
    static const char request[] = "{\"id\":9,\"kind\":\"booking_requested\",\"link_topic\":null,"
                                  "\"person\":{\"id\":5,\"first_name\":\"Ann\"},\"courses\":[]}";
    assert_true(write_mail(desk, request, "ann@example.org"));
    assert_null(strstr(desk->out.data, "List-Unsubscribe"));
    assert_null(strstr(desk->writer.html.data, "/u/"));
    assert_null(strstr(desk->writer.text.data, "/u/"));
}

static void a_shared_mailbox_reads_for_whom_it_is_in_the_subject(void **state)
{
    struct desk *desk = *state;
    assert_true(write_mail(desk, person_text, "ann@example.org"));
    assert_null(strstr(desk->writer.subject.data, "Ann"));
    assert_true(write_mail(desk, person_text, "office@example.org"));
    assert_non_null(strstr(desk->writer.subject.data, "Ann Lee"));
}

static void what_cannot_be_written_says_why_and_names_nobody(void **state)
{
    struct desk *desk = *state;
    static const char unknown[] = "{\"id\":9,\"kind\":\"no_such_kind\",\"person\":{\"id\":5}}";
    assert_false(write_mail(desk, unknown, "new@example.org"));
    assert_string_equal(desk->error.text, "no templates for this kind");
    assert_false(write_mail(desk, alert_text, "new\r\nBcc: x@example.org"));
    assert_null(strchr(desk->error.text, '@'));
    assert_int_equal(desk->out.size, 0);
}

/* A domain of `size` octets that begins with `start`. */
static bool domain_has_bounces(const char *start, size_t size)
{
    char domain[300], text[400];
    memset(domain, 'd', sizeof domain);
    memcpy(domain, start, strlen(start));
    domain[size] = '\0';
    int length = snprintf(text, sizeof text, "{\"bounce_domain\":\"%s\"}", domain);
    struct json *tenant = json_parse(text, (size_t)length, NULL);
    struct batch *batch = batch_new(42, tenant, NULL, 0);
    bool has_bounces = mail_writer_has_bounces(batch);
    batch_free(batch);
    json_free(tenant);
    return has_bounces;
}

static void a_bounce_domain_that_fits_no_envelope_is_not_used(void **state)
{
    struct desk *desk = *state;
    char *address = mail_writer_bounce_address(&desk->writer, desk->batch, 7);
    size_t local_size = (size_t)(strchr(address, '@') - address);
    free(address);
    assert_in_range(local_size, 1, 64);
    assert_true(domain_has_bounces("bounce.example.", 20));
    assert_true(domain_has_bounces("bounce.example.", 254 - local_size - 1));
    assert_false(domain_has_bounces("bounce.example.", 254 - local_size));
    assert_false(domain_has_bounces("b\xc3\xbc"
                                    "cher.example.",
                                    20));
    assert_false(domain_has_bounces("", 0));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_mail_goes_to_the_address_of_the_mark_under_its_own_message_id, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_opt_out_links_carry_a_token_for_this_person_and_topic,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_establishment_gets_no_opt_out_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_message_gives_the_same_bytes_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_language_is_the_persons_then_the_tenants_then_english,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_batch_has_views_of_each_language_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_logo_comes_inside_the_mail_and_nothing_from_elsewhere,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(headers_say_what_kind_of_mail_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_kind_that_nothing_stops_has_no_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_shared_mailbox_reads_for_whom_it_is_in_the_subject,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bounce_domain_that_fits_no_envelope_is_not_used, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_written_says_why_and_names_nobody, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
