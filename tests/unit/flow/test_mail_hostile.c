/* Proves that a name or a title stays what it is, in every place of every kind's mail and in both
 * languages, and that none becomes a header, a tag, a template or another direction of reading. */
#include "queue/client/queue.h"
#include "worker/flow/mail_writer.h"
#include "worker/model/plain_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FACTS_BYTES = 256 * 1024, LINE_CHARACTERS = 998 };

/* In the facts below '@' stands for the value, '$' for "title: " and '^' for "Ann " and the value,
 * '#' for the kind, '~' for the language. */
static const char tenant_text[] =
    "{\"slug\":\"demo\",\"name\":@,\"from_name\":@,\"from_address\":\"cpd\x01portal.example.org\","
    "\"base_url\":\"https://m.example.org/\",\"bounce_domain\":\"bounce.example.org\","
    "\"postal_address\":@,\"dpo_contact\":@,\"privacy_url\":\"https://p.example.org/\","
    "\"time_zone\":\"Europe/London\",\"brand\":{\"name\":@,\"colour\":@,\"logo\":{\"type\":"
    "\"image/gif\",\"alt\":@,\"base64\":\"R0lGODlhAQABAIAAAAAAAP///"
    "yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\"}"
    "}}";
static const char course_text[] =
    "{\"id\":77,\"title\":$,\"summary\":@,\"contact\":@,\"arrival_notes\":@,\"bring\":@,"
    "\"access_contact\":@,\"cost\":@,\"cancellation_terms\":@,\"joining_instructions\":@,"
    "\"cancel_reason\":@,\"booking_url\":\"https://p.example.org/77\",\"categories\":[1,2],"
    "\"cancel_by_local\":\"2027-03-01T12:00\",\"sequence\":1,"
    "\"resources\":[{\"name\":@,\"url\":\"https://p.example.org/r\"}],\"sessions\":["
    "{\"key\":1,\"starts_local\":\"2027-03-23T09:30\",\"ends_local\":\"2027-03-23T12:30\","
    "\"zone\":\"GMT\",\"starts_unix\":1805794200,\"ends_unix\":1805805000,\"venue\":@,"
    "\"venue_address\":@},{\"key\":2,\"starts_local\":\"2027-03-30T09:30\",\"zone\":\"BST\","
    "\"starts_unix\":1806395400,\"online_url\":\"https://m.example.org/2\"}]}";
static const char categories_text[] =
    "{\"1\":{\"kind\":\"subject\",\"name\":@},\"2\":{\"kind\":\"audience\",\"name\":@}}";
static const char message_text[] =
    "{\"id\":9,\"kind\":\"#\",\"link_topic\":\"optional\",\"created_unix\":1800000000,"
    "\"person\":{\"id\":5,\"first_name\":^,\"last_name\":@,\"shares_address\":true,"
    "\"language\":\"~\"},\"courses\":[77],\"ticks\":[1,2],"
    "\"roles\":{\"delegate\":true,\"booker\":true,\"booked_for\":[@,@]},"
    "\"booking\":{\"ref\":@,\"status\":\"confirmed\",\"delegate_name\":@,"
    "\"offer_expires_local\":\"2027-03-01T12:00\"},"
    "\"change\":{\"title\":\"Before\",\"sessions\":[{\"key\":1,\"venue\":@}]}}";

static const char *const values[] = {
    "O'Brien",
    "Si\xc3\xa2n",
    "\xc3\x93 S\xc3\xbailleabh\xc3\xa1in",
    "\xe6\x9d\x8e",
    "\xd9\x85\xd8\xb1\xd9\x8a\xd9\x85",
    "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x8f\xab",
    "C:\\courses\\",
    "=?x?=",
    "=?utf-8?B?PGI+?=",
    "\"Quoted\", with, commas; <ann@example.net>",
    "\xe2\x80\xaegnp.exe\xe2\x80\xac\xe2\x81\xa6x\xe2\x80\x8f",
    "{{tenant.slug}}{{{words.hello}}}",
    "<script>alert(1)</script><!-- & -->",
    "%s%n%1000000d",
    "x\r\nBcc: eve@example.net\r\n\r\nbody",
    "\n.\r\n.\n\x7f\x1b[31m\t",
    "BEGIN:VEVENT\\nEND:VCALENDAR;X=\"1\":",
    ".",
    "--=_",
};

struct desk {
    struct template_set *templates;
    struct token_keys keys;
    struct mail_writer writer;
    struct buf out;
};

static int set_up(void **state)
{
    static struct desk desk;
    struct error error = {0};
    /* The tests are run from the top of the tree. */
    desk.templates = template_set_load("templates", NULL, &error);
    if (desk.templates == NULL)
        print_message("%s\n", error.text);
    assert_non_null(desk.templates);
    desk.keys.count = 1;
    memset(desk.keys.keys[0], 7, CRYPTO_KEY_BYTES);
    mail_writer_init(&desk.writer);
    desk.writer.templates = desk.templates;
    desk.writer.keys = &desk.keys;
    buf_init(&desk.out, 16 << 20);
    *state = &desk;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *desk = *state;
    buf_free(&desk->out);
    mail_writer_free(&desk->writer);
    template_set_free(desk->templates);
    return 0;
}

static void value_append(struct buf *facts, const char *before, const char *value)
{
    char text[FACTS_BYTES / 16];
    (void)snprintf(text, sizeof text, "%s%s", before, value);
    struct json *json = json_new_text(text, strlen(text));
    char *printed = json_print(json);
    assert_non_null(printed);
    buf_append_text(facts, printed);
    free(printed);
    json_free(json);
}

static struct json *facts_make(const char *text, const char *value, const char *kind,
                               const char *language)
{
    struct error error = {0};
    struct buf facts;
    buf_init(&facts, FACTS_BYTES);
    for (; *text != '\0'; text++) {
        if (*text == '@')
            value_append(&facts, "", value);
        else if (*text == '$')
            value_append(&facts, "title: ", value);
        else if (*text == '^')
            value_append(&facts, "Ann ", value);
        else if (*text == '#')
            buf_append_text(&facts, kind);
        else if (*text == '~')
            buf_append_text(&facts, language);
        else
            buf_append_char(&facts, *text == '\x01' ? '@' : *text);
    }
    struct json *json = json_parse(facts.data, facts.size, &error);
    if (json == NULL)
        fail_msg("%s", error.text);
    buf_free(&facts);
    return json;
}

/* Fills every place of that kind's mail with the value. */
static void write_mail(struct desk *desk, const char *value, const char *kind, const char *language)
{
    struct error error = {0};
    struct json *tenant = facts_make(tenant_text, value, kind, language);
    struct json *course = facts_make(course_text, value, kind, language);
    struct json *message = facts_make(message_text, value, kind, language);
    const struct queue_claimed_course claimed = {.course_id = 77, .data = course};
    struct batch *batch = batch_new(42, tenant, &claimed, 1);
    assert_non_null(batch);
    batch->categories = facts_make(categories_text, value, kind, language);
    const struct mail_writer_input input = {.batch = batch,
                                            .data = message,
                                            .message_id = 9,
                                            .address = "ann@example.org",
                                            .is_bulk = true,
                                            .now_unix_s = 1800000000};
    buf_reset(&desk->out);
    if (!mail_writer_write(&desk->writer, &input, &desk->out, &error))
        fail_msg("%s in %s: %s", kind, language, error.text);
    batch_free(batch);
    json_free(tenant);
    json_free(course);
    json_free(message);
}

static bool is_ours(const char *line)
{
    static const char *const names[] = {
        "Date: ",
        "From: ",
        "To: ",
        "Subject: ",
        "Message-ID: ",
        "MIME-Version: ",
        "Content-Type: ",
        "Content-Tran",
        "Auto-Submitted: ",
        "X-Auto-Respons",
        "List-Unsubscr",
        "List-Id: ",
        "Feedback-ID: ",
        " ",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(line, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* One mail whose lines are short and of ASCII, and whose headers are those that we wrote. */
static void check_lines(const struct buf *mail)
{
    bool is_header = true;
    for (size_t at = 0; at < mail->size;) {
        const char *line = mail->data + at;
        const char *end = memchr(line, '\n', mail->size - at);
        if (end == NULL || end == line || end[-1] != '\r') {
            fail_msg("no CR LF at the end of: %.70s", line);
            return;
        }
        size_t size = (size_t)(end - line) - 1;
        assert_true(size <= LINE_CHARACTERS);
        assert_null(memchr(line, '\r', size));
        for (size_t i = 0; i < size; i++)
            assert_true((unsigned char)line[i] < 0x80 && line[i] != '\0');
        is_header = is_header && size > 0;
        if (is_header && !is_ours(line))
            fail_msg("not a header of ours: %.*s", (int)size, line);
        at += size + 2;
    }
    assert_false(is_header);
}

/* Nothing turns the direction of reading (U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069), and
 * a body has no control but LF and TAB. */
static void check_text(const struct buf *text, const char *what)
{
    for (size_t i = 0; i < text->size; i++) {
        const unsigned char *c = (const unsigned char *)text->data + i;
        bool is_general_punctuation = c[0] == 0xe2 && (c[1] == 0x80 || c[1] == 0x81);
        bool is_turning =
            is_general_punctuation && ((c[1] == 0x80 && (c[2] == 0x8e || c[2] == 0x8f)) ||
                                       (c[1] == 0x80 && c[2] >= 0xaa && c[2] <= 0xae) ||
                                       (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));
        if (is_turning || (c[0] < ' ' && c[0] != '\n' && c[0] != '\t') || c[0] == 0x7f)
            fail_msg("%s: byte %zu", what, i);
    }
}

static void check_holds(const struct buf *text, const char *before, const struct buf *value,
                        const char *what, const char *kind)
{
    char wanted[FACTS_BYTES / 16];
    (void)snprintf(wanted, sizeof wanted, "%s%s", before, value->size > 0 ? value->data : "");
    if (strstr(text->data, wanted) == NULL)
        fail_msg("%s of %s lacks %s", what, kind, wanted);
}

/* The title is in every part, and the subject, to a shared mailbox, says for whom the mail is. */
static void check_mail(struct desk *desk, const char *value, const char *kind)
{
    const struct mail_writer *writer = &desk->writer;
    struct buf line, html;
    size_t size = strlen(value);
    buf_init(&line, FACTS_BYTES);
    buf_init(&html, FACTS_BYTES);
    plain_text_append_line(&line, value, size);
    plain_text_append_html(&html, value, size);
    check_lines(&desk->out);
    check_text(&writer->subject, "subject");
    check_text(&writer->text, "text");
    check_text(&writer->html, "html");
    assert_null(strstr(writer->html.data, "<script"));
    assert_null(memchr(writer->subject.data, '\n', writer->subject.size));
    check_holds(&writer->subject, "title: ", &line, "the subject", kind);
    check_holds(&writer->subject, "Ann ", &line, "the subject", kind);
    check_holds(&writer->html, "title: ", &html, "the page", kind);
    if (strchr(value, '\n') == NULL)
        check_holds(&writer->text, "title: ", &line, "the text", kind);
    buf_free(&line);
    buf_free(&html);
}

static void in_every_kind(struct desk *desk, const char *value)
{
    static const char *const languages[] = {"en-GB", "cy"};
    for (size_t k = 0; k < template_set_kind_count(desk->templates); k++) {
        const char *kind = template_set_kind_at(desk->templates, k);
        for (size_t l = 0; l < sizeof languages / sizeof languages[0]; l++) {
            write_mail(desk, value, kind, languages[l]);
            check_mail(desk, value, kind);
        }
    }
}

static void a_value_stays_itself_in_every_kind_and_language(void **state)
{
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        in_every_kind(*state, values[i]);
}

static void three_hundred_characters_stay_whole(void **state)
{
    static const char *const characters[] = {"x", "\xc5\xb5", "\xf0\x9f\x98\x80", "\\", "=?", "\""};
    for (size_t i = 0; i < sizeof characters / sizeof characters[0]; i++) {
        char value[300 * 4 + 1] = "";
        for (size_t k = 0; k < 300; k++)
            strcat(value, characters[i]);
        in_every_kind(*state, value);
    }
}

/* Stripped, not shown as it would read: the mail is the one that the plain name gets. */
static void a_value_with_controls_of_direction_writes_the_mail_of_one_without(void **state)
{
    struct desk *desk = *state;
    struct buf plain;
    buf_init(&plain, 16 << 20);
    for (size_t k = 0; k < template_set_kind_count(desk->templates); k++) {
        const char *kind = template_set_kind_at(desk->templates, k);
        write_mail(desk, "Annexe", kind, "en-GB");
        buf_reset(&plain);
        assert_true(buf_append(&plain, desk->out.data, desk->out.size));
        write_mail(desk,
                   "\xe2\x80\xae\x41nn\xe2\x81\xa7"
                   "ex\xe2\x80\x8f\xe2\x80\xac"
                   "e",
                   kind, "en-GB");
        if (plain.size != desk->out.size || memcmp(plain.data, desk->out.data, plain.size) != 0)
            fail_msg("%s", kind);
    }
    buf_free(&plain);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_stays_itself_in_every_kind_and_language),
        cmocka_unit_test(three_hundred_characters_stay_whole),
        cmocka_unit_test(a_value_with_controls_of_direction_writes_the_mail_of_one_without),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
