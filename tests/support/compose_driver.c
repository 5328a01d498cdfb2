/* Makes mails from facts on standard input, for tests in Python: one JSON object a line,
 *
 *   {"tenant":{}, "courses":[{}], "message":{}, "opt_out_url":"", "mail":{}, "language":"cy"}
 *
 * where `mail` may set header values ("from_name", "to_name", "subject", ...). One line comes back
 * for each: {"mail": the bytes, as text} or {"error": ...}. The first argument names the templates'
 * folder. Uses nothing that the worker does not. */
#include "templates/template_set.h"
#include "worker/mail/compose.h"
#include "worker/mail/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { MAIL_BYTES = 4 * 1024 * 1024 };

struct bodies {
    struct buf subject;
    struct buf text;
    struct buf html;
};

static void bodies_init(struct bodies *bodies)
{
    buf_init(&bodies->subject, MAIL_BYTES);
    buf_init(&bodies->text, MAIL_BYTES);
    buf_init(&bodies->html, MAIL_BYTES);
}

static void bodies_free(struct bodies *bodies)
{
    buf_free(&bodies->subject);
    buf_free(&bodies->text);
    buf_free(&bodies->html);
}

static enum language language_of(const struct json *facts)
{
    enum language language = LANGUAGE_EN_GB;
    (void)language_from_tag(json_find_text(facts, "language"), &language);
    return language;
}

static bool bodies_render(struct bodies *bodies, const struct template_set *set,
                          const struct json *facts, const struct json *context, struct error *error)
{
    const char *name = json_find_text(json_find(facts, "message"), "kind");
    const char *language = language_tag(language_of(facts));
    const struct template_kind *kind = template_set_find(set, "", name, &language, 1);
    if (kind == NULL)
        return error_set(error, EX_DATAERR, "kind: no templates");
    const struct json *const stack[] = {context};
    bool is_done =
        template_render(kind->subject, stack, 1, TEMPLATE_ESCAPE_HEADER, &bodies->subject) &&
        template_render(kind->text, stack, 1, TEMPLATE_ESCAPE_TEXT, &bodies->text) &&
        template_render(kind->html, stack, 1, TEMPLATE_ESCAPE_HTML, &bodies->html);
    return is_done || error_set(error, EX_DATAERR, "templates: cannot be rendered");
}

static const char *given_or(const struct json *object, const char *key, const char *otherwise)
{
    return json_find(object, key) != NULL ? json_find_text(object, key) : otherwise;
}

static struct json *context_make(const struct json *facts)
{
    struct json *tenant = mail_context_tenant(json_find(facts, "tenant"), NULL);
    struct json *courses = mail_context_by_id(json_find(facts, "courses"));
    struct json *views = mail_context_courses(courses, language_of(facts));
    const struct mail_context_input input = {
        .language = language_of(facts),
        .tenant_view = tenant,
        .courses = courses,
        .course_views = views,
        .categories = json_find(facts, "categories"),
        .message = json_find(facts, "message"),
        .opt_out_url = json_find_text(facts, "opt_out_url"),
    };
    struct json *context = mail_context_message(&input);
    json_free(tenant);
    json_free(courses);
    json_free(views);
    return context;
}

static bool mail_make(const struct json *facts, const struct bodies *bodies, struct buf *out,
                      struct error *error)
{
    const struct json *given = json_find(facts, "mail");
    const struct mail mail = {
        .from = {json_find_text(given, "from_name"),
                 given_or(given, "from", "courses@example.org")},
        .to = {json_find_text(given, "to_name"), given_or(given, "to", "person@example.net")},
        .reply_to = {json_find_text(given, "reply_to_name"), json_find_text(given, "reply_to")},
        .subject = given_or(given, "subject", bodies->subject.data),
        .message_id = given_or(given, "message_id", "1.test@example.org"),
        .date_unix_seconds = json_find_integer(given, "date", 0),
        .unsubscribe_url = json_find_text(given, "unsubscribe_url"),
        .unsubscribe_mailto = json_find_text(given, "unsubscribe_mailto"),
        .list_id = json_find_text(given, "list_id"),
        .feedback_id = json_find_text(given, "feedback_id"),
        .is_automatic = true,
        .text = given_or(given, "text", bodies->text.data),
        .html = given_or(given, "html", bodies->html.data),
    };
    return mail_compose(&mail, out, error);
}

static bool answer_make(const struct template_set *set, const struct json *facts,
                        const struct json *context, struct buf *out, struct error *error)
{
    struct bodies bodies;
    bodies_init(&bodies);
    bool has_kind = json_find(json_find(facts, "message"), "kind") != NULL;
    bool is_made = context != NULL &&
                   (!has_kind || bodies_render(&bodies, set, facts, context, error)) &&
                   mail_make(facts, &bodies, out, error);
    bodies_free(&bodies);
    return is_made;
}

static bool answer(const struct template_set *set, const char *line, size_t size)
{
    struct error error = {.text = "out of memory"};
    struct buf out;
    buf_init(&out, MAIL_BYTES);
    struct json *facts = json_parse(line, size, &error);
    struct json *context = facts != NULL ? context_make(facts) : NULL;
    bool is_made = answer_make(set, facts, context, &out, &error);
    struct json *reply = json_new_object();
    if (is_made) {
        json_set(reply, "mail", json_new_text(out.data, out.size));
        json_set(reply, "context", json_hold(context));
    } else {
        json_set(reply, "error", json_new_text(error.text, strlen(error.text)));
    }
    char *printed = json_print(reply);
    bool is_written = printed != NULL && puts(printed) >= 0 && fflush(stdout) == 0;
    free(printed);
    json_free(reply);
    json_free(context);
    json_free(facts);
    buf_free(&out);
    return is_written;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fputs("usage: compose_driver TEMPLATES < FACTS\n", stderr);
        return EX_USAGE;
    }
    struct error error = {0};
    struct template_set *set = template_set_load(argv[1], "", &error);
    if (set == NULL) {
        (void)fprintf(stderr, "%s\n", error.text);
        return error.exit_status;
    }
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size = 0;
    bool is_fine = true;
    while (is_fine && (size = getline(&line, &capacity, stdin)) > 0)
        is_fine = answer(set, line, (size_t)size);
    free(line);
    template_set_free(set);
    return is_fine ? EX_OK : EX_IOERR;
}
