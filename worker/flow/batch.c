/* One claim's shared facts. */
#include "worker/flow/batch.h"

#include "queue/client/queue.h"
#include "worker/mail/context.h"

#include <stdlib.h>

/* Made as mails ask for them, while the batch itself stays as it is. */
struct batch_views {
    struct json *courses[LANGUAGE_COUNT];
};

static struct json *courses_by_id(const struct queue_claimed_course *courses, size_t course_count)
{
    struct json *array = json_new_array();
    bool is_whole = array != NULL;
    for (size_t i = 0; is_whole && i < course_count; i++)
        is_whole = json_append(array, json_hold(courses[i].data));
    struct json *by_id = is_whole ? mail_context_by_id(array) : NULL;
    json_free(array);
    return by_id;
}

struct batch *batch_new(int64_t tenant_id, const struct json *tenant,
                        const struct queue_claimed_course *courses, size_t course_count)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        return NULL;
    batch->tenant_id = tenant_id;
    batch->tenant = json_hold(tenant);
    batch->courses = courses_by_id(courses, course_count);
    batch->views = calloc(1, sizeof *batch->views);
    if (batch->courses != NULL && batch->views != NULL && brand_logo_read(tenant, &batch->logo))
        batch->tenant_view = mail_context_tenant(tenant, &batch->logo);
    if (batch->tenant_view == NULL) {
        batch_free(batch);
        return NULL;
    }
    return batch;
}

const struct json *batch_course_views(const struct batch *batch, enum language language)
{
    struct json **views = &batch->views->courses[language];
    if (*views == NULL)
        *views = mail_context_courses(batch->courses, language);
    return *views;
}

void batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    list_leave(&batch->link);
    for (size_t i = 0; batch->views != NULL && i < LANGUAGE_COUNT; i++)
        json_free(batch->views->courses[i]);
    free(batch->views);
    brand_logo_free(&batch->logo);
    json_free(batch->tenant);
    json_free(batch->courses);
    json_free(batch->categories);
    json_free(batch->tenant_view);
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
