/* handbell erase --retention: deletes what each tenant keeps no longer, batch by batch, and reports
 * what went. How long what is kept is the database's business (49_retention.sql). */
#include "worker/base/json.h"
#include "worker/cli/cli.h"
#include "worker/cli/database.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { ERASE_BATCH = 2000, ERASE_NUMBER_BYTES = 24, ERASE_MONTH_BYTES = 64 };

/* The columns of the plan. */
enum { PLAN_TENANT_ID, PLAN_TENANT, PLAN_KIND, PLAN_KEPT_SINCE };

/* `removed` is beside the plan's rows: how many went, or with --dry-run would go. `is_whole`:
 * nothing had to be left to the next run because others held it. */
struct erase {
    struct pg_sync *sync;
    bool is_dry_run;
    bool is_whole;
    struct pg_result plan;
    int64_t *removed;
    struct json *months; /* names of dropped partitions */
};

/* True also where others held the lock: what is left is the next run's. */
static bool erase_may_go_on(struct erase *erase, const struct pg_result *result,
                            const struct error *error)
{
    if (result->kind != PG_RESULT_REFUSED || error->exit_status != EX_TEMPFAIL)
        return false;
    erase->is_whole = false;
    return true;
}

/* All of one tenant and kind, in transactions of at most ERASE_BATCH records. */
static bool erase_row(struct erase *erase, size_t row, struct error *error)
{
    char limit[ERASE_NUMBER_BYTES];
    const char *parameters[] = {pg_result_text(&erase->plan, row, PLAN_TENANT_ID, NULL),
                                pg_result_text(&erase->plan, row, PLAN_KIND, NULL), limit};
    int64_t count;

    snprintf(limit, sizeof limit, "%d", ERASE_BATCH);
    do {
        struct pg_result result;
        bool is_done =
            cli_database_call(erase->sync, erase->is_dry_run ? QUEUE_RETENTION_DUE : QUEUE_RETAIN,
                              parameters, &result, error);
        count = is_done ? pg_result_integer(&result, 0, 0) : 0;
        is_done = is_done || erase_may_go_on(erase, &result, error);
        pg_sync_clear(&result);
        if (!is_done)
            return false;
        erase->removed[row] += count;
    } while (!erase->is_dry_run && count == ERASE_BATCH);
    return true;
}

/* The months of the record in which nothing is left. */
static bool erase_months(struct erase *erase, struct error *error)
{
    char month[ERASE_MONTH_BYTES] = "";
    const char *parameters[] = {erase->is_dry_run ? "true" : "false", month};

    for (;;) {
        struct pg_result result;
        bool is_done =
            cli_database_call(erase->sync, QUEUE_DROP_RECORD_MONTH, parameters, &result, error);
        bool is_last = !is_done || pg_result_is_null(&result, 0, 0);
        if (!is_last) {
            const char *name = pg_result_text(&result, 0, 0, NULL);
            snprintf(month, sizeof month, "%s", name);
            is_done = json_append(erase->months, json_new_text(name, strlen(name))) ||
                      error_set(error, EX_OSERR, "no memory");
        } else if (!is_done) {
            is_done = erase_may_go_on(erase, &result, error);
        }
        pg_sync_clear(&result);
        if (is_last || !is_done)
            return is_done;
    }
}

static bool erase_plan(struct erase *erase, struct error *error)
{
    if (!cli_database_state_actor(erase->sync, NULL, error) ||
        !cli_database_call(erase->sync, QUEUE_RETENTION_PLAN, NULL, &erase->plan, error))
        return false;
    erase->months = json_new_array();
    erase->removed = calloc(pg_result_rows(&erase->plan) + 1, sizeof erase->removed[0]);
    return (erase->months != NULL && erase->removed != NULL) ||
           error_set(error, EX_OSERR, "no memory");
}

static bool erase_all(struct erase *erase, struct error *error)
{
    for (size_t row = 0; row < pg_result_rows(&erase->plan); row++) {
        if (!erase_row(erase, row, error))
            return error_prefix(error, "tenant %s: %s",
                                pg_result_text(&erase->plan, row, PLAN_TENANT, NULL),
                                pg_result_text(&erase->plan, row, PLAN_KIND, NULL));
    }
    return erase_months(erase, error);
}

/* ---- What is said of it. ---- */

static void write_text(const struct erase *erase)
{
    const char *verb = erase->is_dry_run ? "would be removed" : "removed";
    int64_t sum = 0;

    for (size_t row = 0; row < pg_result_rows(&erase->plan); row++) {
        sum += erase->removed[row];
        if (erase->removed[row] > 0)
            (void)printf("%-20s  %-9s %10" PRId64 " older than %s\n",
                         pg_result_text(&erase->plan, row, PLAN_TENANT, NULL),
                         pg_result_text(&erase->plan, row, PLAN_KIND, NULL), erase->removed[row],
                         pg_result_text(&erase->plan, row, PLAN_KEPT_SINCE, NULL));
    }
    for (size_t i = 0; i < json_array_count(erase->months); i++)
        (void)printf("%s\n", json_text(json_array_at(erase->months, i), NULL));
    (void)printf("%" PRId64 " records and %zu months %s%s\n", sum, json_array_count(erase->months),
                 verb, erase->is_whole ? "" : "; others held the rest, which the next run takes");
}

/* The tenant's kinds, from `row` on; moves it behind them. */
static struct json *json_of_tenant(const struct erase *erase, size_t *row)
{
    const char *tenant = pg_result_text(&erase->plan, *row, PLAN_TENANT, NULL);
    struct json *removed = json_new_object(), *object = json_new_object();
    bool is_done = json_set(object, "tenant", json_new_text(tenant, strlen(tenant)));

    for (; *row < pg_result_rows(&erase->plan) &&
           strcmp(pg_result_text(&erase->plan, *row, PLAN_TENANT, NULL), tenant) == 0;
         (*row)++)
        is_done = is_done && json_set(removed, pg_result_text(&erase->plan, *row, PLAN_KIND, NULL),
                                      json_new_integer(erase->removed[*row]));
    is_done = json_set(object, "removed", removed) && is_done;
    if (is_done)
        return object;
    json_free(object);
    return NULL;
}

static bool write_json(const struct erase *erase, struct error *error)
{
    struct json *tenants = json_new_array(), *report = json_new_object();
    bool is_done = true;

    for (size_t row = 0; is_done && row < pg_result_rows(&erase->plan);)
        is_done = json_append(tenants, json_of_tenant(erase, &row));
    is_done = json_set(report, "dry_run", json_new_bool(erase->is_dry_run)) && is_done;
    is_done = json_set(report, "whole", json_new_bool(erase->is_whole)) && is_done;
    is_done = json_set(report, "tenants", tenants) && is_done;
    is_done = json_set(report, "months", json_hold(erase->months)) && is_done;
    char *text = is_done ? json_print(report) : NULL;
    if (text != NULL)
        (void)puts(text);
    free(text);
    json_free(report);
    return text != NULL || error_set(error, EX_OSERR, "no memory");
}

static int erase_retention(const struct cli_arguments *arguments)
{
    struct error error = {0}, unsaid = {0};
    struct erase erase = {.is_whole = true,
                          .is_dry_run = cli_has_option(arguments, "dry-run"),
                          .plan = {.kind = PG_RESULT_UNSENT},
                          .sync = cli_database_open(arguments, true, &error)};
    bool is_planned = erase.sync != NULL && erase_plan(&erase, &error);
    bool is_done = is_planned && erase_all(&erase, &error);
    /* What went is said also where the rest failed. */
    if (is_planned && !cli_has_option(arguments, "json"))
        write_text(&erase);
    else if (is_planned && !write_json(&erase, is_done ? &error : &unsaid))
        is_done = false;
    json_free(erase.months);
    free(erase.removed);
    pg_sync_clear(&erase.plan);
    pg_sync_free(erase.sync);
    if (!is_done)
        return cli_fail(arguments, &error);
    return erase.is_whole ? EX_OK : EX_TEMPFAIL;
}

int cli_run_erase(const struct cli_arguments *arguments)
{
    struct error error = {0};
    if (!cli_has_option(arguments, "retention"))
        error_set(&error, EX_UNAVAILABLE, "erasing a person is not available yet; --retention is");
    else if (arguments->argc > 0)
        error_set(&error, EX_USAGE, "--retention takes no REF: it goes by each tenant's periods");
    else
        return erase_retention(arguments);
    return cli_fail(arguments, &error);
}
