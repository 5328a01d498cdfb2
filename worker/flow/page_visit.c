/* Answers: page, status and headers. Must not know the order of things. */
#include "worker/flow/page_visit.h"

#include <string.h>

enum { PAGE_BYTES = 64 * 1024, HEADERS_MAXIMUM = 12 };

static const char plain_type[] = "text/plain; charset=utf-8";

/* No page may be kept, framed, indexed, or leave its address, which holds the token, elsewhere. */
static void answer_send(struct visit *visit, unsigned status, const char *type,
                        const struct http_header *more, const char *body, size_t body_bytes)
{
    struct http_header headers[HEADERS_MAXIMUM] = {
        {"Content-Type", type},
        {"Cache-Control", "no-store"},
        {"Referrer-Policy", "no-referrer"},
        {"X-Robots-Tag", "noindex, nofollow"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
    };
    size_t count = 7;
    for (; more != NULL && more->name != NULL; more++)
        headers[count++] = *more;
    const struct http_answer answer = {
        .status = status, .headers = headers, .body = body, .body_bytes = body_bytes};
    http_request_answer(visit->request, &answer);
    visit->request = NULL;
}

void visit_answer_text(struct visit *visit, unsigned status, const char *text)
{
    static const struct http_header policy[] = {{"Content-Security-Policy", "default-src 'none'"},
                                                {NULL, NULL}};
    answer_send(visit, status, plain_type, policy, text, strlen(text));
}

static void page_send(struct visit *visit, const struct pages *pages, enum page page,
                      struct json *data, unsigned status, struct http_header more)
{
    struct buf html;
    const struct http_header headers[] = {
        {"Content-Security-Policy", pages_policy(pages)}, more, {NULL, NULL}};
    buf_init(&html, PAGE_BYTES);
    if (data != NULL && pages_render(pages, page, data, &html))
        answer_send(visit, status, "text/html; charset=utf-8", headers, html.data, html.size);
    else
        visit_answer_text(visit, 503, "Please try again in a minute.\n");
    buf_free(&html);
    json_free(data);
}

static bool is_flag_set(struct json *data, const char *key, bool value)
{
    return json_set(data, key, json_new_bool(value));
}

static bool is_text_set(struct json *data, const char *key, const char *text)
{
    return *text == '\0' || json_set(data, key, json_new_text(text, strlen(text)));
}

/* A contact that could be a mail address becomes a link; anything that could say more to a mail
 * program (a '?', a blank) does not. */
static bool is_contact_set(struct json *data, const char *contact)
{
    const char *at = strchr(contact, '@');
    bool is_mail = at != NULL && at != contact && strchr(at + 1, '@') == NULL &&
                   strpbrk(contact, " \t\r\n?&%#<>\"'\\") == NULL;
    return is_text_set(data, "contact", contact) &&
           is_text_set(data, "contact_mail", is_mail ? contact : "");
}

static bool is_web_address(const char *url)
{
    return strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0;
}

static struct json *view_data(const struct visit *visit, const struct page_view *view)
{
    struct json *data = json_new_object();
    if (data == NULL)
        return NULL;
    if (is_text_set(data, "tenant_name", view->tenant_name) &&
        is_text_set(data, "person_name", view->person_name) &&
        is_text_set(data, "privacy_url",
                    is_web_address(view->privacy_url) ? view->privacy_url : "") &&
        is_contact_set(data, view->contact) &&
        is_flag_set(data, "is_alerts", visit->token.topic == TOPIC_ALERTS) &&
        is_flag_set(data, "is_bulletin", visit->token.topic == TOPIC_BULLETIN) &&
        is_flag_set(data, "is_optional", visit->token.topic == TOPIC_OPTIONAL) &&
        is_flag_set(data, "is_stopped", view->is_stopped) &&
        is_flag_set(data, "is_undoable", view->is_undoable) &&
        is_flag_set(data, "may_arrive", visit->may_arrive))
        return data;
    json_free(data);
    return NULL;
}

void visit_answer_view(struct visit *visit, const struct pages *pages, const struct page_view *view)
{
    enum page page = view->is_stopped ? PAGE_STOPPED : PAGE_ASK;
    if (visit->wish == WISH_UNDO && !view->is_stopped)
        page = PAGE_RESTORED;
    page_send(visit, pages, page, view_data(visit, view), 200, (struct http_header){NULL, NULL});
}

void visit_answer_problem(struct visit *visit, const struct pages *pages,
                          enum visit_problem problem, const char *allow)
{
    static const struct {
        unsigned status;
        const char *flag;
    } rows[] = {[PROBLEM_UNKNOWN] = {404, "is_unknown"},
                [PROBLEM_MALFORMED] = {400, "is_malformed"},
                [PROBLEM_METHOD] = {405, "is_method"},
                [PROBLEM_BUSY] = {503, "is_busy"}};
    struct http_header more = {NULL, NULL};
    struct json *data = json_new_object();
    if (data != NULL && !is_flag_set(data, rows[problem].flag, true)) {
        json_free(data);
        data = NULL;
    }
    if (problem == PROBLEM_METHOD)
        more = (struct http_header){"Allow", allow};
    if (problem == PROBLEM_BUSY)
        more = (struct http_header){"Retry-After", "30"};
    page_send(visit, pages, PAGE_PROBLEM, data, rows[problem].status, more);
}
