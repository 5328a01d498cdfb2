/* The calls about workers and the database's life: parameters in, answers out. */
#include "queue/client/life_calls.h"

#include "queue/client/answers.h"
#include "worker/io/pg_array.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES = 24, ARRAY_CEILING_BYTES = 1 << 18, RESUME_ARRAYS = 3, SETTLE_ARRAYS = 7 };

static const struct pg_statement start_statement = {
    "worker_start", "select handbell.worker_start($1, $2, $3, $4, $5)", 5};
static const struct pg_statement reconciled_statement = {
    "worker_reconciled", "select handbell.worker_reconciled($1, $2 * interval '1 s')", 2};
static const struct pg_statement resume_statement = {
    "resume", "select handbell.resume($1, $2, $3, $4, $5)", 5};
static const struct pg_statement own_statement = {
    "own_transmitting",
    "select message_id, epoch, created, claimed from handbell.own_transmitting($1, $2)", 2};
static const struct pg_statement lost_statement = {
    "doubts_lost",
    "select message_id, epoch, created, claimed from handbell.doubts_lost($1, $2, $3)", 3};
static const struct pg_statement settle_statement = {
    "settle", "select message_id, state from handbell.settle($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    9};

/* Who waits for an answer that answers.h does not read. */
struct life_call {
    queue_on_start *on_start;
    queue_on_attempts *on_attempts;
    void *context;
};

static const char *number(char text[NUMBER_BYTES], int64_t value)
{
    snprintf(text, NUMBER_BYTES, "%" PRId64, value);
    return text;
}

static bool call_for(struct queue *queue, const struct pg_statement *statement,
                     const char *const *parameters, pg_on_result *read_answer,
                     struct life_call call)
{
    return queue_call_keeping(queue, statement, parameters, read_answer, &call, sizeof call);
}

static bool call(struct queue *queue, const struct pg_statement *statement,
                 const char *const *parameters, pg_on_result *read_answer,
                 union queue_callback on_done, void *context)
{
    const struct queue_answer answer = {.on_done = on_done, .context = context};
    return queue_call_keeping(queue, statement, parameters, read_answer, &answer, sizeof answer);
}

/* ---- Coming. ---- */

/* An answer that is not known lets nothing begin. */
static void read_start(void *context, const struct pg_result *result)
{
    struct life_call *call = context;
    enum queue_start answer = QUEUE_START_REFUSED;
    if (pg_result_rows(result) == 1) {
        const char *word = pg_result_text(result, 0, 0, NULL);
        if (strcmp(word, "ready") == 0)
            answer = QUEUE_START_READY;
        else if (strcmp(word, "reconcile") == 0)
            answer = QUEUE_START_RECONCILE;
    }
    call->on_start(call->context, result, answer);
    free(call);
}

bool queue_worker_start(struct queue *queue, const char *owner, const struct queue_log_place *known,
                        queue_on_start *on_done, void *context)
{
    char system[NUMBER_BYTES], timeline[NUMBER_BYTES], position[NUMBER_BYTES], kept[NUMBER_BYTES];
    bool is_known = known->system_identifier != 0;
    const char *parameters[] = {owner, is_known ? number(system, known->system_identifier) : NULL,
                                is_known ? number(timeline, known->timeline) : NULL,
                                is_known ? number(position, known->position) : NULL,
                                is_known ? number(kept, known->kept) : NULL};
    return call_for(queue, &start_statement, parameters, read_start,
                    (struct life_call){.on_start = on_done, .context = context});
}

bool queue_worker_reconciled(struct queue *queue, const char *owner, int64_t grace_s,
                             queue_on_boolean *on_done, void *context)
{
    char grace[NUMBER_BYTES];
    const char *parameters[] = {owner, number(grace, grace_s)};
    return call(queue, &reconciled_statement, parameters, queue_read_boolean,
                (union queue_callback){.boolean = on_done}, context);
}

/* ---- Attempts. ---- */

/* Ids, epochs and times of making, as arrays. */
static bool attempts_write(struct buf arrays[RESUME_ARRAYS], const void *first, size_t step,
                           size_t count)
{
    int64_t ids[QUEUE_BATCH_MAXIMUM];
    int64_t created[QUEUE_BATCH_MAXIMUM];
    int32_t epochs[QUEUE_BATCH_MAXIMUM];

    if (count > QUEUE_BATCH_MAXIMUM)
        abort();
    for (size_t i = 0; i < count; i++) {
        const struct queue_attempt *attempt = (const void *)((const char *)first + i * step);
        ids[i] = attempt->message_id;
        created[i] = attempt->created_unix_s;
        epochs[i] = attempt->epoch;
    }
    return pg_array_append_int64(&arrays[0], ids, count) &&
           pg_array_append_int32(&arrays[1], epochs, count) &&
           pg_array_append_int64(&arrays[2], created, count);
}

static void arrays_init(struct buf *arrays, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_init(&arrays[i], ARRAY_CEILING_BYTES);
}

static void arrays_free(struct buf *arrays, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_free(&arrays[i]);
}

bool queue_resume(struct queue *queue, int64_t tenant_id, const char *owner,
                  const struct queue_attempt *attempts, size_t count, queue_on_integer *on_done,
                  void *context)
{
    char tenant[NUMBER_BYTES];
    struct buf arrays[RESUME_ARRAYS];
    arrays_init(arrays, RESUME_ARRAYS);
    bool is_started = attempts_write(arrays, attempts, sizeof *attempts, count);
    const char *parameters[] = {number(tenant, tenant_id), owner, arrays[0].data, arrays[1].data,
                                arrays[2].data};
    is_started = is_started && call(queue, &resume_statement, parameters, queue_read_integer,
                                    (union queue_callback){.integer = on_done}, context);
    arrays_free(arrays, RESUME_ARRAYS);
    return is_started;
}

static void read_attempts(void *context, const struct pg_result *result)
{
    struct life_call *call = context;
    size_t count = pg_result_rows(result);
    struct pg_result problem = {.kind = PG_RESULT_LOST, .text = "no memory"};
    struct queue_attempt *attempts = calloc(count > 0 ? count : 1, sizeof *attempts);
    for (size_t i = 0; attempts != NULL && i < count; i++)
        attempts[i] = (struct queue_attempt){.message_id = pg_result_integer(result, i, 0),
                                             .epoch = (int32_t)pg_result_integer(result, i, 1),
                                             .created_unix_s = pg_result_integer(result, i, 2),
                                             .claimed_unix_s = pg_result_integer(result, i, 3)};
    call->on_attempts(call->context, attempts != NULL ? result : &problem, attempts,
                      attempts != NULL ? count : 0);
    free(attempts);
    free(call);
}

bool queue_own_transmitting(struct queue *queue, int64_t tenant_id, const char *owner,
                            queue_on_attempts *on_done, void *context)
{
    char tenant[NUMBER_BYTES];
    const char *parameters[] = {number(tenant, tenant_id), owner};
    return call_for(queue, &own_statement, parameters, read_attempts,
                    (struct life_call){.on_attempts = on_done, .context = context});
}

bool queue_doubts_lost(struct queue *queue, int64_t tenant_id, const struct queue_attempt *attempts,
                       size_t count, queue_on_attempts *on_done, void *context)
{
    char tenant[NUMBER_BYTES];
    struct buf arrays[RESUME_ARRAYS];
    arrays_init(arrays, RESUME_ARRAYS);
    bool is_started = attempts_write(arrays, attempts, sizeof *attempts, count);
    const char *parameters[] = {number(tenant, tenant_id), arrays[0].data, arrays[2].data};
    is_started =
        is_started && call_for(queue, &lost_statement, parameters, read_attempts,
                               (struct life_call){.on_attempts = on_done, .context = context});
    arrays_free(arrays, RESUME_ARRAYS);
    return is_started;
}

/* ---- Settling. ---- */

static bool outcomes_write(struct buf arrays[SETTLE_ARRAYS], const struct queue_settled *settled,
                           size_t count)
{
    const char *outcomes[QUEUE_BATCH_MAXIMUM];
    const char *enhanced[QUEUE_BATCH_MAXIMUM];
    int32_t codes[QUEUE_BATCH_MAXIMUM];
    int32_t retry_after_s[QUEUE_BATCH_MAXIMUM];

    for (size_t i = 0; i < count; i++) {
        int64_t retry_s = settled[i].retry_after_s;
        outcomes[i] = queue_outcome_word(settled[i].kind);
        enhanced[i] = settled[i].enhanced;
        codes[i] = settled[i].code;
        retry_after_s[i] = (int32_t)(retry_s < INT32_MAX ? retry_s : INT32_MAX);
    }
    return pg_array_append_text(&arrays[RESUME_ARRAYS], outcomes, count) &&
           pg_array_append_int32(&arrays[RESUME_ARRAYS + 1], codes, count) &&
           pg_array_append_text(&arrays[RESUME_ARRAYS + 2], enhanced, count) &&
           pg_array_append_int32(&arrays[RESUME_ARRAYS + 3], retry_after_s, count);
}

bool queue_settle(struct queue *queue, int64_t tenant_id, const char *owner,
                  const struct queue_settled *settled, size_t count, queue_on_recorded *on_done,
                  void *context)
{
    char tenant[NUMBER_BYTES];
    struct buf arrays[SETTLE_ARRAYS];
    const char *parameters[2 + SETTLE_ARRAYS] = {number(tenant, tenant_id), owner};
    arrays_init(arrays, SETTLE_ARRAYS);
    bool is_started = attempts_write(arrays, &settled->attempt, sizeof *settled, count) &&
                      outcomes_write(arrays, settled, count);
    for (size_t i = 0; i < SETTLE_ARRAYS; i++)
        parameters[2 + i] = arrays[i].data;
    is_started = is_started && call(queue, &settle_statement, parameters, queue_read_recorded,
                                    (union queue_callback){.recorded = on_done}, context);
    arrays_free(arrays, SETTLE_ARRAYS);
    return is_started;
}
