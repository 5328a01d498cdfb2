/* The worker's settings table, and what must hold between its rows. */
#include "worker/flow/worker_options.h"

#include "worker/flow/journal.h"

#include <string.h>
#include <sysexits.h>

const struct setting worker_settings[] = {
    {"worker", "state_dir", SETTING_PATH, "", 1, 4000, "/var/lib/handbell",
     "Where this worker keeps its name and its lock; each worker needs a directory of its own.",
     false},
    {"worker", "in_memory", SETTING_INTEGER, "messages", 100, 100000, "2000",
     "How many messages may be in memory at once. A fifth is kept for urgent and account mail.",
     false},
    {"worker", "batch", SETTING_INTEGER, "messages", 1, 500, "100",
     "How many messages are claimed at a time. Larger claims cost less; smaller ones hold up what "
     "is urgent for less.",
     false},
    {"worker", "lease_s", SETTING_INTEGER, "s", 1, 3600, "30",
     "No mail's data is begun when the database has not answered for so long. Must be shorter than "
     "takeover_grace_s.",
     false},
    {"worker", "takeover_grace_s", SETTING_INTEGER, "s", 1, 86400, "60",
     "How long another worker that is gone may come back for the mails it was sending, before this "
     "one ends them as uncertain.",
     false},
    {"worker", "poll_ms", SETTING_INTEGER, "ms", 50, 60000, "1000",
     "How often the database is asked for work, at least three times in lease_s; it also wakes the "
     "worker when work is due.",
     false},
    {"worker", "journal_sync", SETTING_TEXT, "", 1, 16, "none",
     "When the journal in state_dir is on the disk. none: the system writes it in its own time; "
     "nothing is lost when this program ends, however it ends, but a power cut or a crash of the "
     "machine may lose the last seconds, and what was being sent then counts as in doubt (notices "
     "go again, alerts end as uncertain). data: before each mail's end, so that a power cut leaves "
     "in doubt only what really is; each mail then waits for the disk.",
     false},
    {"worker", "journal_bytes", SETTING_INTEGER, "bytes", 131072, 1073741824, "16777216",
     "How large the journal's two files may become together; at least 1024 bytes for each of "
     "in_memory are taken. A mail takes 128 bytes, and is remembered until one file has filled up "
     "once more: so long ago the database may have been set back, by a fail-over, without mail "
     "going out twice.",
     false},
    {"worker", "keep_days", SETTING_INTEGER, "days", 1, 3650, "35",
     "How long state_dir/kept remembers what was sent and what people said, for a database that is "
     "restored from a backup: longer than the oldest backup that would be restored.",
     false},
    {"worker", "log_level", SETTING_TEXT, "", 1, 16, "info",
     "debug, info, warning or error: what is written to the log.", false},
    {NULL, NULL, SETTING_TEXT, NULL, 0, 0, NULL, NULL, false},
};

static bool log_level_read(const char *text, enum log_level *level, struct error *error)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return error_set(error, EX_CONFIG, "[worker] log_level: must be debug, info, warning or error");
}

static bool journal_read(const struct config *config, struct worker_options *options,
                         struct error *error)
{
    const char *sync = config_text(config, "worker", "journal_sync");
    uint64_t least = (uint64_t)options->in_memory * JOURNAL_BYTES_A_MESSAGE;

    options->journal_bytes = (uint64_t)config_integer(config, "worker", "journal_bytes");
    if (options->journal_bytes < least)
        options->journal_bytes = least;
    options->journal_sync = strcmp(sync, "data") == 0 ? JOURNAL_SYNC_DATA : JOURNAL_SYNC_NONE;
    return strcmp(sync, "data") == 0 || strcmp(sync, "none") == 0 ||
           error_set(error, EX_CONFIG, "[worker] journal_sync: must be none or data");
}

bool worker_options_read(const struct config *config, struct worker_options *options,
                         struct error *error)
{
    options->state_dir = config_text(config, "worker", "state_dir");
    options->key_file = config_text(config, "security", "key_file");
    options->in_memory = (uint32_t)config_integer(config, "worker", "in_memory");
    options->batch = (uint32_t)config_integer(config, "worker", "batch");
    options->lease_ms = (uint32_t)config_integer(config, "worker", "lease_s") * 1000;
    options->takeover_grace_s = (uint32_t)config_integer(config, "worker", "takeover_grace_s");
    options->keep_days = (uint32_t)config_integer(config, "worker", "keep_days");
    options->poll_ms = (uint32_t)config_integer(config, "worker", "poll_ms");
    /* Polls renew the lease. */
    if (options->poll_ms > options->lease_ms / 3)
        options->poll_ms = options->lease_ms / 3;
    /* A worker that others believe dead must have stopped sending before they say so. */
    if (options->lease_ms >= options->takeover_grace_s * 1000)
        return error_set(error, EX_CONFIG,
                         "[worker] lease_s: must be shorter than [worker] takeover_grace_s");
    if (options->batch > options->in_memory / 2)
        return error_set(error, EX_CONFIG, "[worker] batch: must be at most half of in_memory");
    if (!journal_read(config, options, error))
        return false;
    return log_level_read(config_text(config, "worker", "log_level"), &options->log_level, error);
}
