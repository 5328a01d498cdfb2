/* handbell tenant: which tenants there are, which logins act for them, and going live. */
#include "worker/cli/cli.h"
#include "worker/cli/database.h"

#include <string.h>
#include <sysexits.h>

struct tenant_verb {
    const char *name;
    int words;
    int (*run)(const struct cli_arguments *arguments);
};

static int verb_list(const struct cli_arguments *arguments)
{
    struct error error = {0};
    struct pg_result result = {.kind = PG_RESULT_UNSENT};
    struct pg_sync *sync = cli_database_open(arguments, false, &error);
    bool is_done =
        sync != NULL && cli_database_call(sync, QUEUE_TENANT_LIST, NULL, &result, &error);
    for (size_t i = 0; is_done && i < pg_result_rows(&result); i++) {
        const char *logins = pg_result_text(&result, i, 3, NULL);
        const char *state = pg_result_is_true(&result, i, 2) ? "live" : "loading";
        bool is_stated = !pg_result_is_null(&result, i, 1);
        (void)printf("%-20s  %-10s  %s\n", pg_result_text(&result, i, 0, NULL),
                     is_stated ? state : "not stated", logins[0] != '\0' ? logins : "no login");
    }
    pg_sync_clear(&result);
    pg_sync_free(sync);
    return is_done ? EX_OK : cli_fail(arguments, &error);
}

static int verb_grant(const struct cli_arguments *arguments)
{
    const char *parameters[] = {arguments->argv[2], arguments->argv[1]};
    return cli_database_act(arguments, QUEUE_GRANT_TENANT, parameters, NULL, "granted", "");
}

static int verb_revoke(const struct cli_arguments *arguments)
{
    const char *parameters[] = {arguments->argv[2], arguments->argv[1]};
    return cli_database_act(arguments, QUEUE_REVOKE_TENANT, parameters, NULL, "revoked", "");
}

static int verb_live(const struct cli_arguments *arguments)
{
    const char *parameters[] = {arguments->argv[1]};
    return cli_database_act(arguments, QUEUE_GO_LIVE, parameters, NULL, "", "");
}

int cli_run_tenant(const struct cli_arguments *arguments)
{
    static const struct tenant_verb verbs[] = {
        {"list", 1, verb_list},
        {"grant", 3, verb_grant},
        {"revoke", 3, verb_revoke},
        {"live", 2, verb_live},
    };
    struct error error = {0};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(arguments->argv[0], verbs[i].name) == 0 && arguments->argc == verbs[i].words)
            return verbs[i].run(arguments);
    }
    error_set(&error, EX_USAGE,
              "it is: list, or grant SLUG LOGIN, or revoke SLUG LOGIN, or live SLUG");
    return cli_fail(arguments, &error);
}
