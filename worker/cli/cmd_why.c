/* handbell why: each condition of matching, whether it holds, and on what. */
#include "worker/base/json.h"
#include "worker/cli/cli.h"
#include "worker/cli/database.h"

#include <stdlib.h>
#include <sysexits.h>

static struct json *text_or_null(const struct pg_result *result, size_t row, size_t column)
{
    size_t size;
    const char *text = pg_result_text(result, row, column, &size);
    return pg_result_is_null(result, row, column) ? json_parse("null", 4, NULL)
                                                  : json_new_text(text, size);
}

static bool write_json(const struct pg_result *result)
{
    struct json *conditions = json_new_array();
    bool is_whole = conditions != NULL;
    for (size_t i = 0; is_whole && i < pg_result_rows(result); i++) {
        struct json *condition = json_new_object();
        is_whole = condition != NULL &&
                   json_set(condition, "condition", text_or_null(result, i, 0)) &&
                   json_set(condition, "holds", json_new_bool(pg_result_is_true(result, i, 1))) &&
                   json_set(condition, "detail", text_or_null(result, i, 2));
        if (is_whole)
            is_whole = json_append(conditions, condition);
        else
            json_free(condition);
    }
    char *text = is_whole ? json_print(conditions) : NULL;
    if (text != NULL)
        (void)puts(text);
    free(text);
    json_free(conditions);
    return text != NULL;
}

static void write_text(const struct pg_result *result)
{
    for (size_t i = 0; i < pg_result_rows(result); i++) {
        const char *detail = pg_result_text(result, i, 2, NULL);
        (void)printf("%-3s  %s%s%s\n", pg_result_is_true(result, i, 1) ? "yes" : "no",
                     pg_result_text(result, i, 0, NULL), detail[0] != '\0' ? ": " : "", detail);
    }
}

int cli_run_why(const struct cli_arguments *arguments)
{
    const char *parameters[] = {arguments->argv[0], arguments->argv[1], arguments->argv[2]};
    struct error error = {0};
    struct pg_result result = {.kind = PG_RESULT_UNSENT};
    struct pg_sync *sync = cli_database_open(arguments, false, &error);
    bool is_done = sync != NULL && cli_database_call(sync, QUEUE_WHY, parameters, &result, &error);
    if (is_done && !cli_has_option(arguments, "json"))
        write_text(&result);
    else if (is_done && !write_json(&result))
        is_done = error_set(&error, EX_OSERR, "no memory");
    pg_sync_clear(&result);
    pg_sync_free(sync);
    return is_done ? EX_OK : cli_fail(arguments, &error);
}
