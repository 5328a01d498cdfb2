/* Between a subcommand and a function of the database. */
#include "worker/cli/database.h"

#include "queue/client/problem.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

struct pg_sync *cli_database_open(const struct cli_arguments *arguments, bool is_patient,
                                  struct error *error)
{
    const struct config *config = arguments->config;
    char name[32];
    int64_t query_timeout_ms = config_integer(config, "database", "query_timeout") * 1000;
    snprintf(name, sizeof name, "handbell %s", arguments->command->name);
    const struct pg_sync_options options = {
        .url = config_text(config, "database", "url"),
        .application_name = name,
        .connect_timeout_s = (uint32_t)config_integer(config, "database", "connect_timeout"),
        .call_timeout_ms = is_patient ? 0 : (uint32_t)query_timeout_ms,
    };
    return pg_sync_open(&options, error);
}

bool cli_database_call(struct pg_sync *sync, enum queue_statement statement,
                       const char *const *parameters, struct pg_result *result, struct error *error)
{
    return pg_sync_call(sync, queue_statement(statement), parameters, result) ||
           queue_problem(result, error);
}

/* The account's name, or its number where it has none. */
static void actor_name(char *actor, size_t size)
{
    char room[4096];
    struct passwd account, *found = NULL;
    if (getpwuid_r(getuid(), &account, room, sizeof room, &found) == 0 && found != NULL)
        snprintf(actor, size, "%s", account.pw_name);
    else
        snprintf(actor, size, "uid %ju", (uintmax_t)getuid());
}

bool cli_database_state_actor(struct pg_sync *sync, const char *reason, struct error *error)
{
    char actor[128];
    const char *parameters[] = {actor, reason ? reason : ""};
    struct pg_result result;
    actor_name(actor, sizeof actor);
    bool is_done = cli_database_call(sync, QUEUE_SET_ACTOR, parameters, &result, error);
    pg_sync_clear(&result);
    return is_done;
}

int cli_database_act(const struct cli_arguments *arguments, enum queue_statement statement,
                     const char *const *parameters, const char *reason, const char *before,
                     const char *after)
{
    struct error error = {0};
    struct pg_result result = {.kind = PG_RESULT_UNSENT};
    struct pg_sync *sync = cli_database_open(arguments, true, &error);
    bool is_done = sync != NULL && cli_database_state_actor(sync, reason, &error) &&
                   cli_database_call(sync, statement, parameters, &result, &error);
    if (is_done)
        (void)printf("%s%s%s\n", before, pg_result_text(&result, 0, 0, NULL), after);
    pg_sync_clear(&result);
    pg_sync_free(sync);
    return is_done ? EX_OK : cli_fail(arguments, &error);
}
