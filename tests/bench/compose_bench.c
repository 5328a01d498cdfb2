/* What one alert costs the processor, from the message's facts to the bytes for the wire: parse,
 * context, opt-out token, subject, text, HTML, MIME. The first argument names the templates'
 * folder, the second how many mails (default 20000), the third how many courses each tells of
 * (default 3). Prints microseconds of CPU a mail, in all and by step. */
#include "templates/template_set.h"
#include "worker/mail/compose.h"
#include "worker/mail/context.h"
#include "worker/model/token.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

enum { MAIL_BYTES = 4 * 1024 * 1024, COURSES_MAXIMUM = 50 };

enum step { STEP_CONTEXT, STEP_TOKEN, STEP_RENDER, STEP_COMPOSE, STEP_COUNT };

struct bench {
    struct template_set *set;
    struct token_keys keys;
    struct json *tenant_view;
    struct json *courses;
    struct json *course_views;
    struct json *categories;
    struct buf facts;
    struct buf subject;
    struct buf text;
    struct buf html;
    struct buf mail;
    double seconds[STEP_COUNT];
    uint64_t bytes;
};

static double cpu_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void facts_write(struct buf *out, bool is_message, int courses)
{
    buf_append_text(out, is_message
                             ? "{\"id\":5,\"kind\":\"course_alert\",\"person\":{\"id\":7,"
                               "\"email\":\"sian@example.net\",\"first_name\":\"Si\xc3\xa2n\","
                               "\"last_name\":\"O'Brien\",\"display_name\":null,"
                               "\"language\":\"en-GB\",\"shares_address\":false},"
                               "\"link_topic\":\"alerts\",\"is_urgent\":false,\"courses\":["
                             : "[");
    for (int i = 1; i <= courses; i++) {
        buf_append_text(out, i > 1 ? "," : "");
        if (is_message)
            buf_printf(out, "%d", i);
        else
            buf_printf(
                out,
                "{\"id\":%d,\"title\":\"Phonics for Year %d: reading & spelling\","
                "\"categories\":[%d,12,13,14,15],"
                "\"summary\":\"A day about phonics, with examples from schools like yours.\\n"
                "Bring your questions: there is time for them in the afternoon.\","
                "\"booking_url\":\"https://cpd.example.org/courses/%d\",\"cost\":\"\xc2\xa3"
                "120\",\"sessions\":[{\"starts_local\":\"2026-11-23T09:30\","
                "\"ends_local\":\"2026-11-23T15:30\",\"zone\":\"GMT\",\"venue\":\"Town Hall\","
                "\"venue_address\":\"1 High Street\\nYate\"}]}",
                i, i, 10 + i % 2, i);
    }
    buf_append_text(out, is_message ? "],\"ticks\":[10,11,12,13]}" : "]");
}

static bool bench_open(struct bench *bench, const char *templates, int courses)
{
    static const char tenant_text[] =
        "{\"slug\":\"demo\",\"name\":\"Integra CPD\",\"postal_address\":\"Council Offices\\nYate\","
        "\"privacy_url\":\"https://cpd.example.org/privacy\",\"dpo_contact\":\"dpo@example.org\","
        "\"language\":\"en-GB\"}";
    static const char categories_text[] =
        "{\"10\":{\"kind\":\"subject\",\"name\":\"English\"},"
        "\"11\":{\"kind\":\"subject\",\"name\":\"Phonics\"},"
        "\"12\":{\"kind\":\"interest\",\"name\":\"Senior leaders\"},"
        "\"13\":{\"kind\":\"audience\",\"name\":\"Year 1\"}}";
    struct error error = {0};
    struct buf *const bufs[] = {&bench->facts, &bench->subject, &bench->text, &bench->html,
                                &bench->mail};
    for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++)
        buf_init(bufs[i], MAIL_BYTES);
    bench->set = template_set_load(templates, "", &error);
    if (bench->set == NULL) {
        (void)fprintf(stderr, "%s\n", error.text);
        return false;
    }
    bench->keys.count = 2;
    memset(bench->keys.keys, 0x5a, sizeof(bench->keys.keys));
    struct json *tenant = json_parse(tenant_text, strlen(tenant_text), &error);
    facts_write(&bench->facts, false, courses);
    struct json *views = json_parse(bench->facts.data, bench->facts.size, &error);
    bench->tenant_view = mail_context_tenant(tenant, NULL);
    bench->courses = mail_context_by_id(views);
    bench->course_views = mail_context_courses(bench->courses, LANGUAGE_EN_GB);
    bench->categories = json_parse(categories_text, strlen(categories_text), &error);
    json_free(tenant);
    json_free(views);
    buf_reset(&bench->facts);
    facts_write(&bench->facts, true, courses);
    return bench->tenant_view != NULL && bench->course_views != NULL && !bench->facts.has_failed;
}

static void bench_close(struct bench *bench)
{
    struct buf *const bufs[] = {&bench->facts, &bench->subject, &bench->text, &bench->html,
                                &bench->mail};
    for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++)
        buf_free(bufs[i]);
    template_set_free(bench->set);
    json_free(bench->tenant_view);
    json_free(bench->courses);
    json_free(bench->course_views);
    json_free(bench->categories);
}

static bool render(struct bench *bench, const struct json *context)
{
    const struct template_kind *kind = template_set_find(bench->set, "", "course_alert", NULL, 0);
    const struct json *const stack[] = {context};
    buf_reset(&bench->subject);
    buf_reset(&bench->text);
    buf_reset(&bench->html);
    return kind != NULL &&
           template_render(kind->subject, stack, 1, TEMPLATE_ESCAPE_HEADER, &bench->subject) &&
           template_render(kind->text, stack, 1, TEMPLATE_ESCAPE_TEXT, &bench->text) &&
           template_render(kind->html, stack, 1, TEMPLATE_ESCAPE_HTML, &bench->html);
}

static bool compose(struct bench *bench, const char *opt_out_url, int number)
{
    char message_id[64];
    struct error error = {0};
    (void)snprintf(message_id, sizeof(message_id), "hb.1.%d@example.org", number);
    const struct mail mail = {
        .from = {"Integra, CPD", "courses@example.org"},
        .to = {"Si\xc3\xa2n O'Brien", "sian@example.net"},
        .subject = bench->subject.data,
        .message_id = message_id,
        .date_unix_seconds = 1795426200 + number,
        .unsubscribe_url = opt_out_url,
        .unsubscribe_mailto = "u-token@mail.example.org?subject=unsubscribe",
        .list_id = "course_alert.demo.example.org",
        .feedback_id = "course_alert:demo:1:handbell",
        .is_automatic = true,
        .text = bench->text.data,
        .html = bench->html.data,
    };
    buf_reset(&bench->mail);
    bool is_composed = mail_compose(&mail, &bench->mail, &error);
    bench->bytes += bench->mail.size;
    return is_composed;
}

static bool one_mail(struct bench *bench, int number)
{
    double times[STEP_COUNT + 1];
    char token_text[TOKEN_TEXT_BYTES];
    char url[128];
    times[0] = cpu_seconds();
    const struct token token = {
        .power = TOKEN_POWER_OPT_OUT, .topic = TOPIC_ALERTS, .tenant_id = 1, .person_id = number};
    bool is_fine = token_write(&bench->keys, &token, token_text);
    (void)snprintf(url, sizeof(url), "https://mail.example.org/u/%s", token_text);
    times[1] = cpu_seconds();
    struct json *message = json_parse(bench->facts.data, bench->facts.size, NULL);
    const struct mail_context_input input = {
        .language = LANGUAGE_EN_GB,
        .tenant_view = bench->tenant_view,
        .courses = bench->courses,
        .course_views = bench->course_views,
        .categories = bench->categories,
        .message = message,
        .address = "sian@example.net",
        .opt_out_url = url,
    };
    struct json *context = mail_context_message(&input);
    times[2] = cpu_seconds();
    is_fine = is_fine && context != NULL && render(bench, context);
    json_free(context);
    json_free(message);
    times[3] = cpu_seconds();
    is_fine = is_fine && compose(bench, url, number);
    times[4] = cpu_seconds();
    bench->seconds[STEP_TOKEN] += times[1] - times[0];
    bench->seconds[STEP_CONTEXT] += times[2] - times[1];
    bench->seconds[STEP_RENDER] += times[3] - times[2];
    bench->seconds[STEP_COMPOSE] += times[4] - times[3];
    return is_fine;
}

int main(int argc, char **argv)
{
    int count = argc > 2 ? atoi(argv[2]) : 20000;
    int courses = argc > 3 ? atoi(argv[3]) : 3;
    if (argc < 2 || count < 1 || courses < 1 || courses > COURSES_MAXIMUM) {
        (void)fputs("usage: compose_bench TEMPLATES [MAILS [COURSES]]\n", stderr);
        return EX_USAGE;
    }
    struct bench bench = {0};
    bool is_fine = bench_open(&bench, argv[1], courses);
    double start = cpu_seconds();
    for (int i = 0; i < count && is_fine; i++)
        is_fine = one_mail(&bench, i);
    double each_us = (cpu_seconds() - start) * 1e6 / count;
    static const char *const names[] = {"context", "token", "render", "compose"};
    if (is_fine) {
        (void)printf("compose us=%.1f bytes=%" PRIu64 " courses=%d", each_us,
                     bench.bytes / (uint64_t)count, courses);
        for (size_t i = 0; i < STEP_COUNT; i++)
            (void)printf(" %s_us=%.1f", names[i], bench.seconds[i] * 1e6 / count);
        (void)puts("");
    }
    bench_close(&bench);
    return is_fine ? EX_OK : EX_SOFTWARE;
}
