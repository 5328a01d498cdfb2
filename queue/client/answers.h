/* From rows to the structs of queue.h. Private to queue/client. */
#ifndef HANDBELL_QUEUE_CLIENT_ANSWERS_H
#define HANDBELL_QUEUE_CLIENT_ANSWERS_H

#include "queue/client/queue.h"

union queue_callback {
    queue_on_done *done;
    queue_on_boolean *boolean;
    queue_on_integer *integer;
    queue_on_due_work *due_work;
    queue_on_claimed *claimed;
    queue_on_marked *marked;
    queue_on_recorded *recorded;
    queue_on_tenants *tenants;
    queue_on_dead_workers *dead_workers;
    queue_on_taken_over *taken_over;
};

/* Who waits for an answer. Each function below gets one as its context, reads the rows, calls the
 * callback once, and frees the answer and all that it made. */
struct queue_answer {
    union queue_callback on_done;
    void *context;
};

/* Starts a call whose context is a copy of the `size` bytes at `context`; `read_answer` gets the
 * copy and frees it. False: nothing was started, for want of memory. */
bool queue_call_keeping(struct queue *queue, const struct pg_statement *statement,
                        const char *const *parameters, pg_on_result *read_answer,
                        const void *context, size_t size);

void queue_read_done(void *context, const struct pg_result *result);
void queue_read_boolean(void *context, const struct pg_result *result);
void queue_read_integer(void *context, const struct pg_result *result);
void queue_read_due_work(void *context, const struct pg_result *result);
void queue_read_claimed(void *context, const struct pg_result *result);
void queue_read_marked(void *context, const struct pg_result *result);
void queue_read_recorded(void *context, const struct pg_result *result);
void queue_read_tenants(void *context, const struct pg_result *result);
void queue_read_dead_workers(void *context, const struct pg_result *result);
void queue_read_taken_over(void *context, const struct pg_result *result);

#endif
