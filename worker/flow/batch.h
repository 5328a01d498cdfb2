/* What the messages of one claim share: the tenant and the courses, turned into what templates see
 * once a language, and let go with the last message. */
#ifndef HANDBELL_FLOW_BATCH_H
#define HANDBELL_FLOW_BATCH_H

#include "worker/base/json.h"
#include "worker/base/list.h"
#include "worker/mail/brand.h"
#include "worker/model/language.h"

#include <stddef.h>
#include <stdint.h>

struct queue_claimed_course;

struct batch_views; /* batch.c */

/* `holders` are the messages that are not ended; `link` is in the flow's list of batches. */
struct batch {
    struct list_link link;
    int64_t tenant_id;
    size_t holders;
    struct json *tenant;      /* as the database gave it */
    struct json *courses;     /* as the database gave them, by id (mail_context_by_id) */
    struct json *categories;  /* {"id":{"kind","name"}}, held, or NULL: the claim's, for
                                 whoever makes the batch to set */
    struct brand_logo logo;   /* decoded; size 0: the tenant has none */
    struct json *tenant_view; /* by mail_context_tenant */
    struct batch_views *views;
};

/* A batch with no holder yet; holds `tenant` and the courses' data, copies nothing of them. NULL
 * without memory. Ended by batch_free, or by the last batch_let_go. */
struct batch *batch_new(int64_t tenant_id, const struct json *tenant,
                        const struct queue_claimed_course *courses, size_t course_count);
void batch_free(struct batch *batch); /* NULL is fine */

/* The courses' views in a language (mail_context_courses), borrowed while the batch lives; made at
 * the first mail that asks. NULL without memory: asking again may help. */
const struct json *batch_course_views(const struct batch *batch, enum language language);

/* One message more; one less: the last one frees the batch. */
void batch_hold(struct batch *batch);
void batch_let_go(struct batch *batch);

#endif
