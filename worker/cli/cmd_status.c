/* handbell status: the queue by lane, rates, the oldest wait and trouble, once or each second. */
#include "worker/base/json.h"
#include "worker/cli/cli.h"
#include "worker/cli/database.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { COUNT_BYTES = 32 };

/* Past the bound nothing was counted. */
static const char *count_text(const struct json *status, int64_t count, char text[COUNT_BYTES])
{
    int64_t bound = json_find_integer(status, "bound", INT64_MAX);
    if (count >= bound)
        snprintf(text, COUNT_BYTES, "over %" PRId64, bound - 1);
    else
        snprintf(text, COUNT_BYTES, "%" PRId64, count);
    return text;
}

static const char *member_text(const struct json *status, const struct json *object,
                               const char *key, char text[COUNT_BYTES])
{
    return count_text(status, json_find_integer(object, key, 0), text);
}

/* A number of seconds, whole or not, as people say it. */
static const char *duration_text(const struct json *seconds, char text[COUNT_BYTES])
{
    char *number = json_kind_of(seconds) == JSON_KIND_NULL ? NULL : json_print(seconds);
    double value = number ? strtod(number, NULL) : -1;
    free(number);
    if (value < 0)
        snprintf(text, COUNT_BYTES, "-");
    else if (value < 120)
        snprintf(text, COUNT_BYTES, "%.1f s", value);
    else if (value < 7200)
        snprintf(text, COUNT_BYTES, "%.0f min", value / 60);
    else
        snprintf(text, COUNT_BYTES, "%.0f h", value / 3600);
    return text;
}

static void write_lanes(const struct json *status)
{
    const struct json *lanes = json_find(status, "lanes");
    char due[COUNT_BYTES], waiting[COUNT_BYTES], oldest[COUNT_BYTES];
    (void)printf("\n%-10s %12s %12s  %s\n", "lane", "due", "later", "oldest wait");
    for (size_t i = 0; i < json_array_count(lanes); i++) {
        const struct json *lane = json_array_at(lanes, i);
        (void)printf("%-10s %12s %12s  %s\n", json_find_text(lane, "lane"),
                     member_text(status, lane, "due", due),
                     member_text(status, lane, "waiting", waiting),
                     duration_text(json_find(lane, "oldest_wait_s"), oldest));
    }
}

/* "30 of 30" where there is a limit; "-" where there is none. */
static const char *limit_text(const struct json *span, char text[COUNT_BYTES])
{
    int64_t limit = json_find_integer(span, "limit", 0);
    (void)snprintf(text, COUNT_BYTES, "-");
    if (limit > 0)
        (void)snprintf(text, COUNT_BYTES, "%" PRId64 "/%" PRId64,
                       json_find_integer(span, "used", 0), limit);
    return text;
}

static void write_relays(const struct json *status)
{
    const struct json *relays = json_find(status, "relays");
    char due[COUNT_BYTES], minute[COUNT_BYTES], day[COUNT_BYTES], since[COUNT_BYTES];
    if (json_array_count(relays) == 0)
        return;
    (void)printf("\n%-20s %12s %10s %9s %13s %17s  %s\n", "relay", "due", "sent/min", "sessions",
                 "this minute", "today", "state");
    for (size_t i = 0; i < json_array_count(relays); i++) {
        const struct json *relay = json_array_at(relays, i);
        const char *name = json_find_text(relay, "name");
        (void)printf("%-20s %12s %10" PRId64 " %9" PRId64 " %13s %17s  %s for %s\n",
                     name[0] != '\0' ? name : "(none has it)",
                     member_text(status, relay, "due", due), json_find_integer(relay, "rate", 0),
                     json_find_integer(relay, "sessions", 0),
                     limit_text(json_find(relay, "minute"), minute),
                     limit_text(json_find(relay, "day"), day), json_find_text(relay, "state"),
                     duration_text(json_find(relay, "since_s"), since));
    }
}

static void write_held_jobs(const struct json *status)
{
    const struct json *jobs = json_find(status, "held_jobs");
    char held[COUNT_BYTES];
    size_t count = json_array_count(jobs);
    (void)printf("held jobs  %s%s\n",
                 count == 0 ? "none" : member_text(status, status, "held", held),
                 count == 0 ? "" : " (each waits for release)");
    for (size_t i = 0; i < count; i++) {
        const struct json *job = json_array_at(jobs, i);
        (void)printf("           %s job %" PRId64 ": %s to %" PRId64 ", for %s\n",
                     json_find_text(job, "tenant"), json_find_integer(job, "job", 0),
                     json_find_text(job, "kind"), json_find_integer(job, "recipients", 0),
                     duration_text(json_find(job, "held_s"), held));
    }
}

static void write_text(const struct json *status)
{
    const struct json *tenants = json_find(status, "tenants");
    const struct json *workers = json_find(status, "workers");
    const struct json *in_flight = json_find(status, "in_flight");
    const struct json *snapshot = json_find(status, "snapshot");
    char a[COUNT_BYTES], b[COUNT_BYTES];
    (void)printf("at         %s\n", json_find_text(status, "at"));
    (void)printf("tenants    %s live, %s loading\n", member_text(status, tenants, "live", a),
                 member_text(status, tenants, "loading", b));
    (void)printf("workers    %s alive, %s dead\n", member_text(status, workers, "alive", a),
                 member_text(status, workers, "dead", b));
    write_lanes(status);
    write_relays(status);
    (void)printf("\nin flight  %s claimed, %s being sent\n",
                 member_text(status, in_flight, "claimed", a),
                 member_text(status, in_flight, "transmitting", b));
    (void)printf("sent       %s in the last minute, %s in the last hour\n",
                 member_text(status, status, "sent_last_minute", a),
                 member_text(status, status, "sent_last_hour", b));
    (void)printf("trouble    %s failed and %s uncertain in the last day\n",
                 member_text(status, status, "failed_last_day", a),
                 member_text(status, status, "uncertain_last_day", b));
    write_held_jobs(status);
    (void)printf("snapshot   the oldest is %s old%s\n",
                 duration_text(json_find(snapshot, "oldest_s"), a),
                 json_find_true(snapshot, "sees_all") ? "" : " (of the owner's own sessions)");
}

static bool status_write(const struct pg_result *result, bool is_json, struct error *error)
{
    size_t size;
    const char *text = pg_result_text(result, 0, 0, &size);
    if (is_json) {
        (void)puts(text);
        return true;
    }
    struct json *status = json_parse(text, size, error);
    if (status == NULL)
        return error_prefix(error, "queue_status");
    write_text(status);
    json_free(status);
    return true;
}

/* Once; `sync` is opened when it is NULL, and given up when the connection is lost. */
static bool status_show(const struct cli_arguments *arguments, struct pg_sync **sync,
                        bool is_clearing, struct error *error)
{
    struct pg_result result = {.kind = PG_RESULT_UNSENT};
    if (*sync == NULL)
        *sync = cli_database_open(arguments, false, error);
    bool is_done = *sync != NULL && cli_database_call(*sync, QUEUE_STATUS, NULL, &result, error);
    if (is_clearing)
        (void)fputs("\033[H\033[2J", stdout);
    if (is_done)
        is_done = status_write(&result, cli_has_option(arguments, "json"), error);
    if (result.kind == PG_RESULT_LOST) {
        pg_sync_free(*sync);
        *sync = NULL;
    }
    pg_sync_clear(&result);
    return is_done;
}

int cli_run_status(const struct cli_arguments *arguments)
{
    struct error error = {0};
    struct pg_sync *sync = NULL;
    bool is_watching = cli_has_option(arguments, "watch");
    bool is_clearing =
        is_watching && !cli_has_option(arguments, "json") && isatty(STDOUT_FILENO) == 1;
    bool is_done = status_show(arguments, &sync, is_clearing, &error);
    /* A database that is away for a while comes back on the screen by itself. */
    while (is_watching &&
           (is_done || error.exit_status == EX_TEMPFAIL || error.exit_status == EX_UNAVAILABLE)) {
        if (!is_done)
            (void)fprintf(stderr, "handbell status: %s\n", error.text);
        if (fflush(stdout) != 0)
            break;
        (void)sleep(1);
        is_done = status_show(arguments, &sync, is_clearing, &error);
    }
    pg_sync_free(sync);
    return is_done ? EX_OK : cli_fail(arguments, &error);
}
