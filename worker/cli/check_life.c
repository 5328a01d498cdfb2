/* The gate, from the database; the folder, from the disk. */
#include "worker/cli/check_life.h"

#include "worker/base/clock.h"
#include "worker/cli/database.h"
#include "worker/flow/keep_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static bool set_text(struct json *object, const char *key, const char *text)
{
    return json_set(object, key, json_new_text(text, strlen(text)));
}

/* ---- The gate. ---- */

static bool gate_read(struct check_life *life, const struct pg_result *row)
{
    bool is_open = pg_result_is_true(row, 0, 0);
    struct json *awaited = json_new_array();
    const char *owners = pg_result_text(row, 0, 3, NULL);
    int64_t lost = pg_result_integer(row, 0, 4);

    life->is_closed = !is_open;
    life->gate = json_new_object();
    bool is_whole = life->gate != NULL && awaited != NULL &&
                    json_set(life->gate, "is_open", json_new_bool(is_open)) &&
                    set_text(life->gate, "reason", pg_result_text(row, 0, 1, NULL)) &&
                    set_text(life->gate, "since", pg_result_text(row, 0, 2, NULL)) &&
                    json_set(life->gate, "lost_doubts", json_new_integer(lost)) &&
                    set_text(life->gate, "newest_lost_doubts", pg_result_text(row, 0, 5, NULL));
    while (is_whole && *owners != '\0') {
        size_t size = strcspn(owners, " ");
        is_whole = json_append(awaited, json_new_text(owners, size));
        owners += size + (owners[size] == ' ');
    }
    if (!is_whole) {
        json_free(awaited);
        return false;
    }
    return json_set(life->gate, "awaited", awaited);
}

static void gate_write(const struct json *gate)
{
    static const struct {
        const char *word;
        const char *text;
    } reasons[] = {
        {"promoted", "a standby was promoted"},
        {"moved", "the database was restored from a dump, or copied"},
        {"put_back", "the database was put back to an earlier state"},
    };
    const struct json *awaited = json_find(gate, "awaited");
    const char *reason = json_find_text(gate, "reason");

    if (gate == NULL)
        return;
    if (json_find_integer(gate, "lost_doubts", 0) > 0)
        (void)printf(
            "in doubt: %" PRId64 " mails were being sent when their worker ended, and their "
            "rows are lost with a restore; they may have arrived. Tenant, message, made:\n"
            "  %s\n",
            json_find_integer(gate, "lost_doubts", 0), json_find_text(gate, "newest_lost_doubts"));
    if (json_find_true(gate, "is_open")) {
        (void)puts("gate: open");
        return;
    }
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (strcmp(reasons[i].word, reason) == 0)
            reason = reasons[i].text;
    (void)printf("gate: closed since %s UTC, nothing is sent: %s\n", json_find_text(gate, "since"),
                 reason);
    for (size_t i = 0; i < json_array_count(awaited); i++)
        (void)printf("  still to tell what it knows: worker %s\n",
                     json_text(json_array_at(awaited, i), NULL));
    if (json_array_count(awaited) == 0)
        (void)puts("  the workers that are there are telling what they know");
}

/* ---- What this machine keeps. ---- */

/* The newest file's last change is its newest entry. */
static bool kept_look(struct json *kept, int folder)
{
    struct keep_file_name *files;
    struct error error = {0};
    size_t count;
    struct stat about;

    if (!keep_file_list(folder, &files, &count, &error))
        return set_text(kept, "problem", error.text);
    bool is_there = count > 0 && fstatat(folder, files[count - 1].name, &about, 0) == 0;
    free(files);
    return json_set(kept, "files", json_new_integer((int64_t)count)) &&
           (!is_there || json_set(kept, "newest_s",
                                  json_new_integer(clock_unix_seconds() - about.st_mtim.tv_sec)));
}

static struct json *kept_read(const struct cli_arguments *arguments)
{
    char path[PATH_BYTES];
    struct json *kept = json_new_object();
    (void)snprintf(path, sizeof path, "%s/kept",
                   config_text(arguments->config, "worker", "state_dir"));
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_whole =
        kept != NULL && set_text(kept, "folder", path) &&
        (folder >= 0 ? kept_look(kept, folder) : set_text(kept, "problem", strerror(errno)));
    if (folder >= 0)
        close(folder);
    if (is_whole)
        return kept;
    json_free(kept);
    return NULL;
}

static void kept_write(const struct json *kept)
{
    const char *folder = json_find_text(kept, "folder");
    int64_t newest_s = json_find_integer(kept, "newest_s", -1);
    if (*json_find_text(kept, "problem") != '\0')
        (void)printf("kept: %s: %s\n", folder, json_find_text(kept, "problem"));
    else if (newest_s < 0)
        (void)printf("kept: nothing yet in %s\n", folder);
    else
        (void)printf("kept: %s, newest entry %" PRId64 " s ago\n", folder, newest_s);
}

/* ---- ---- */

bool check_life_look(struct check_life *life, const struct cli_arguments *arguments,
                     struct pg_sync *sync)
{
    struct pg_result row = {.kind = PG_RESULT_UNSENT};
    struct error error;
    *life = (struct check_life){.kept = kept_read(arguments)};
    bool is_whole = life->kept != NULL;
    if (sync != NULL && cli_database_call(sync, QUEUE_LIFE_REPORT, NULL, &row, &error))
        is_whole = gate_read(life, &row) && is_whole;
    pg_sync_clear(&row);
    return is_whole;
}

void check_life_free(struct check_life *life)
{
    json_free(life->gate);
    json_free(life->kept);
    *life = (struct check_life){0};
}

void check_life_write(const struct check_life *life)
{
    gate_write(life->gate);
    kept_write(life->kept);
}

int check_life_accept(const struct cli_arguments *arguments)
{
    return cli_database_act(arguments, QUEUE_LIFE_ACCEPT, NULL, NULL, "", "");
}
