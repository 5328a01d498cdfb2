/* One claim's shared facts. */
#include "worker/flow/batch.h"

#include "queue/client/queue.h"
#include "worker/mail/context.h"

#include <stdlib.h>

static struct json *views_of(const struct queue_claimed_course *courses, size_t course_count)
{
    struct json *array = json_new_array();
    bool is_whole = array != NULL;
    for (size_t i = 0; is_whole && i < course_count; i++)
        is_whole = json_append(array, json_hold(courses[i].data));
    struct json *views = is_whole ? mail_context_courses(array) : NULL;
    json_free(array);
    return views;
}

struct batch *batch_new(int64_t tenant_id, const struct json *tenant,
                        const struct queue_claimed_course *courses, size_t course_count)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        return NULL;
    batch->tenant_id = tenant_id;
    batch->tenant = json_hold(tenant);
    batch->tenant_view = mail_context_tenant(tenant);
    batch->course_views = views_of(courses, course_count);
    if (batch->tenant_view == NULL || batch->course_views == NULL) {
        batch_free(batch);
        return NULL;
    }
    return batch;
}

void batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    list_leave(&batch->link);
    json_free(batch->tenant);
    json_free(batch->tenant_view);
    json_free(batch->course_views);
    free(batch);
}

void batch_hold(struct batch *batch)
{
    batch->holders++;
}

void batch_let_go(struct batch *batch)
{
    if (--batch->holders == 0)
        batch_free(batch);
}
