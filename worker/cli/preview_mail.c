/* Facts, a batch of one, the worker's writer, and what of it was asked for. */
#include "worker/cli/preview_mail.h"

#include "queue/client/queue.h"
#include "worker/flow/mail_writer.h"
#include "worker/model/lane.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

/* Signs the links of previews. It is in no key file, so `handbell web` believes none of them: who
 * is shown a preview can stop nobody's mail. The same each time, so that two previews compare. */
static const struct token_keys preview_keys = {
    .count = 1,
    .keys = {"handbell preview: opens nothing."},
};

/* The courses as a claim lists them; free() ends the list. NULL without memory. */
static struct queue_claimed_course *courses_list(const struct json *courses)
{
    size_t count = json_array_count(courses);
    struct queue_claimed_course *list = calloc(count + 1, sizeof *list);
    for (size_t i = 0; list != NULL && i < count; i++) {
        const struct json *course = json_array_at(courses, i);
        list[i].course_id = json_find_integer(course, "id", 0);
        list[i].data = json_hold(course);
    }
    return list;
}

static struct batch *batch_make(const struct json *facts)
{
    const struct json *courses = json_find(facts, "courses");
    size_t count = json_array_count(courses);
    struct queue_claimed_course *list = courses_list(courses);
    struct batch *batch = NULL;
    if (list == NULL)
        return NULL;
    batch = batch_new(json_find_integer(facts, "tenant_id", 0), json_find(facts, "tenant"), list,
                      count);
    if (batch != NULL)
        batch->categories = json_hold(json_find(facts, "categories"));
    for (size_t i = 0; i < count; i++)
        json_free(list[i].data);
    free(list);
    return batch;
}

/* The page with its picture inside: "cid:..." in place of a file means something to mail programs
 * alone. */
static bool page_append(const char *page, const struct json *tenant, struct buf *out)
{
    static const char start[] = "src=\"cid:";
    const struct json *logo = json_find(json_find(tenant, "brand"), "logo");
    const char *found = NULL;
    while ((found = strstr(page, start)) != NULL) {
        const char *end = strchr(found + sizeof start - 1, '"');
        if (end == NULL)
            break;
        buf_append(out, page, (size_t)(found - page));
        buf_printf(out, "src=\"data:%s;base64,%s\"", json_find_text(logo, "type"),
                   json_find_text(logo, "base64"));
        page = end + 1;
    }
    return buf_append_text(out, page);
}

static const char *address_of(const struct json *message)
{
    const struct json *person = json_find(message, "person");
    bool is_person = json_kind_of(person) == JSON_KIND_OBJECT;
    const char *address =
        json_find_text(is_person ? person : json_find(message, "establishment"), "email");
    return *address != '\0' ? address : PREVIEW_ADDRESS;
}

static bool write_by(struct mail_writer *writer, const struct batch *batch,
                     const struct json *facts, enum preview_format format, struct buf *out,
                     struct error *error)
{
    const struct json *message = json_find(facts, "message");
    struct buf mail;
    const struct mail_writer_input input = {
        .batch = batch,
        .data = message,
        .address = address_of(message),
        .is_bulk = json_find_integer(facts, "lane", LANE_SERVICE) >= LANE_ALERT,
        .now_unix_s = json_find_integer(facts, "now_unix", (int64_t)time(NULL)),
    };
    buf_init(&mail, out->ceiling);
    bool is_done = mail_writer_write(writer, &input, &mail, error);
    if (is_done && format == PREVIEW_EML)
        buf_append(out, mail.data, mail.size);
    else if (is_done && format == PREVIEW_TEXT)
        buf_append(out, writer->text.data, writer->text.size);
    else if (is_done)
        page_append(writer->html.data, batch->tenant, out);
    buf_free(&mail);
    if (is_done && out->is_out_of_memory)
        return error_set(error, EX_OSERR, "no memory");
    if (is_done && out->has_failed)
        return error_set(error, EX_DATAERR, "the mail is too long");
    return is_done;
}

bool preview_mail_write(const struct template_set *templates, const struct json *facts,
                        enum preview_format format, struct buf *out, struct error *error)
{
    struct mail_writer writer;
    struct batch *batch = batch_make(facts);
    if (batch == NULL)
        return error_set(error, EX_OSERR, "no memory");
    mail_writer_init(&writer);
    writer.templates = templates;
    writer.keys = &preview_keys;
    bool is_done = write_by(&writer, batch, facts, format, out, error);
    mail_writer_free(&writer);
    batch_free(batch);
    return is_done;
}
