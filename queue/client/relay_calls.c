/* The calls about relays: parameters in, plain answers out. */
#include "queue/client/relay_calls.h"

#include "queue/client/answers.h"
#include "worker/io/pg_array.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_BYTES = 24, ARRAY_CEILING_BYTES = 4096, SAY_ARRAYS = 10, MISPLACED_MOST = 1000 };

static const struct pg_statement say_statement = {
    "relays_say", "select handbell.relays_say($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", 11};
static const struct pg_statement allow_statement = {
    "relay_allow",
    "select granted, wait_ms from handbell.relay_allow($1, $2, $3, $4 * interval '1 ms', $5, $6, "
    "$7)",
    7};
static const struct pg_statement misplaced_statement = {
    "misplaced", "select tenant_id, relay, is_urgent from handbell.misplaced($1, $2)", 2};
static const struct pg_statement move_statement = {
    "move_messages", "select handbell.move_messages($1, $2, $3, $4)", 4};

/* Who waits for an answer that answers.h does not read. */
struct relay_call {
    queue_on_relays *on_relays;
    queue_on_allowance *on_allowance;
    queue_on_misplaced *on_misplaced;
    void *context;
};

static const char *number(char text[NUMBER_BYTES], int64_t value)
{
    snprintf(text, NUMBER_BYTES, "%" PRId64, value);
    return text;
}

static bool call(struct queue *queue, const struct pg_statement *statement,
                 const char *const *parameters, pg_on_result *read_answer, struct relay_call call)
{
    return queue_call_keeping(queue, statement, parameters, read_answer, &call, sizeof call);
}

/* ---- What is said of relays. ---- */

static void read_relays(void *context, const struct pg_result *result)
{
    struct relay_call *call = context;
    int relays[QUEUE_RELAYS_MAXIMUM];
    size_t count = pg_result_rows(result);
    count = count < QUEUE_RELAYS_MAXIMUM ? count : QUEUE_RELAYS_MAXIMUM;
    for (size_t i = 0; i < count; i++)
        relays[i] = (int)pg_result_integer(result, i, 0);
    call->on_relays(call->context, result, relays, count);
    free(call);
}

/* The columns of `relays` as arrays, in the order of the statement's parameters. */
static bool say_write(struct buf arrays[SAY_ARRAYS], const struct queue_relay *relays, size_t count)
{
    const char *texts[2][QUEUE_RELAYS_MAXIMUM];
    int32_t numbers[8][QUEUE_RELAYS_MAXIMUM];
    for (size_t i = 0; i < count; i++) {
        const struct queue_relay *relay = &relays[i];
        const int32_t row[8] = {
            relay->number,           (int32_t)relay->weight,       (int32_t)relay->per_minute,
            (int32_t)relay->per_day, (int32_t)relay->urgent_share, relay->is_down,
            (int32_t)relay->rate,    (int32_t)relay->sessions};
        for (size_t column = 0; column < 8; column++)
            numbers[column][i] = row[column];
        texts[0][i] = relay->name;
        texts[1][i] = relay->digest;
    }
    return pg_array_append_int32(&arrays[0], numbers[0], count) &&
           pg_array_append_text(&arrays[1], texts[0], count) &&
           pg_array_append_int32(&arrays[2], numbers[1], count) &&
           pg_array_append_int32(&arrays[3], numbers[2], count) &&
           pg_array_append_int32(&arrays[4], numbers[3], count) &&
           pg_array_append_int32(&arrays[5], numbers[4], count) &&
           pg_array_append_text(&arrays[6], texts[1], count) &&
           pg_array_append_int32(&arrays[7], numbers[5], count) &&
           pg_array_append_int32(&arrays[8], numbers[6], count) &&
           pg_array_append_int32(&arrays[9], numbers[7], count);
}

bool queue_relays_say(struct queue *queue, const char *owner, const struct queue_relay *relays,
                      size_t count, queue_on_relays *on_done, void *context)
{
    struct buf arrays[SAY_ARRAYS];
    const char *parameters[SAY_ARRAYS + 1] = {owner};
    for (size_t i = 0; i < SAY_ARRAYS; i++)
        buf_init(&arrays[i], ARRAY_CEILING_BYTES);
    bool is_started =
        say_write(arrays, relays, count < QUEUE_RELAYS_MAXIMUM ? count : QUEUE_RELAYS_MAXIMUM);
    for (size_t i = 0; i < SAY_ARRAYS; i++)
        parameters[i + 1] = arrays[i].data;
    if (is_started)
        is_started = call(queue, &say_statement, parameters, read_relays,
                          (struct relay_call){.on_relays = on_done, .context = context});
    for (size_t i = 0; i < SAY_ARRAYS; i++)
        buf_free(&arrays[i]);
    return is_started;
}

/* ---- Limits. ---- */

static void read_allowance(void *context, const struct pg_result *result)
{
    struct relay_call *call = context;
    struct queue_allowance allowance = {0};
    if (pg_result_rows(result) == 1)
        allowance = (struct queue_allowance){
            .granted = (uint32_t)pg_result_integer(result, 0, 0),
            .wait_ms = (uint64_t)pg_result_integer(result, 0, 1),
        };
    call->on_allowance(call->context, result, &allowance);
    free(call);
}

bool queue_relay_allow(struct queue *queue, const struct queue_relay *relay, uint32_t wanted,
                       bool is_urgent, uint32_t valid_ms, queue_on_allowance *on_done,
                       void *context)
{
    char texts[6][NUMBER_BYTES];
    const char *parameters[] = {
        number(texts[0], relay->number),      number(texts[1], wanted),
        is_urgent ? "true" : "false",         number(texts[2], valid_ms),
        number(texts[3], relay->per_minute),  number(texts[4], relay->per_day),
        number(texts[5], relay->urgent_share)};
    return call(queue, &allow_statement, parameters, read_allowance,
                (struct relay_call){.on_allowance = on_done, .context = context});
}

/* ---- Fail-over. ---- */

static void read_misplaced(void *context, const struct pg_result *result)
{
    struct relay_call *call = context;
    struct queue_misplaced_row rows[MISPLACED_MOST];
    size_t count = pg_result_rows(result);
    count = count < MISPLACED_MOST ? count : MISPLACED_MOST;
    for (size_t i = 0; i < count; i++)
        rows[i] = (struct queue_misplaced_row){.tenant_id = pg_result_integer(result, i, 0),
                                               .relay = (int)pg_result_integer(result, i, 1),
                                               .is_urgent = pg_result_is_true(result, i, 2)};
    call->on_misplaced(call->context, result, rows, count);
    free(call);
}

bool queue_misplaced(struct queue *queue, int limit, bool is_thorough, queue_on_misplaced *on_done,
                     void *context)
{
    char limit_text[NUMBER_BYTES];
    const char *parameters[] = {number(limit_text, limit), is_thorough ? "true" : "false"};
    return call(queue, &misplaced_statement, parameters, read_misplaced,
                (struct relay_call){.on_misplaced = on_done, .context = context});
}

bool queue_move_messages(struct queue *queue, const struct queue_misplaced_row *row, int limit,
                         queue_on_boolean *on_done, void *context)
{
    char tenant[NUMBER_BYTES], relay_text[NUMBER_BYTES], limit_text[NUMBER_BYTES];
    const char *parameters[] = {number(tenant, row->tenant_id), number(relay_text, row->relay),
                                number(limit_text, limit), row->is_urgent ? "true" : "false"};
    const struct queue_answer answer = {.on_done = {.boolean = on_done}, .context = context};
    return queue_call_keeping(queue, &move_statement, parameters, queue_read_boolean, &answer,
                              sizeof answer);
}
