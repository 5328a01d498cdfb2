/* handbell retry: what failed, or may not have arrived, is put back into the queue, tenant by
 * tenant, in batches that are transactions of their own, each from where the last one ended. What
 * goes back, and what does not, is decided in queue/sql/functions/48_retry.sql. */
#include "worker/base/json.h"
#include "worker/cli/cli.h"
#include "worker/cli/database.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* More kinds of mail than there are. */
enum { RETRY_KINDS = 64, RETRY_KIND_BYTES = 64, RETRY_PLACE_BYTES = 64 };

/* What is said of one kind. */
struct retry_kind {
    char name[RETRY_KIND_BYTES];
    int64_t messages;
    int64_t too_late;
};

/* One tenant's, in the order of their names. */
struct retry_kinds {
    struct retry_kind kinds[RETRY_KINDS];
    size_t count;
};

struct retry {
    const struct cli_arguments *arguments;
    struct pg_sync *sync;
    const char *state;
    struct json *answer; /* NULL where text is written as it comes */
    int64_t put_back;
};

static bool options_check(const struct cli_arguments *arguments, struct error *error)
{
    if (cli_has_option(arguments, "failed") == cli_has_option(arguments, "uncertain"))
        return error_set(error, EX_USAGE, "say --failed or --uncertain, one of them");
    if (cli_has_option(arguments, "course") && !cli_has_option(arguments, "tenant"))
        return error_set(error, EX_USAGE, "--course needs --tenant: each has refs of its own");
    return true;
}

static struct retry_kind *kind_of(struct retry_kinds *kinds, const char *name)
{
    size_t at = 0;
    while (at < kinds->count && strcmp(kinds->kinds[at].name, name) < 0)
        at++;
    if (at < kinds->count && strcmp(kinds->kinds[at].name, name) == 0)
        return &kinds->kinds[at];
    if (kinds->count == RETRY_KINDS)
        abort();
    memmove(&kinds->kinds[at + 1], &kinds->kinds[at],
            (kinds->count++ - at) * sizeof kinds->kinds[0]);
    kinds->kinds[at] = (struct retry_kind){0};
    (void)snprintf(kinds->kinds[at].name, RETRY_KIND_BYTES, "%s", name);
    return &kinds->kinds[at];
}

/* Puts back all of a tenant that is meant; how many into `kinds`, before an error too. */
static bool tenant_put_back(const struct retry *retry, const char *tenant, const char *until,
                            struct retry_kinds *kinds, struct error *error)
{
    const struct cli_arguments *arguments = retry->arguments;
    char after[RETRY_PLACE_BYTES], after_id[RETRY_PLACE_BYTES];
    const char *parameters[] = {tenant,
                                retry->state,
                                cli_option_text(arguments, "kind", NULL),
                                cli_option_text(arguments, "course", NULL),
                                cli_option_text(arguments, "since", NULL),
                                until,
                                NULL,
                                NULL};
    bool is_done = true, is_more = true;
    while (is_done && is_more) {
        struct pg_result result;
        is_done = cli_database_call(retry->sync, QUEUE_RETRY, parameters, &result, error);
        is_more = is_done && pg_result_rows(&result) > 0;
        for (size_t i = 0; is_more && i < pg_result_rows(&result); i++)
            if (!pg_result_is_null(&result, i, 0))
                kind_of(kinds, pg_result_text(&result, i, 0, NULL))->messages +=
                    pg_result_integer(&result, i, 1);
        if (is_more) {
            (void)snprintf(after, sizeof after, "%s", pg_result_text(&result, 0, 2, NULL));
            (void)snprintf(after_id, sizeof after_id, "%s", pg_result_text(&result, 0, 3, NULL));
            parameters[6] = after;
            parameters[7] = after_id;
        }
        pg_sync_clear(&result);
    }
    return is_done;
}

static bool kind_write_json(const struct retry *retry, const char *tenant,
                            const struct retry_kind *kind)
{
    bool is_dry = cli_has_option(retry->arguments, "dry-run");
    struct json *row = json_new_object();
    bool is_whole = row != NULL && json_set(row, "tenant", json_new_text(tenant, strlen(tenant))) &&
                    json_set(row, "kind", json_new_text(kind->name, strlen(kind->name))) &&
                    json_set(row, "state", json_new_text(retry->state, strlen(retry->state))) &&
                    json_set(row, is_dry ? "would_be_put_back" : "put_back",
                             json_new_integer(kind->messages)) &&
                    json_set(row, "too_late", json_new_integer(kind->too_late));
    if (is_whole)
        return json_append(retry->answer, row);
    json_free(row);
    return false;
}

static bool kind_write(const struct retry *retry, const char *tenant, const struct retry_kind *kind,
                       struct error *error)
{
    bool is_dry = cli_has_option(retry->arguments, "dry-run");
    if (retry->answer != NULL)
        return kind_write_json(retry, tenant, kind) || error_set(error, EX_OSERR, "no memory");
    (void)printf("%-20s %-20s %8" PRId64 " %s", tenant, kind->name, kind->messages,
                 is_dry ? "would be put back" : "put back");
    if (kind->too_late > 0)
        (void)printf(", %" PRId64 " too late for it", kind->too_late);
    (void)puts("");
    return true;
}

/* How many there are, of each kind. */
static bool tenant_count(const struct retry *retry, const char *tenant, const char *until,
                         struct retry_kinds *kinds, struct error *error)
{
    const struct cli_arguments *arguments = retry->arguments;
    const char *parameters[] = {tenant,
                                retry->state,
                                cli_option_text(arguments, "kind", NULL),
                                cli_option_text(arguments, "course", NULL),
                                cli_option_text(arguments, "since", NULL),
                                until};
    struct pg_result counts;
    bool is_done = cli_database_call(retry->sync, QUEUE_RETRY_COUNT, parameters, &counts, error);
    for (size_t i = 0; is_done && i < pg_result_rows(&counts); i++) {
        struct retry_kind *kind = kind_of(kinds, pg_result_text(&counts, i, 0, NULL));
        kind->messages =
            cli_has_option(arguments, "dry-run") ? pg_result_integer(&counts, i, 1) : 0;
        kind->too_late = pg_result_integer(&counts, i, 2);
    }
    pg_sync_clear(&counts);
    return is_done;
}

/* What was put back before an error is said all the same: it is done. */
static bool tenant_retry(struct retry *retry, const char *tenant, const char *until,
                         struct error *error)
{
    struct retry_kinds kinds = {.count = 0};
    bool is_done = tenant_count(retry, tenant, until, &kinds, error);
    bool is_written = is_done;
    if (is_done && !cli_has_option(retry->arguments, "dry-run"))
        is_done = tenant_put_back(retry, tenant, until, &kinds, error);
    for (size_t i = 0; is_written && i < kinds.count; i++) {
        retry->put_back += kinds.kinds[i].messages;
        is_written = kind_write(retry, tenant, &kinds.kinds[i], error);
    }
    return is_done && is_written;
}

static bool retry_run(struct retry *retry, struct error *error)
{
    const struct cli_arguments *arguments = retry->arguments;
    const char *parameters[] = {retry->state, cli_option_text(arguments, "tenant", NULL),
                                cli_option_text(arguments, "kind", NULL),
                                cli_option_text(arguments, "since", NULL)};
    struct pg_result tenants = {.kind = PG_RESULT_UNSENT};
    bool is_done =
        cli_database_state_actor(retry->sync, cli_option_text(arguments, "reason", NULL), error) &&
        cli_database_call(retry->sync, QUEUE_RETRY_TENANTS, parameters, &tenants, error);
    for (size_t i = 0; is_done && i < pg_result_rows(&tenants); i++)
        is_done = tenant_retry(retry, pg_result_text(&tenants, i, 0, NULL),
                               pg_result_text(&tenants, i, 1, NULL), error);
    pg_sync_clear(&tenants);
    return is_done;
}

static bool answer_write(const struct retry *retry, bool is_done)
{
    if (retry->answer == NULL) {
        if (is_done && retry->put_back == 0)
            (void)puts("nothing to put back");
        return true;
    }
    char *text = json_print(retry->answer);
    if (text != NULL)
        (void)puts(text);
    free(text);
    return text != NULL;
}

int cli_run_retry(const struct cli_arguments *arguments)
{
    struct error error = {0};
    struct retry retry = {
        .arguments = arguments,
        .state = cli_has_option(arguments, "failed") ? "failed" : "uncertain",
        .answer = cli_has_option(arguments, "json") ? json_new_array() : NULL,
    };
    bool is_done = options_check(arguments, &error);
    if (is_done && cli_has_option(arguments, "json") && retry.answer == NULL)
        is_done = error_set(&error, EX_OSERR, "no memory");
    if (is_done) {
        retry.sync = cli_database_open(arguments, true, &error);
        is_done = retry.sync != NULL && retry_run(&retry, &error);
        if (!answer_write(&retry, is_done) && is_done)
            is_done = error_set(&error, EX_OSERR, "no memory");
    }
    pg_sync_free(retry.sync);
    json_free(retry.answer);
    return is_done ? EX_OK : cli_fail(arguments, &error);
}
