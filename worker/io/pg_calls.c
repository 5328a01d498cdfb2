/* Who waits for an answer, and the putting together of answers: a statement's result counts only
 * once the server has said that its transaction is over. */
#include "worker/io/pg_calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void list_init(struct pg_list *list)
{
    *list = (struct pg_list){.end = &list->first};
}

static void list_push(struct pg_list *list, struct pg_pending *call)
{
    call->next = NULL;
    *list->end = call;
    list->end = &call->next;
    list->count++;
}

static struct pg_pending *list_pop(struct pg_list *list)
{
    struct pg_pending *call = list->first;
    list->first = call->next;
    if (list->first == NULL)
        list->end = &list->first;
    list->count--;
    return call;
}

void pg_calls_init(struct pg_calls *calls)
{
    *calls = (struct pg_calls){.answer = {.kind = PG_RESULT_UNSENT}};
    list_init(&calls->sent);
    list_init(&calls->ended);
}

bool pg_calls_add_unsent(struct pg_calls *calls, pg_on_result *on_result, void *context)
{
    struct pg_pending *call = calloc(1, sizeof *call);
    if (call == NULL)
        return false;
    call->on_result = on_result;
    call->context = context;
    call->ended_kind = PG_RESULT_UNSENT;
    list_push(&calls->ended, call);
    return true;
}

static bool is_prepared(const struct pg_calls *calls, const struct pg_statement *statement)
{
    for (size_t i = 0; i < calls->prepared_count; i++) {
        if (calls->prepared[i] == statement)
            return true;
    }
    return false;
}

static void prepared_forget(struct pg_calls *calls, const struct pg_statement *statement)
{
    for (size_t i = 0; i < calls->prepared_count; i++) {
        if (calls->prepared[i] == statement) {
            calls->prepared[i] = calls->prepared[--calls->prepared_count];
            return;
        }
    }
}

/* Preparing and executing share one transaction: when the first is refused so is the second, and
 * the answer is the first one's. */
static bool call_write(struct pg_calls *calls, struct pg_connection *connection,
                       struct pg_pending *call, const char *const *parameters)
{
    const struct pg_statement *statement = call->statement;
    if (!is_prepared(calls, statement)) {
        if (calls->prepared_count == PG_STATEMENTS_MAXIMUM)
            abort();
        if (!pg_connection_send_prepare(connection, statement->name, statement->sql))
            return false;
        calls->prepared[calls->prepared_count++] = statement;
        call->is_preparing = true;
    }
    return pg_connection_send_execute(connection, statement->name, parameters,
                                      statement->parameter_count) &&
           pg_connection_send_sync(connection);
}

bool pg_calls_send(struct pg_calls *calls, struct pg_connection *connection,
                   const struct pg_pending *call, const char *const *parameters, bool *is_broken)
{
    struct pg_pending *copy = malloc(sizeof *copy);
    if (copy == NULL)
        return false;
    *copy = *call;
    list_push(&calls->sent, copy);
    if (!call_write(calls, connection, copy, parameters))
        *is_broken = true;
    return true;
}

static bool answers_leave_step(struct pg_calls *calls, const char *reason)
{
    char text[PG_TEXT_BYTES];
    snprintf(text, sizeof text, "%s", reason);
    pg_connection_clear(&calls->answer);
    snprintf(calls->answer.text, sizeof calls->answer.text, "%s", text);
    calls->is_out_of_step = true;
    return false;
}

/* The first failure of a transaction is its answer; without one, its last result is. False: the
 * answers are out of step. */
static bool answer_add(struct pg_calls *calls, struct pg_result *result)
{
    const struct pg_pending *call = calls->sent.first;
    bool is_of_prepare = call->is_preparing && calls->answer_count == 0;
    bool has_failed = calls->answer_count > 0 && calls->answer.kind != PG_RESULT_ROWS;
    size_t expected = call->is_preparing ? 2 : 1; /* and a failure more where it does not commit */
    if (result->kind == PG_RESULT_LOST ||
        (result->kind == PG_RESULT_ROWS && calls->answer_count >= expected)) {
        answers_leave_step(calls,
                           result->kind == PG_RESULT_LOST ? result->text : "an answer too many");
        pg_connection_clear(result);
        return false;
    }
    calls->answer_count++;
    if (is_of_prepare && result->kind != PG_RESULT_ROWS)
        prepared_forget(calls, call->statement);
    if (has_failed) {
        pg_connection_clear(result);
        return true;
    }
    pg_connection_clear(&calls->answer);
    calls->answer = *result;
    return true;
}

bool pg_calls_next(struct pg_calls *calls, struct pg_connection *connection,
                   struct pg_pending **call, struct pg_result *result)
{
    while (calls->sent.count > 0 && !calls->is_out_of_step) {
        struct pg_result part;
        switch (pg_connection_next(connection, &part)) {
        case PG_STEP_WAIT:
            return false;
        case PG_STEP_RESULT:
            if (!answer_add(calls, &part))
                return false;
            break;
        case PG_STEP_END:
            break;
        case PG_STEP_SYNC:
            if (calls->answer_count == 0)
                return answers_leave_step(calls, "an answer is missing");
            *call = list_pop(&calls->sent);
            *result = calls->answer;
            calls->answer = (struct pg_result){.kind = PG_RESULT_UNSENT};
            calls->answer_count = 0;
            return true;
        }
    }
    return false;
}

void pg_calls_lose(struct pg_calls *calls)
{
    while (calls->sent.count > 0) {
        struct pg_pending *call = list_pop(&calls->sent);
        call->ended_kind = PG_RESULT_LOST;
        list_push(&calls->ended, call);
    }
    pg_connection_clear(&calls->answer);
    calls->answer_count = 0;
    calls->is_out_of_step = false;
    calls->prepared_count = 0;
}

bool pg_calls_take_ended(struct pg_calls *calls, struct pg_pending **call, struct pg_result *result)
{
    if (calls->ended.count == 0)
        return false;
    *call = list_pop(&calls->ended);
    *result = (struct pg_result){.kind = (*call)->ended_kind};
    snprintf(result->text, sizeof result->text, "%s",
             result->kind == PG_RESULT_LOST ? "the connection was lost before the answer"
                                            : "there is no connection");
    return true;
}

uint64_t pg_calls_earliest_deadline_ms(const struct pg_calls *calls)
{
    uint64_t earliest = UINT64_MAX;
    for (const struct pg_pending *call = calls->sent.first; call != NULL; call = call->next)
        earliest = call->deadline_ms < earliest ? call->deadline_ms : earliest;
    return earliest;
}
