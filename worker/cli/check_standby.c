/* Whether what was accepted outlives the primary database. */
#include "worker/cli/check_standby.h"

#include "worker/cli/database.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_BYTES = 300 };

#define MAY_LOSE "may lose what was accepted, and send again what was sent"

static bool find(struct json *findings, const char *state, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool find(struct json *findings, const char *state, const char *format, ...)
{
    char text[TEXT_BYTES];
    struct json *finding = json_new_object();
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    bool is_whole = finding != NULL &&
                    json_set(finding, "state", json_new_text(state, strlen(state))) &&
                    json_set(finding, "text", json_new_text(text, strlen(text)));
    if (is_whole)
        return json_append(findings, finding);
    json_free(finding);
    return false;
}

static bool find_standby(struct json *findings, const struct pg_result *row)
{
    const char *names = pg_result_text(row, 0, 0, NULL);
    const char *commit = pg_result_text(row, 0, 1, NULL);
    bool is_local = strcmp(commit, "off") == 0 || strcmp(commit, "local") == 0;
    int64_t synchronous = pg_result_integer(row, 0, 5);

    if (*names == '\0')
        return find(findings, "note",
                    "no synchronous standby (synchronous_standby_names is empty): losing the "
                    "primary database " MAY_LOSE);
    if (is_local)
        return find(findings, "note",
                    "commits do not wait for the synchronous standby (synchronous_commit is %s): "
                    "losing the primary database " MAY_LOSE,
                    commit);
    if (!pg_result_is_true(row, 0, 3))
        return find(findings, "note",
                    "a synchronous standby is asked for; whether it is there is not shown to this "
                    "login (grant it pg_monitor to see)");
    if (synchronous == 0)
        return find(findings, "note",
                    "a synchronous standby is asked for and none is there: nothing is accepted or "
                    "sent until it is back");
    return find(findings, "good", "%" PRId64 " synchronous standby%s", synchronous,
                synchronous == 1 ? "" : "s");
}

bool check_standby_look(struct pg_sync *sync, struct json **findings)
{
    struct pg_result row = {.kind = PG_RESULT_UNSENT};
    struct error error;
    bool is_whole = true;
    *findings = NULL;
    if (sync != NULL && cli_database_call(sync, QUEUE_SAFETY_STATUS, NULL, &row, &error)) {
        *findings = json_new_array();
        is_whole = *findings != NULL && find_standby(*findings, &row);
        if (is_whole && strcmp(pg_result_text(&row, 0, 1, NULL), "off") == 0)
            is_whole = find(*findings, "note",
                            "synchronous_commit is off: a crash of the database " MAY_LOSE);
        if (is_whole && !pg_result_is_true(&row, 0, 2))
            is_whole = find(*findings, "note",
                            "fsync or full_page_writes is off: a power cut of the database's "
                            "machine may destroy it");
    }
    pg_sync_clear(&row);
    return is_whole;
}

void check_standby_write(const struct json *findings)
{
    for (size_t i = 0; i < json_array_count(findings); i++) {
        const struct json *finding = json_array_at(findings, i);
        (void)printf("safety: %s: %s\n", json_find_text(finding, "state"),
                     json_find_text(finding, "text"));
    }
}
