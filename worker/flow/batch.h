/* What the messages of one claim share: the tenant and the courses, turned into what templates see
 * once, and let go with the last message. */
#ifndef HANDBELL_FLOW_BATCH_H
#define HANDBELL_FLOW_BATCH_H

#include "worker/base/json.h"
#include "worker/base/list.h"

#include <stddef.h>
#include <stdint.h>

struct queue_claimed_course;

/* `holders` are the messages that are not ended; `link` is in the flow's list of batches. */
struct batch {
    struct list_link link;
    int64_t tenant_id;
    size_t holders;
    struct json *tenant;       /* as the database gave it */
    struct json *tenant_view;  /* by mail_context_tenant */
    struct json *course_views; /* by mail_context_courses */
};

/* A batch with no holder yet; holds `tenant`, copies nothing of it. NULL without memory. Ended by
 * batch_free, or by the last batch_let_go. */
struct batch *batch_new(int64_t tenant_id, const struct json *tenant,
                        const struct queue_claimed_course *courses, size_t course_count);
void batch_free(struct batch *batch); /* NULL is fine */

/* One message more; one less: the last one frees the batch. */
void batch_hold(struct batch *batch);
void batch_let_go(struct batch *batch);

#endif
