/* A visit from its request to its answer, in that order. Each step starts one thing that takes
 * time, and its end enters the next state. Must not know SQL or HTML. */
#include "worker/flow/page_flow.h"

#include "templates/template_set.h"
#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/flow/page_visit.h"
#include "worker/io/loop.h"
#include "worker/model/form.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum {
    REFUSED_AFTER_MS = 50,       /* every refused link is answered this long after it came */
    IN_FLIGHT_EVERY_MS = 50,     /* how often the wire is looked at after an opt-out */
    IN_FLIGHT_LONGEST_MS = 2000, /* the answer waits no longer (docs/architecture.md) */
    AWAY_AGAIN_MS = 100,         /* how often a database that is away is asked again */
    AWAY_LONGEST_MS = 3000,      /* and how long: most mail programs click once and never again */
    ALIVE_FOR_MS = 5000,         /* an answer of the database says so for this long */
    COUNTS_EVERY_MS = 60000,
    REFUSALS_LOGGED = 20, /* lines between two counts; all are counted */
};

static const char link_start[] = "/u/";

struct page_counts {
    int64_t looked;
    int64_t stopped;
    int64_t undone;
    int64_t refused;   /* a link that was not believed */
    int64_t malformed; /* a body or method that means nothing here */
    int64_t unknown;   /* another path */
    int64_t away;      /* the database did not answer */
    int64_t health;
};

/* A visit is in `visits` from its request to its answer. */
struct page_flow {
    struct loop *loop;
    struct http_server *server;
    struct page_database *database;
    struct pages *pages;
    struct token_keys keys;
    struct list visits;
    struct loop_timer *counts_timer;
    struct page_counts counts;
    void (*on_unfit)(void *context, const char *reason);
    void *context;
    bool is_ending;
};

static void visit_enter(struct visit *visit, enum visit_state state);

/* The one end of a visit. */
static void visit_end(struct visit *visit)
{
    list_leave(&visit->link);
    loop_timer_free(visit->timer);
    free(visit);
}

static void visit_fail(struct visit *visit, enum visit_problem problem)
{
    visit->flow->counts.away += problem == PROBLEM_BUSY ? 1 : 0;
    visit->flow->counts.malformed += problem == PROBLEM_MALFORMED ? 1 : 0;
    visit_answer_problem(visit, visit->flow->pages, problem, NULL);
    visit_enter(visit, VISIT_ANSWERED);
}

static struct page_link visit_link(const struct visit *visit)
{
    return (struct page_link){.tenant_id = visit->token.tenant_id,
                              .person_id = visit->token.person_id,
                              .topic = topic_name(visit->token.topic),
                              .host = http_request_host(visit->request)};
}

/* --- 1. opened: what is wished, and is the link believed? --- */

static bool has_method(const struct visit *visit, const char *method)
{
    return strcmp(http_request_method(visit->request), method) == 0;
}

static void method_refuse(struct visit *visit, const char *allow)
{
    visit->flow->counts.malformed++;
    visit_answer_problem(visit, visit->flow->pages, PROBLEM_METHOD, allow);
    visit_enter(visit, VISIT_ANSWERED);
}

static bool wish_read(struct visit *visit)
{
    static const struct {
        const char *name;
        const char *value;
        enum visit_wish wish;
    } wishes[] = {{"List-Unsubscribe", "One-Click", WISH_ONE_CLICK}, /* RFC 8058 section 3.1 */
                  {"confirm", "1", WISH_CONFIRM},
                  {"undo", "1", WISH_UNDO}};
    struct form_field field;
    size_t size = 0;
    const char *body = http_request_body(visit->request, &size);
    if (!form_read(http_request_content_type(visit->request), body, size, &field))
        return false;
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
        if (strcmp(field.name, wishes[i].name) == 0 && strcmp(field.value, wishes[i].value) == 0) {
            visit->wish = wishes[i].wish;
            return true;
        }
    }
    return false;
}

/* A body is judged before the token, so that what is said of it says nothing of the token. */
static void link_open(struct visit *visit)
{
    const char *text = http_request_path(visit->request) + strlen(link_start);
    bool is_post = has_method(visit, "POST");
    if (!is_post && !has_method(visit, "GET") && !has_method(visit, "HEAD")) {
        method_refuse(visit, "GET, HEAD, POST");
        return;
    }
    visit->wish = WISH_LOOK;
    if (is_post && !wish_read(visit)) {
        visit_fail(visit, PROBLEM_MALFORMED);
        return;
    }
    if (!token_read(&visit->flow->keys, text, strlen(text), TOKEN_POWER_OPT_OUT, &visit->token)) {
        visit_enter(visit, VISIT_REFUSED);
        return;
    }
    switch (visit->wish) {
    case WISH_LOOK:
        visit_enter(visit, VISIT_VIEWING);
        return;
    case WISH_ONE_CLICK:
    case WISH_CONFIRM:
        visit_enter(visit, VISIT_STOPPING);
        return;
    case WISH_UNDO:
        visit_enter(visit, VISIT_UNDOING);
        return;
    }
}

static void health_open(struct visit *visit)
{
    if (!has_method(visit, "GET") && !has_method(visit, "HEAD")) {
        method_refuse(visit, "GET, HEAD");
        return;
    }
    visit->flow->counts.health++;
    visit_enter(visit, VISIT_CHECKING);
}

static void visit_open(struct visit *visit)
{
    const char *path = http_request_path(visit->request);
    if (strncmp(path, link_start, strlen(link_start)) == 0) {
        link_open(visit);
    } else if (strcmp(path, "/healthz") == 0) {
        health_open(visit);
    } else {
        visit->flow->counts.unknown++;
        visit_fail(visit, PROBLEM_UNKNOWN);
    }
}

/* --- 2. stopping or undoing: committed, or not --- */

static void visit_timer_start(struct visit *visit, void (*on_time)(void *context), uint64_t ms)
{
    loop_timer_free(visit->timer);
    visit->timer = loop_timer_new(visit->flow->loop, on_time, visit);
    if (visit->timer == NULL)
        visit_fail(visit, PROBLEM_BUSY);
    else
        loop_timer_start(visit->timer, ms);
}

/* Every step may be taken twice: what was done already is not done again. */
static void visit_try_again(void *context)
{
    struct visit *visit = context;
    visit_enter(visit, visit->state);
}

/* True: go on. */
static bool reply_is_good(struct visit *visit, enum page_reply reply)
{
    uint64_t age_ms = clock_monotonic_ms() - visit->opened_ms;
    switch (reply) {
    case PAGE_REPLY_DONE:
        return true;
    case PAGE_REPLY_UNKNOWN:
        visit_enter(visit, VISIT_REFUSED);
        return false;
    case PAGE_REPLY_AWAY:
        if (age_ms < AWAY_LONGEST_MS && !visit->flow->is_ending) {
            visit_timer_start(visit, visit_try_again, AWAY_AGAIN_MS);
            return false;
        }
        break;
    case PAGE_REPLY_FAILED:
        break;
    }
    visit_fail(visit, PROBLEM_BUSY);
    return false;
}

static void visit_stopped(void *context, enum page_reply reply)
{
    struct visit *visit = context;
    if (!reply_is_good(visit, reply))
        return;
    visit->flow->counts.stopped++;
    visit->committed_ms = clock_monotonic_ms();
    visit_enter(visit, VISIT_WAITING);
}

static void visit_stop(struct visit *visit)
{
    const struct page_link link = visit_link(visit);
    const char *how = visit->wish == WISH_ONE_CLICK ? "one_click" : "page";
    if (!page_opt_out(visit->flow->database, &link, how, visit_stopped, visit))
        visit_fail(visit, PROBLEM_BUSY);
}

static void visit_undone(void *context, enum page_reply reply)
{
    struct visit *visit = context;
    if (!reply_is_good(visit, reply))
        return;
    visit->flow->counts.undone++;
    visit_enter(visit, VISIT_VIEWING);
}

static void visit_undo(struct visit *visit)
{
    const struct page_link link = visit_link(visit);
    if (!page_opt_in(visit->flow->database, &link, visit_undone, visit))
        visit_fail(visit, PROBLEM_BUSY);
}

/* --- 3. waiting: a mail that is on the wire already may end first --- */

/* The opt-out is in force whatever is answered here; what cannot be known is said to be possible.
 */
static void visit_wire_seen(void *context, enum page_reply reply, bool is_in_flight)
{
    struct visit *visit = context;
    bool is_over = clock_monotonic_ms() - visit->committed_ms >= IN_FLIGHT_LONGEST_MS;
    visit->may_arrive = reply != PAGE_REPLY_DONE || is_in_flight;
    if (is_over || !visit->may_arrive)
        visit_enter(visit, VISIT_VIEWING);
    else
        visit_timer_start(visit, visit_try_again, IN_FLIGHT_EVERY_MS);
}

static void visit_wait(struct visit *visit)
{
    const struct page_link link = visit_link(visit);
    if (!page_ask_in_flight(visit->flow->database, &link, visit_wire_seen, visit))
        visit_fail(visit, PROBLEM_BUSY);
}

/* --- 4. viewing: what is so now --- */

static void visit_viewed(void *context, enum page_reply reply, const struct page_view *view)
{
    struct visit *visit = context;
    if (!reply_is_good(visit, reply))
        return;
    visit->flow->counts.looked += visit->wish == WISH_LOOK ? 1 : 0;
    visit_answer_view(visit, visit->flow->pages, view);
    visit_enter(visit, VISIT_ANSWERED);
}

static void visit_view(struct visit *visit)
{
    const struct page_link link = visit_link(visit);
    if (!page_ask_view(visit->flow->database, &link, visit_viewed, visit))
        visit_fail(visit, PROBLEM_BUSY);
}

/* --- or refused: one answer, and one time, for every link that is not believed --- */

static void visit_refuse_now(void *context)
{
    struct visit *visit = context;
    visit_fail(visit, PROBLEM_UNKNOWN);
}

/* A forged token costs some microseconds here, a genuine one whose person is gone, or that is
 * opened under another tenant's host, a query besides: with both answered after the same while,
 * what they took does not show. */
static void visit_refuse(struct visit *visit)
{
    uint64_t took_ms = clock_monotonic_ms() - visit->opened_ms;
    if (++visit->flow->counts.refused <= REFUSALS_LOGGED)
        LOG(LOG_LEVEL_WARNING, "token_refused", log_text("page", "opt_out"));
    visit_timer_start(visit, visit_refuse_now,
                      took_ms < REFUSED_AFTER_MS ? REFUSED_AFTER_MS - took_ms : 0);
}

/* --- or checking: is the database there, and would it take an opt-out? --- */

static void visit_checked(void *context, enum page_reply reply)
{
    struct visit *visit = context;
    if (reply == PAGE_REPLY_DONE)
        visit_answer_text(visit, 200, "ok\n");
    else if (reply == PAGE_REPLY_AWAY)
        visit_answer_text(visit, 503, "the database does not answer\n");
    else
        visit_answer_text(visit, 503, "the database refuses the pages: their log says why\n");
    visit_enter(visit, VISIT_ANSWERED);
}

static void visit_check(struct visit *visit)
{
    uint64_t answered_ms = page_database_answered_ms(visit->flow->database);
    if (answered_ms != 0 && clock_monotonic_ms() - answered_ms < ALIVE_FOR_MS)
        visit_checked(visit, PAGE_REPLY_DONE);
    else if (!page_ask_alive(visit->flow->database, visit_checked, visit))
        visit_checked(visit, PAGE_REPLY_AWAY);
}

/* --- the setter --- */

static void visit_enter(struct visit *visit, enum visit_state state)
{
    visit->state = state;
    if (visit->flow->is_ending && state != VISIT_ANSWERED) {
        visit_fail(visit, PROBLEM_BUSY);
        return;
    }
    switch (state) {
    case VISIT_OPENED:
        visit_open(visit);
        return;
    case VISIT_STOPPING:
        visit_stop(visit);
        return;
    case VISIT_UNDOING:
        visit_undo(visit);
        return;
    case VISIT_WAITING:
        visit_wait(visit);
        return;
    case VISIT_VIEWING:
        visit_view(visit);
        return;
    case VISIT_REFUSED:
        visit_refuse(visit);
        return;
    case VISIT_CHECKING:
        visit_check(visit);
        return;
    case VISIT_ANSWERED:
        visit_end(visit);
        return;
    }
}

static void flow_visited(void *context, struct http_request *request)
{
    struct page_flow *flow = context;
    struct visit *visit = calloc(1, sizeof *visit);
    if (visit == NULL) {
        const struct http_header none = {NULL, NULL};
        http_request_answer(request,
                            &(struct http_answer){.status = 503, .headers = &none, .body = ""});
        return;
    }
    visit->flow = flow;
    visit->request = request;
    visit->opened_ms = clock_monotonic_ms();
    list_join(&flow->visits, &visit->link);
    visit_enter(visit, VISIT_OPENED);
}

/* --- what is counted: how often, never who --- */

static void counts_write(struct page_flow *flow)
{
    struct http_counts door = {0};
    const struct page_counts none = {0};
    if (memcmp(&flow->counts, &none, sizeof none) == 0)
        return;
    http_server_count(flow->server, &door);
    LOG(LOG_LEVEL_INFO, "web_counted", log_int("looked", flow->counts.looked),
        log_int("stopped", flow->counts.stopped), log_int("undone", flow->counts.undone),
        log_int("refused", flow->counts.refused), log_int("malformed", flow->counts.malformed),
        log_int("unknown", flow->counts.unknown), log_int("away", flow->counts.away),
        log_int("health", flow->counts.health),
        log_int("connections_total", (int64_t)door.connections),
        log_int("crowded_out_total", (int64_t)door.crowded_out),
        log_int("malformed_total", (int64_t)door.malformed),
        log_int("overdue_total", (int64_t)door.overdue));
    flow->counts = none;
}

static void counts_due(void *context)
{
    struct page_flow *flow = context;
    counts_write(flow);
    loop_timer_start(flow->counts_timer, COUNTS_EVERY_MS);
}

/* --- start, reload, stop --- */

static bool flow_start(struct page_flow *flow, const struct config *config, struct error *error)
{
    if (!token_keys_read(config_text(config, "security", "key_file"), &flow->keys, error))
        return error_prefix(error, "[security] key_file");
    flow->pages = pages_load(config_text(config, "templates", "dir"), error);
    if (flow->pages == NULL)
        return false;
    flow->database = page_database_new(flow->loop, config, flow->on_unfit, flow->context, error);
    if (flow->database == NULL)
        return false;
    flow->counts_timer = loop_timer_new(flow->loop, counts_due, flow);
    if (flow->counts_timer == NULL)
        return error_set(error, EX_OSERR, "pages: no memory");
    loop_timer_start(flow->counts_timer, COUNTS_EVERY_MS);
    flow->server = http_server_new(flow->loop, config, flow_visited, flow, error);
    return flow->server != NULL;
}

struct page_flow *page_flow_new(struct loop *loop, const struct config *config,
                                void (*on_unfit)(void *context, const char *reason), void *context,
                                struct error *error)
{
    struct page_flow *flow = calloc(1, sizeof *flow);
    if (flow == NULL) {
        error_set(error, EX_OSERR, "pages: no memory");
        return NULL;
    }
    flow->loop = loop;
    flow->on_unfit = on_unfit;
    flow->context = context;
    if (flow_start(flow, config, error))
        return flow;
    page_flow_free(flow);
    return NULL;
}

bool page_flow_reload(struct page_flow *flow, const struct config *config, struct error *error)
{
    struct token_keys keys;
    if (!token_keys_read(config_text(config, "security", "key_file"), &keys, error))
        return error_prefix(error, "[security] key_file");
    struct pages *pages = pages_load(config_text(config, "templates", "dir"), error);
    if (pages != NULL) {
        pages_free(flow->pages);
        flow->pages = pages;
        flow->keys = keys;
    }
    token_keys_wipe(&keys);
    return pages != NULL;
}

void page_flow_stop(struct page_flow *flow, void (*on_stopped)(void *context), void *context)
{
    http_server_stop(flow->server, on_stopped, context);
}

void page_flow_free(struct page_flow *flow)
{
    if (flow == NULL)
        return;
    if (flow->server != NULL)
        counts_write(flow);
    flow->is_ending = true;
    /* Callbacks of calls under way fire in here, and their visits end. */
    page_database_free(flow->database);
    http_server_free(flow->server);
    LIST_EACH(link, &flow->visits)
    {
        visit_end(LIST_OBJECT(link, struct visit, link));
    }
    loop_timer_free(flow->counts_timer);
    pages_free(flow->pages);
    token_keys_wipe(&flow->keys);
    free(flow);
}
