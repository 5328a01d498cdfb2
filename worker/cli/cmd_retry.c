/* handbell retry: what failed, or may not have arrived, is put back into the queue, tenant by
 * tenant and kind by kind, in batches that are transactions of their own. What goes back, and what
 * does not, is decided in queue/sql/functions/48_retry.sql. */
#include "worker/base/json.h"
#include "worker/cli/cli.h"
#include "worker/cli/database.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* So many a call, as retry() has it. */
enum { RETRY_BATCH = 1000 };

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

/* Puts back all of one kind; how many in `count`. */
static bool kind_put_back(const struct retry *retry, const char *tenant, const char *until,
                          const char *kind, int64_t *count, struct error *error)
{
    const struct cli_arguments *arguments = retry->arguments;
    const char *parameters[] = {tenant,
                                retry->state,
                                kind,
                                cli_option_text(arguments, "course", NULL),
                                cli_option_text(arguments, "since", NULL),
                                until};
    int64_t batch = RETRY_BATCH;
    while (batch == RETRY_BATCH) {
        struct pg_result result;
        bool is_done = cli_database_call(retry->sync, QUEUE_RETRY, parameters, &result, error);
        batch = is_done && pg_result_rows(&result) == 1 ? pg_result_integer(&result, 0, 1) : 0;
        pg_sync_clear(&result);
        if (!is_done)
            return false;
        *count += batch;
    }
    return true;
}

static bool kind_write_json(const struct retry *retry, const char *tenant, const char *kind,
                            int64_t messages, int64_t too_late)
{
    bool is_dry = cli_has_option(retry->arguments, "dry-run");
    struct json *row = json_new_object();
    bool is_whole =
        row != NULL && json_set(row, "tenant", json_new_text(tenant, strlen(tenant))) &&
        json_set(row, "kind", json_new_text(kind, strlen(kind))) &&
        json_set(row, "state", json_new_text(retry->state, strlen(retry->state))) &&
        json_set(row, is_dry ? "would_be_put_back" : "put_back", json_new_integer(messages)) &&
        json_set(row, "too_late", json_new_integer(too_late));
    if (is_whole)
        return json_append(retry->answer, row);
    json_free(row);
    return false;
}

static bool kind_write(const struct retry *retry, const char *tenant, const char *kind,
                       int64_t messages, int64_t too_late, struct error *error)
{
    bool is_dry = cli_has_option(retry->arguments, "dry-run");
    if (retry->answer != NULL)
        return kind_write_json(retry, tenant, kind, messages, too_late) ||
               error_set(error, EX_OSERR, "no memory");
    (void)printf("%-20s %-20s %8" PRId64 " %s", tenant, kind, messages,
                 is_dry ? "would be put back" : "put back");
    if (too_late > 0)
        (void)printf(", %" PRId64 " too late for it", too_late);
    (void)puts("");
    return true;
}

static bool tenant_retry(struct retry *retry, const char *tenant, const char *until,
                         struct error *error)
{
    const struct cli_arguments *arguments = retry->arguments;
    const char *parameters[] = {tenant,
                                retry->state,
                                cli_option_text(arguments, "kind", NULL),
                                cli_option_text(arguments, "course", NULL),
                                cli_option_text(arguments, "since", NULL),
                                until};
    struct pg_result kinds;
    bool is_done = cli_database_call(retry->sync, QUEUE_RETRY_COUNT, parameters, &kinds, error);
    for (size_t i = 0; is_done && i < pg_result_rows(&kinds); i++) {
        const char *kind = pg_result_text(&kinds, i, 0, NULL);
        int64_t messages = 0;
        if (cli_has_option(arguments, "dry-run"))
            messages = pg_result_integer(&kinds, i, 1);
        else
            is_done = kind_put_back(retry, tenant, until, kind, &messages, error);
        retry->put_back += messages;
        is_done = is_done &&
                  kind_write(retry, tenant, kind, messages, pg_result_integer(&kinds, i, 2), error);
    }
    pg_sync_clear(&kinds);
    return is_done;
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

/* What was put back before an error is said all the same: it is done. */
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
