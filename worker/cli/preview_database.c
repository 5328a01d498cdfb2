/* The rows of preview_facts (queue/sql/functions/62_preview.sql), as one object. */
#include "worker/cli/preview_database.h"

#include "worker/cli/database.h"
#include "worker/model/shared_mailbox.h"

#include <string.h>
#include <sysexits.h>

enum { COLUMN_WHAT, COLUMN_ID, COLUMN_DATA };

/* Whoever looks at a preview needs no address, and a mail that has none reaches nobody. That
 * several people read there is all that the mail would show of it. */
static struct json *message_without_address(const struct json *message)
{
    const struct json *person = json_find(message, "person");
    struct json *copy = json_new_object();
    struct json *nobody = json_new_object();
    bool is_shared = json_find_true(person, "shares_address") ||
                     shared_mailbox_is_generic(json_find_text(person, "email"));
    bool is_made = json_set_all(copy, message) && json_set_all(nobody, person) &&
                   json_set(nobody, "email", json_new_text("", 0)) &&
                   json_set(nobody, "shares_address", json_new_bool(is_shared));
    if (json_set(copy, "person", nobody) && is_made)
        return copy;
    json_free(copy);
    return NULL;
}

/* Puts one row where it belongs; takes over `data`. */
static bool row_add(struct json *facts, struct json *courses, const char *what, int64_t id,
                    struct json *data)
{
    if (strcmp(what, "tenant") == 0)
        return json_set(facts, "tenant_id", json_new_integer(id)) &&
               json_set(facts, "tenant", data);
    if (strcmp(what, "course") == 0)
        return json_append(courses, data);
    if (strcmp(what, "message") == 0) {
        bool is_set =
            json_set(facts, "lane", json_new_integer(json_find_integer(data, "lane", 0))) &&
            json_set(facts, "message", message_without_address(data));
        json_free(data);
        return is_set;
    }
    return json_set(facts, what, data);
}

static struct json *facts_read(const struct pg_result *result, struct error *error)
{
    struct json *facts = json_new_object();
    struct json *courses = json_new_array();
    bool is_whole = facts != NULL && courses != NULL;
    for (size_t i = 0; is_whole && i < pg_result_rows(result); i++) {
        size_t size = 0;
        if (pg_result_is_null(result, i, COLUMN_DATA)) /* no categories */
            continue;
        const char *text = pg_result_text(result, i, COLUMN_DATA, &size);
        struct json *data = json_parse(text, size, NULL);
        is_whole =
            data != NULL && row_add(facts, courses, pg_result_text(result, i, COLUMN_WHAT, NULL),
                                    pg_result_integer(result, i, COLUMN_ID), data);
    }
    if (is_whole && json_set(facts, "courses", courses))
        return facts;
    if (!is_whole)
        json_free(courses);
    json_free(facts);
    error_set(error, EX_OSERR, "no memory");
    return NULL;
}

struct json *preview_database_read(const struct cli_arguments *arguments, const char *tenant,
                                   const char *kind, const char *course, const char *person,
                                   struct error *error)
{
    const char *parameters[] = {tenant, kind, course, person};
    struct pg_result result = {.kind = PG_RESULT_UNSENT};
    struct json *facts = NULL;
    struct pg_sync *sync = cli_database_open(arguments, false, error);
    if (sync != NULL && cli_database_call(sync, QUEUE_PREVIEW_FACTS, parameters, &result, error))
        facts = facts_read(&result, error);
    pg_sync_clear(&result);
    pg_sync_free(sync);
    return facts;
}
