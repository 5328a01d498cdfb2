/* From rows to the structs of queue.h. A row that cannot be read, for want of memory say, makes the
 * whole answer a lost one: what was asked is done and committed, and the worker knows nothing of
 * it. It does nothing on half of what the database said. */
#include "queue/client/answers.h"

#include "worker/io/pg_array.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool queue_call_keeping(struct queue *queue, const struct pg_statement *statement,
                        const char *const *parameters, pg_on_result *read_answer,
                        const void *context, size_t size)
{
    void *kept = malloc(size);
    if (kept == NULL)
        return false;
    memcpy(kept, context, size);
    if (pg_call(queue_connection(queue), statement, parameters, 0, read_answer, kept))
        return true;
    free(kept);
    return false;
}

static struct pg_result unreadable(const char *why)
{
    struct pg_result result = {.kind = PG_RESULT_LOST};
    snprintf(result.text, sizeof result.text, "the answer cannot be read: %.300s", why);
    return result;
}

/* `count` zeroed elements (at least one, so that NULL always means no memory). */
static void *rows_alloc(size_t count, size_t size)
{
    return calloc(count > 0 ? count : 1, size);
}

static size_t text_find(const char *text, const char *const *words, size_t count)
{
    size_t i = 0;
    while (i < count && strcmp(text, words[i]) != 0)
        i++;
    return i;
}

void queue_read_done(void *context, const struct pg_result *result)
{
    struct queue_answer *answer = context;
    answer->on_done.done(answer->context, result);
    free(answer);
}

void queue_read_boolean(void *context, const struct pg_result *result)
{
    struct queue_answer *answer = context;
    bool is_true = pg_result_rows(result) == 1 && pg_result_is_true(result, 0, 0);
    answer->on_done.boolean(answer->context, result, is_true);
    free(answer);
}

void queue_read_integer(void *context, const struct pg_result *result)
{
    struct queue_answer *answer = context;
    int64_t value = pg_result_rows(result) == 1 ? pg_result_integer(result, 0, 0) : 0;
    answer->on_done.integer(answer->context, result, value);
    free(answer);
}

void queue_read_due_work(void *context, const struct pg_result *result)
{
    static const char *const works[] = {
        [QUEUE_WORK_MESSAGES] = "messages", [QUEUE_WORK_JOB] = "job", [QUEUE_WORK_RULE] = "rule"};
    struct queue_answer *answer = context;
    size_t count = pg_result_rows(result);
    struct pg_result problem = unreadable("no memory");
    struct queue_due *due = rows_alloc(count, sizeof *due);
    bool is_read = due != NULL;
    for (size_t i = 0; is_read && i < count; i++) {
        size_t what = text_find(pg_result_text(result, i, 1, NULL), works, 3);
        due[i] = (struct queue_due){.tenant_id = pg_result_integer(result, i, 0),
                                    .what = (enum queue_work)what,
                                    .lane = (int)pg_result_integer(result, i, 2),
                                    .relay = (int)pg_result_integer(result, i, 3)};
        if (what == 3) {
            problem = unreadable("due_work: an unknown kind of work");
            is_read = false;
        }
    }
    answer->on_done.due_work(answer->context, is_read ? result : &problem, due,
                             is_read ? count : 0);
    free(due);
    free(answer);
}

/* The parts of a claim while it is read; the arrays are large enough for every row. */
struct claim_reading {
    struct json *tenant;
    struct json *categories;
    struct queue_claimed_course *courses;
    struct queue_claimed_message *messages;
    size_t course_count;
    size_t message_count;
    struct queue_place last;
};

static bool claim_read_row(struct claim_reading *claim, const struct pg_result *result, size_t row,
                           struct pg_result *problem)
{
    struct error error = {0};
    size_t size;
    const char *text = pg_result_text(result, row, 3, &size);
    const char *what = pg_result_text(result, row, 0, NULL);
    int64_t id = pg_result_integer(result, row, 1);
    struct json *data = json_parse(text, size, &error);
    if (data == NULL) {
        *problem = unreadable(error.text);
        return false;
    }
    if (strcmp(what, "message") == 0) {
        claim->messages[claim->message_count++] = (struct queue_claimed_message){
            .message_id = id, .epoch = (int32_t)pg_result_integer(result, row, 2), .data = data};
        claim->last =
            (struct queue_place){.due_us = pg_result_integer(result, row, 4), .message_id = id};
    } else if (strcmp(what, "course") == 0) {
        claim->courses[claim->course_count++] =
            (struct queue_claimed_course){.course_id = id, .data = data};
    } else if (strcmp(what, "tenant") == 0 && claim->tenant == NULL) {
        claim->tenant = data;
    } else if (strcmp(what, "categories") == 0 && claim->categories == NULL) {
        claim->categories = data;
    } else {
        json_free(data);
        *problem = unreadable("claim: an unknown part");
        return false;
    }
    return true;
}

void queue_read_claimed(void *context, const struct pg_result *result)
{
    struct queue_answer *answer = context;
    size_t count = pg_result_rows(result);
    struct pg_result problem = unreadable("no memory");
    struct claim_reading claim = {
        .courses = rows_alloc(count, sizeof *claim.courses),
        .messages = rows_alloc(count, sizeof *claim.messages),
    };
    bool is_read = claim.courses != NULL && claim.messages != NULL;
    for (size_t i = 0; is_read && i < count; i++)
        is_read = claim_read_row(&claim, result, i, &problem);
    if (is_read && claim.message_count > 0 && claim.tenant == NULL) {
        problem = unreadable("claim: messages without their tenant");
        is_read = false;
    }
    struct queue_claimed claimed = {0};
    if (is_read)
        claimed = (struct queue_claimed){.tenant = claim.tenant,
                                         .categories = claim.categories,
                                         .courses = claim.courses,
                                         .course_count = claim.course_count,
                                         .messages = claim.messages,
                                         .message_count = claim.message_count,
                                         .last = claim.last};
    answer->on_done.claimed(answer->context, is_read ? result : &problem, &claimed);
    json_free(claim.tenant);
    json_free(claim.categories);
    for (size_t i = 0; i < claim.course_count; i++)
        json_free(claim.courses[i].data);
    for (size_t i = 0; i < claim.message_count; i++)
        json_free(claim.messages[i].data);
    free(claim.courses);
    free(claim.messages);
    free(answer);
}

/* How many ids the literals of column `column` can hold at most: one more than commas. */
static size_t count_ids(const struct pg_result *result, size_t column)
{
    size_t total = 0;
    for (size_t i = 0; i < pg_result_rows(result); i++) {
        const char *text = pg_result_text(result, i, column, NULL);
        for (total += *text != '\0'; *text != '\0'; text++)
            total += *text == ',';
    }
    return total;
}

static enum queue_verdict verdict_of(const char *word)
{
    if (strcmp(word, "go") == 0)
        return QUEUE_VERDICT_GO;
    return strcmp(word, "stale") == 0 ? QUEUE_VERDICT_STALE : QUEUE_VERDICT_SKIPPED;
}

void queue_read_marked(void *context, const struct pg_result *result)
{
    struct queue_answer *answer = context;
    size_t count = pg_result_rows(result), room = count_ids(result, 3), used = 0;
    struct pg_result problem = unreadable("no memory");
    struct queue_marked *marked = rows_alloc(count, sizeof *marked);
    int64_t *courses = rows_alloc(room, sizeof *courses);
    bool is_read = marked != NULL && courses != NULL;
    for (size_t i = 0; is_read && i < count; i++) {
        const char *word = pg_result_text(result, i, 1, NULL);
        marked[i] = (struct queue_marked){.message_id = pg_result_integer(result, i, 0),
                                          .verdict = verdict_of(word),
                                          .word = word,
                                          .address = pg_result_text(result, i, 2, NULL),
                                          .courses = courses + used};
        if (!pg_result_is_null(result, i, 3))
            marked[i].course_count = pg_array_read_int64(pg_result_text(result, i, 3, NULL),
                                                         courses + used, room - used, &is_read);
        if (!is_read)
            problem = unreadable("mark: courses");
        used += marked[i].course_count;
    }
    answer->on_done.marked(answer->context, is_read ? result : &problem, marked,
                           is_read ? count : 0);
    free(marked);
    free(courses);
    free(answer);
}

void queue_read_recorded(void *context, const struct pg_result *result)
{
    static const char *const states[] = {
        [QUEUE_RECORDED_SENT] = "sent",       [QUEUE_RECORDED_FAILED] = "failed",
        [QUEUE_RECORDED_READY] = "ready",     [QUEUE_RECORDED_UNCERTAIN] = "uncertain",
        [QUEUE_RECORDED_SKIPPED] = "skipped", [QUEUE_RECORDED_STALE] = "stale"};
    struct queue_answer *answer = context;
    size_t count = pg_result_rows(result);
    struct pg_result problem = unreadable("no memory");
    struct queue_recorded *recorded = rows_alloc(count, sizeof *recorded);
    bool is_read = recorded != NULL;
    for (size_t i = 0; is_read && i < count; i++) {
        size_t state = text_find(pg_result_text(result, i, 1, NULL), states, 6);
        recorded[i] = (struct queue_recorded){.message_id = pg_result_integer(result, i, 0),
                                              .state = (enum queue_recorded_state)state};
        if (state == 6) {
            problem = unreadable("record: an unknown state");
            is_read = false;
        }
    }
    answer->on_done.recorded(answer->context, is_read ? result : &problem, recorded,
                             is_read ? count : 0);
    free(recorded);
    free(answer);
}

void queue_read_tenants(void *context, const struct pg_result *result)
{
    struct queue_answer *answer = context;
    size_t count = pg_result_rows(result);
    struct pg_result problem = unreadable("no memory");
    int64_t *tenant_ids = rows_alloc(count, sizeof *tenant_ids);
    for (size_t i = 0; tenant_ids != NULL && i < count; i++)
        tenant_ids[i] = pg_result_integer(result, i, 0);
    answer->on_done.tenants(answer->context, tenant_ids ? result : &problem, tenant_ids,
                            tenant_ids ? count : 0);
    free(tenant_ids);
    free(answer);
}

void queue_read_dead_workers(void *context, const struct pg_result *result)
{
    struct queue_answer *answer = context;
    size_t count = pg_result_rows(result);
    struct pg_result problem = unreadable("no memory");
    struct queue_dead_worker *dead = rows_alloc(count, sizeof *dead);
    for (size_t i = 0; dead != NULL && i < count; i++) {
        snprintf(dead[i].owner, sizeof dead[i].owner, "%s", pg_result_text(result, i, 0, NULL));
        dead[i].is_grace_over = pg_result_is_true(result, i, 1);
    }
    answer->on_done.dead_workers(answer->context, dead ? result : &problem, dead, dead ? count : 0);
    free(dead);
    free(answer);
}

void queue_read_taken_over(void *context, const struct pg_result *result)
{
    struct queue_answer *answer = context;
    struct queue_taken_over taken_over = {0};
    if (pg_result_rows(result) == 1) {
        taken_over.released = pg_result_integer(result, 0, 0);
        taken_over.uncertain = pg_result_integer(result, 0, 1);
    }
    answer->on_done.taken_over(answer->context, result, &taken_over);
    free(answer);
}
