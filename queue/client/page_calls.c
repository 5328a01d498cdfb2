/* The pages' calls: parameters in, plain answers out. Must not know pages or HTTP. */
#include "queue/client/page_calls.h"

#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/base/log_pause.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { NUMBER_BYTES = 24, CALL_TIMEOUT_MS = 5000 };

static const struct pg_statement view_statement = {
    "page_opt_out_view",
    "select tenant_name, privacy_url, contact, person_name, is_stopped, is_undoable"
    " from handbell.page_opt_out_view($1, $2, $3, $4)",
    4};
static const struct pg_statement opt_out_statement = {
    "page_opt_out", "select handbell.page_opt_out($1, $2, $3, $4, $5)", 5};
static const struct pg_statement opt_in_statement = {
    "page_opt_in", "select handbell.page_opt_in($1, $2, $3, $4)", 4};
static const struct pg_statement in_flight_statement = {
    "page_in_flight", "select handbell.page_in_flight($1, $2, $3)", 3};
/* Of nobody: it wants the schema and the right of the pages' login, as every page does. */
static const struct pg_statement alive_statement = {"page_alive",
                                                    "select handbell.page_in_flight(0, 0, '')", 0};

struct page_database {
    struct pg *pg;
    uint64_t answered_ms;
    void (*on_unfit)(void *context, const char *reason);
    void *context;
    struct log_pause away;
    struct log_pause refused;
    bool is_away_said;
    bool has_connected; /* ever */
};

/* One call under way; exactly one of the three is set. */
struct page_call {
    struct page_database *database;
    page_on_view *on_view;
    page_on_reply *on_reply;
    page_on_answer *on_answer;
    void *context;
};

static void ignore_reply(void *context, enum page_reply reply)
{
    (void)context;
    (void)reply;
}

static void database_changed(void *context, enum pg_state state, const char *reason)
{
    struct page_database *database = context;
    uint32_t left_out = 0;
    switch (state) {
    case PG_STATE_UP:
        if (database->is_away_said || !database->has_connected)
            LOG(LOG_LEVEL_INFO,
                database->is_away_said ? "database_found_again" : "database_connected",
                log_text("by", "web"));
        database->is_away_said = false;
        database->has_connected = true;
        /* One that is not migrated, or a login without the right, is said before anybody clicks. */
        (void)page_ask_alive(database, ignore_reply, NULL);
        return;
    case PG_STATE_DOWN:
        if (!log_pause_over(&database->away, clock_monotonic_ms(), &left_out))
            return;
        LOG(LOG_LEVEL_WARNING, "database_away", log_text("reason", reason),
            log_int("left_out", left_out));
        database->is_away_said = true;
        return;
    case PG_STATE_UNFIT:
        database->on_unfit(database->context, reason);
        return;
    }
}

struct page_database *page_database_new(struct loop *loop, const struct config *config,
                                        void (*on_unfit)(void *context, const char *reason),
                                        void *context, struct error *error)
{
    struct page_database *database = calloc(1, sizeof *database);
    if (database == NULL) {
        error_set(error, EX_OSERR, "pages: no memory");
        return NULL;
    }
    database->on_unfit = on_unfit;
    database->context = context;
    const struct pg_options options = {
        .url = config_text(config, "database", "url"),
        .application_name = "handbell web",
        .connect_timeout_ms =
            (uint32_t)config_integer(config, "database", "connect_timeout") * 1000,
        .call_timeout_ms = CALL_TIMEOUT_MS,
        .on_state = database_changed,
        .context = database,
    };
    database->pg = pg_new(loop, &options, error);
    if (database->pg == NULL) {
        free(database);
        return NULL;
    }
    return database;
}

void page_database_free(struct page_database *database)
{
    if (database == NULL)
        return;
    pg_free(database->pg);
    free(database);
}

uint64_t page_database_answered_ms(const struct page_database *database)
{
    return database->answered_ms;
}

/* Serialization failure and deadlock, connection trouble, resources, and a server that is stopping
 * or starting (PostgreSQL manual, appendix A). */
static bool is_passing(const char *sqlstate)
{
    static const char *const classes[] = {"40", "08", "53", "57"};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strncmp(sqlstate, classes[i], 2) == 0)
            return true;
    return false;
}

static enum page_reply reply_read(struct page_call *call, const struct pg_result *result)
{
    uint32_t left_out = 0;
    if (result->kind == PG_RESULT_REFUSED && !is_passing(result->sqlstate)) {
        if (log_pause_over(&call->database->refused, clock_monotonic_ms(), &left_out))
            LOG(LOG_LEVEL_ERROR, "page_call_refused", log_text("sqlstate", result->sqlstate),
                log_text("reason", result->text), log_int("left_out", left_out));
        return PAGE_REPLY_FAILED;
    }
    if (result->kind != PG_RESULT_ROWS)
        return PAGE_REPLY_AWAY;
    call->database->answered_ms = clock_monotonic_ms();
    return pg_result_rows(result) == 1 && !pg_result_is_null(result, 0, call->on_view ? 4 : 0)
               ? PAGE_REPLY_DONE
               : PAGE_REPLY_UNKNOWN;
}

static void call_answered(void *context, const struct pg_result *result)
{
    struct page_call *call = context;
    enum page_reply reply = reply_read(call, result);
    if (call->on_reply != NULL) {
        call->on_reply(call->context, reply);
    } else if (call->on_answer != NULL) {
        call->on_answer(call->context, reply,
                        reply == PAGE_REPLY_DONE && pg_result_is_true(result, 0, 0));
    } else if (reply != PAGE_REPLY_DONE) {
        call->on_view(call->context, reply, NULL);
    } else {
        const struct page_view view = {
            .tenant_name = pg_result_text(result, 0, 0, NULL),
            .privacy_url = pg_result_text(result, 0, 1, NULL),
            .contact = pg_result_text(result, 0, 2, NULL),
            .person_name = pg_result_text(result, 0, 3, NULL),
            .is_stopped = pg_result_is_true(result, 0, 4),
            .is_undoable = pg_result_is_true(result, 0, 5),
        };
        call->on_view(call->context, reply, &view);
    }
    free(call);
}

static bool call_start(struct page_call start, const struct pg_statement *statement,
                       const char *const *parameters)
{
    struct page_call *call = malloc(sizeof *call);
    if (call == NULL)
        return false;
    *call = start;
    if (pg_call(start.database->pg, statement, parameters, CALL_TIMEOUT_MS, call_answered, call))
        return true;
    free(call);
    return false;
}

static const char *number(char text[NUMBER_BYTES], int64_t value)
{
    (void)snprintf(text, NUMBER_BYTES, "%" PRId64, value);
    return text;
}

bool page_ask_view(struct page_database *database, const struct page_link *link,
                   page_on_view *on_done, void *context)
{
    char tenant[NUMBER_BYTES], person[NUMBER_BYTES];
    const char *parameters[] = {number(tenant, link->tenant_id), number(person, link->person_id),
                                link->topic, link->host};
    return call_start(
        (struct page_call){.database = database, .on_view = on_done, .context = context},
        &view_statement, parameters);
}

bool page_opt_out(struct page_database *database, const struct page_link *link, const char *how,
                  page_on_reply *on_done, void *context)
{
    char tenant[NUMBER_BYTES], person[NUMBER_BYTES];
    const char *parameters[] = {number(tenant, link->tenant_id), number(person, link->person_id),
                                link->topic, how, link->host};
    return call_start(
        (struct page_call){.database = database, .on_reply = on_done, .context = context},
        &opt_out_statement, parameters);
}

bool page_opt_in(struct page_database *database, const struct page_link *link,
                 page_on_reply *on_done, void *context)
{
    char tenant[NUMBER_BYTES], person[NUMBER_BYTES];
    const char *parameters[] = {number(tenant, link->tenant_id), number(person, link->person_id),
                                link->topic, link->host};
    return call_start(
        (struct page_call){.database = database, .on_reply = on_done, .context = context},
        &opt_in_statement, parameters);
}

bool page_ask_in_flight(struct page_database *database, const struct page_link *link,
                        page_on_answer *on_done, void *context)
{
    char tenant[NUMBER_BYTES], person[NUMBER_BYTES];
    const char *parameters[] = {number(tenant, link->tenant_id), number(person, link->person_id),
                                link->topic};
    return call_start(
        (struct page_call){.database = database, .on_answer = on_done, .context = context},
        &in_flight_statement, parameters);
}

bool page_ask_alive(struct page_database *database, page_on_reply *on_done, void *context)
{
    return call_start(
        (struct page_call){.database = database, .on_reply = on_done, .context = context},
        &alive_statement, NULL);
}
