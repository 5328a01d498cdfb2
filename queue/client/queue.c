/* The worker's calls: parameters in, answers out (answers.c reads them). */
#include "queue/client/queue.h"

#include "queue/client/answers.h"
#include "queue/client/statements.h"
#include "worker/io/pg_array.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { NUMBER_BYTES = 24, ARRAY_CEILING_BYTES = 1 << 20, RECORD_ARRAYS = 8 };

struct queue {
    struct pg *pg;
    struct queue_options options;
    char owner[QUEUE_UUID_BYTES];
};

static void state_changed(void *context, enum pg_state state, const char *reason)
{
    struct queue *queue = context;
    if (queue->options.on_state != NULL)
        queue->options.on_state(queue->options.context, state, reason);
}

static void notified(void *context, const char *channel)
{
    struct queue *queue = context;
    if (strcmp(channel, "handbell_word") == 0) {
        if (queue->options.on_word != NULL)
            queue->options.on_word(queue->options.context);
    } else if (queue->options.on_due != NULL) {
        queue->options.on_due(queue->options.context);
    }
}

struct queue *queue_new(struct loop *loop, const struct queue_options *options, struct error *error)
{
    const struct config *config = options->config;
    struct queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL) {
        error_set(error, EX_OSERR, "queue: no memory");
        return NULL;
    }
    queue->options = *options;
    queue->options.config = NULL; /* it may be loaded anew while this lives */
    snprintf(queue->owner, sizeof queue->owner, "%s", options->owner);
    const struct pg_options pg_options = {
        .url = config_text(config, "database", "url"),
        .application_name = options->application_name,
        .connect_timeout_ms =
            (uint32_t)config_integer(config, "database", "connect_timeout") * 1000,
        .call_timeout_ms = (uint32_t)config_integer(config, "database", "query_timeout") * 1000,
        .first = options->is_listening ? queue_statement(QUEUE_LISTEN) : NULL,
        .on_state = state_changed,
        .on_notify = notified,
        .context = queue,
    };
    queue->pg = pg_new(loop, &pg_options, error);
    if (queue->pg == NULL) {
        free(queue);
        return NULL;
    }
    return queue;
}

void queue_free(struct queue *queue)
{
    if (queue == NULL)
        return;
    pg_free(queue->pg);
    free(queue);
}

bool queue_is_up(const struct queue *queue)
{
    return pg_is_up(queue->pg);
}

struct pg *queue_connection(struct queue *queue)
{
    return queue->pg;
}

static bool call(struct queue *queue, enum queue_statement statement, const char *const *parameters,
                 pg_on_result *read_answer, union queue_callback on_done, void *context)
{
    const struct queue_answer answer = {.on_done = on_done, .context = context};
    return queue_call_keeping(queue, queue_statement(statement), parameters, read_answer, &answer,
                              sizeof answer);
}

static const char *number(char text[NUMBER_BYTES], int64_t value)
{
    snprintf(text, NUMBER_BYTES, "%" PRId64, value);
    return text;
}

bool queue_worker_seen(struct queue *queue, queue_on_boolean *on_done, void *context)
{
    const char *parameters[] = {queue->owner};
    return call(queue, QUEUE_WORKER_SEEN, parameters, queue_read_boolean,
                (union queue_callback){.boolean = on_done}, context);
}

bool queue_due_work(struct queue *queue, int64_t after, int limit, const int *relays, size_t count,
                    queue_on_due_work *on_done, void *context)
{
    char after_text[NUMBER_BYTES], limit_text[NUMBER_BYTES];
    struct buf relays_text;
    buf_init(&relays_text, ARRAY_CEILING_BYTES);
    bool is_started = pg_array_append_int32(&relays_text, relays, count);
    if (is_started) {
        const char *parameters[] = {number(after_text, after), number(limit_text, limit),
                                    relays_text.data};
        is_started = call(queue, QUEUE_DUE_WORK, parameters, queue_read_due_work,
                          (union queue_callback){.due_work = on_done}, context);
    }
    buf_free(&relays_text);
    return is_started;
}

bool queue_claim(struct queue *queue, int64_t tenant_id, int lane, int relay, int limit,
                 struct queue_place from, queue_on_claimed *on_done, void *context)
{
    char tenant[NUMBER_BYTES], lane_text[NUMBER_BYTES], relay_text[NUMBER_BYTES];
    char limit_text[NUMBER_BYTES], due_text[NUMBER_BYTES], id_text[NUMBER_BYTES];
    const char *parameters[] = {number(tenant, tenant_id),       queue->owner,
                                number(lane_text, lane),         number(relay_text, relay),
                                number(limit_text, limit),       number(due_text, from.due_us),
                                number(id_text, from.message_id)};
    return call(queue, QUEUE_CLAIM, parameters, queue_read_claimed,
                (union queue_callback){.claimed = on_done}, context);
}

bool queue_mark(struct queue *queue, int64_t tenant_id, const int64_t *message_ids,
                const int32_t *epochs, size_t count, queue_on_marked *on_done, void *context)
{
    char tenant[NUMBER_BYTES];
    struct buf ids_text, epochs_text;
    buf_init(&ids_text, ARRAY_CEILING_BYTES);
    buf_init(&epochs_text, ARRAY_CEILING_BYTES);
    bool is_started = pg_array_append_int64(&ids_text, message_ids, count) &&
                      pg_array_append_int32(&epochs_text, epochs, count);
    if (is_started) {
        const char *parameters[] = {number(tenant, tenant_id), queue->owner, ids_text.data,
                                    epochs_text.data};
        is_started = call(queue, QUEUE_MARK, parameters, queue_read_marked,
                          (union queue_callback){.marked = on_done}, context);
    }
    buf_free(&ids_text);
    buf_free(&epochs_text);
    return is_started;
}

const char *queue_outcome_word(enum queue_outcome_kind kind)
{
    static const char *const words[] = {"sent",      "deferred", "refused",
                                        "uncertain", "unsent",   "interrupted"};
    return words[kind];
}

/* The columns of a batch of outcomes, one array each, in the order of record()'s parameters. */
struct outcome_columns {
    int64_t ids[QUEUE_BATCH_MAXIMUM];
    int32_t epochs[QUEUE_BATCH_MAXIMUM];
    const char *outcomes[QUEUE_BATCH_MAXIMUM];
    int32_t codes[QUEUE_BATCH_MAXIMUM];
    const char *enhanced[QUEUE_BATCH_MAXIMUM];
    const char *words[QUEUE_BATCH_MAXIMUM];
    int32_t retry_after_s[QUEUE_BATCH_MAXIMUM];
    int64_t created[QUEUE_BATCH_MAXIMUM];
};

static bool columns_write(const struct queue_outcome *outcomes, size_t count,
                          struct buf arrays[RECORD_ARRAYS])
{
    struct outcome_columns *columns = malloc(sizeof *columns);
    if (columns == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct queue_outcome *outcome = &outcomes[i];
        int64_t retry_s = outcome->retry_after_s;
        columns->ids[i] = outcome->message_id;
        columns->epochs[i] = outcome->epoch;
        columns->outcomes[i] = queue_outcome_word(outcome->kind);
        columns->codes[i] = outcome->code;
        columns->enhanced[i] = outcome->enhanced;
        columns->words[i] = outcome->words;
        columns->retry_after_s[i] = (int32_t)(retry_s < INT32_MAX ? retry_s : INT32_MAX);
        columns->created[i] = outcome->created_unix_s;
    }
    bool is_whole = pg_array_append_int64(&arrays[0], columns->ids, count) &&
                    pg_array_append_int32(&arrays[1], columns->epochs, count) &&
                    pg_array_append_text(&arrays[2], columns->outcomes, count) &&
                    pg_array_append_int32(&arrays[3], columns->codes, count) &&
                    pg_array_append_text(&arrays[4], columns->enhanced, count) &&
                    pg_array_append_text(&arrays[5], columns->words, count) &&
                    pg_array_append_int32(&arrays[6], columns->retry_after_s, count) &&
                    pg_array_append_int64(&arrays[7], columns->created, count);
    free(columns);
    return is_whole;
}

bool queue_record(struct queue *queue, int64_t tenant_id, const struct queue_outcome *outcomes,
                  size_t count, queue_on_recorded *on_done, void *context)
{
    char tenant[NUMBER_BYTES];
    struct buf arrays[RECORD_ARRAYS];
    const char *parameters[2 + RECORD_ARRAYS] = {number(tenant, tenant_id), queue->owner};
    if (count > QUEUE_BATCH_MAXIMUM)
        abort();
    for (size_t i = 0; i < RECORD_ARRAYS; i++)
        buf_init(&arrays[i], ARRAY_CEILING_BYTES);
    bool is_started = columns_write(outcomes, count, arrays);
    for (size_t i = 0; i < RECORD_ARRAYS; i++)
        parameters[2 + i] = arrays[i].data;
    is_started = is_started && call(queue, QUEUE_RECORD, parameters, queue_read_recorded,
                                    (union queue_callback){.recorded = on_done}, context);
    for (size_t i = 0; i < RECORD_ARRAYS; i++)
        buf_free(&arrays[i]);
    return is_started;
}

bool queue_in_flight_tenants(struct queue *queue, const char *owner, queue_on_tenants *on_done,
                             void *context)
{
    const char *parameters[] = {owner};
    return call(queue, QUEUE_IN_FLIGHT_TENANTS, parameters, queue_read_tenants,
                (union queue_callback){.tenants = on_done}, context);
}

bool queue_dead_workers(struct queue *queue, int64_t grace_s, queue_on_dead_workers *on_done,
                        void *context)
{
    char grace[NUMBER_BYTES + 2];
    const char *parameters[] = {queue->owner, grace};
    snprintf(grace, sizeof grace, "%" PRId64 " s", grace_s);
    return call(queue, QUEUE_DEAD_WORKERS, parameters, queue_read_dead_workers,
                (union queue_callback){.dead_workers = on_done}, context);
}

bool queue_take_over(struct queue *queue, int64_t tenant_id, const char *dead, bool is_transmitting,
                     queue_on_taken_over *on_done, void *context)
{
    char tenant[NUMBER_BYTES];
    const char *parameters[] = {number(tenant, tenant_id), dead, is_transmitting ? "t" : "f"};
    return call(queue, QUEUE_TAKE_OVER, parameters, queue_read_taken_over,
                (union queue_callback){.taken_over = on_done}, context);
}

bool queue_fan_out(struct queue *queue, int64_t tenant_id, int limit, queue_on_boolean *on_done,
                   void *context)
{
    char tenant[NUMBER_BYTES], limit_text[NUMBER_BYTES];
    const char *parameters[] = {number(tenant, tenant_id), number(limit_text, limit)};
    return call(queue, QUEUE_FAN_OUT, parameters, queue_read_boolean,
                (union queue_callback){.boolean = on_done}, context);
}

bool queue_fire_rules(struct queue *queue, int64_t tenant_id, queue_on_integer *on_done,
                      void *context)
{
    char tenant[NUMBER_BYTES];
    const char *parameters[] = {number(tenant, tenant_id)};
    return call(queue, QUEUE_FIRE_RULES, parameters, queue_read_integer,
                (union queue_callback){.integer = on_done}, context);
}

bool queue_housekeep(struct queue *queue, queue_on_done *on_done, void *context)
{
    return call(queue, QUEUE_HOUSEKEEP, NULL, queue_read_done,
                (union queue_callback){.done = on_done}, context);
}
