/* Parameters in, plain answers out. */
#include "queue/client/keep_calls.h"

#include "worker/base/buf.h"
#include "worker/io/pg_array.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_BYTES = 24, ARRAY_CEILING_BYTES = 2 * KEEP_CALLS_BYTES_MOST + (1 << 16) };

static const struct pg_statement changes_statement = {
    "keep_changes", "select tenant_id, number, line from handbell.keep_changes($1, $2)", 2};
static const struct pg_statement seen_statement = {
    "keep_seen",
    "select has, system_identifier, timeline, log_position, true"
    " from handbell.keep_seen($1, $2, $3, $4)",
    4};
static const struct pg_statement kept_statement = {
    "keep_kept",
    "select kept, system_identifier, timeline, log_position, is_open"
    " from handbell.keep_kept($1)",
    1};
static const struct pg_statement apply_statement = {"keep_apply",
                                                    "select handbell.keep_apply($1, $2)", 2};
static const struct pg_statement resolve_statement = {"keep_resolve",
                                                      "select handbell.keep_resolve($1)", 1};

/* One call under way; exactly one of the four is set. */
struct keep_call {
    keep_on_changes *on_changes;
    keep_on_answer *on_answer;
    queue_on_done *on_done;
    queue_on_boolean *on_boolean;
    void *context;
};

static bool call_start(struct queue *queue, struct keep_call start,
                       const struct pg_statement *statement, const char *const *parameters,
                       pg_on_result *read_answer)
{
    struct keep_call *call = malloc(sizeof *call);
    if (call == NULL)
        return false;
    *call = start;
    if (pg_call(queue_connection(queue), statement, parameters, 0, read_answer, call))
        return true;
    free(call);
    return false;
}

static void changes_read(void *context, const struct pg_result *result)
{
    struct keep_call *call = context;
    size_t count = pg_result_rows(result);
    struct keep_change *changes = calloc(count > 0 ? count : 1, sizeof *changes);
    for (size_t i = 0; changes != NULL && i < count; i++)
        changes[i] = (struct keep_change){.tenant_id = pg_result_integer(result, i, 0),
                                          .number = pg_result_integer(result, i, 1),
                                          .line = pg_result_text(result, i, 2, NULL)};
    /* Without memory: none, and the next look finds them again. */
    call->on_changes(call->context, result, changes, changes != NULL ? count : 0);
    free(changes);
    free(call);
}

bool keep_calls_changes(struct queue *queue, const char *owner, keep_on_changes *on_done,
                        void *context)
{
    char limit[NUMBER_BYTES];
    const char *parameters[] = {owner, limit};
    (void)snprintf(limit, sizeof limit, "%d", KEEP_CALLS_LINES_MOST);
    return call_start(queue, (struct keep_call){.on_changes = on_done, .context = context},
                      &changes_statement, parameters, changes_read);
}

static void answer_read(void *context, const struct pg_result *result)
{
    struct keep_call *call = context;
    struct keep_answer answer = {0};
    if (pg_result_rows(result) == 1)
        answer = (struct keep_answer){
            .kept = (uint64_t)pg_result_integer(result, 0, 0),
            .system_identifier = (uint64_t)pg_result_integer(result, 0, 1),
            .timeline = (uint32_t)pg_result_integer(result, 0, 2),
            .position = (uint64_t)pg_result_integer(result, 0, 3),
            .is_open = pg_result_is_true(result, 0, 4),
        };
    call->on_answer(call->context, result, &answer);
    free(call);
}

bool keep_calls_seen(struct queue *queue, const char *owner, uint64_t kept,
                     const int64_t *tenant_ids, const int64_t *numbers, size_t count,
                     keep_on_answer *on_done, void *context)
{
    char kept_text[NUMBER_BYTES];
    struct buf tenants_text, numbers_text;
    bool is_started = false;
    (void)snprintf(kept_text, sizeof kept_text, "%" PRIu64, kept);
    buf_init(&tenants_text, ARRAY_CEILING_BYTES);
    buf_init(&numbers_text, ARRAY_CEILING_BYTES);
    if (pg_array_append_int64(&tenants_text, tenant_ids, count) &&
        pg_array_append_int64(&numbers_text, numbers, count)) {
        const char *parameters[] = {owner, kept_text, tenants_text.data, numbers_text.data};
        is_started = call_start(queue, (struct keep_call){.on_answer = on_done, .context = context},
                                &seen_statement, parameters, answer_read);
    }
    buf_free(&tenants_text);
    buf_free(&numbers_text);
    return is_started;
}

bool keep_calls_kept(struct queue *queue, const char *owner, keep_on_answer *on_done, void *context)
{
    const char *parameters[] = {owner};
    return call_start(queue, (struct keep_call){.on_answer = on_done, .context = context},
                      &kept_statement, parameters, answer_read);
}

static void done_read(void *context, const struct pg_result *result)
{
    struct keep_call *call = context;
    call->on_done(call->context, result);
    free(call);
}

bool keep_calls_apply(struct queue *queue, const char *slug, const char *const *lines, size_t count,
                      queue_on_done *on_done, void *context)
{
    struct buf text;
    bool is_started = false;
    buf_init(&text, ARRAY_CEILING_BYTES);
    if (pg_array_append_text(&text, lines, count)) {
        const char *parameters[] = {slug, text.data};
        is_started = call_start(queue, (struct keep_call){.on_done = on_done, .context = context},
                                &apply_statement, parameters, done_read);
    }
    buf_free(&text);
    return is_started;
}

static void boolean_read(void *context, const struct pg_result *result)
{
    struct keep_call *call = context;
    call->on_boolean(call->context, result,
                     pg_result_rows(result) == 1 && pg_result_is_true(result, 0, 0));
    free(call);
}

bool keep_calls_resolve(struct queue *queue, const char *slug, queue_on_boolean *on_done,
                        void *context)
{
    const char *parameters[] = {slug};
    return call_start(queue, (struct keep_call){.on_boolean = on_done, .context = context},
                      &resolve_statement, parameters, boolean_read);
}
