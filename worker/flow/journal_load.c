/* Reading the journal when the worker starts: where its last life ended, and what can be believed
 * of it. What is told to the database about that is registration's business. */
#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/flow/journal_state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Both files, the older one first. */
struct load {
    struct journal_file files[2];
    struct journal_uuid boot; /* of the life that wrote last */
    enum journal_sync sync;
    uint64_t last_sequence;
    uint64_t settled_before;
    uint64_t doubt_at; /* the last record behind which something may be missing; 0: none */
    int64_t reach_unix_s;
    enum journal_record_kind last_kind; /* of the newer file's records; 0: it has none */
};

static void load_doubt(struct load *load)
{
    load->doubt_at = load->last_sequence + 1;
}

static void on_header(void *context, const struct journal_file *file)
{
    struct load *load = context;
    load->boot = file->header.boot;
    load->sync = file->header.sync;
    load->last_kind = 0;
    if (load->reach_unix_s < 0)
        load->reach_unix_s = file->header.generation > 1 || file->header.is_in_doubt
                                 ? file->header.created_unix_s
                                 : 0;
    if (file->header.is_in_doubt)
        load_doubt(load);
}

/* Between two lives that a restart of the machine parts, what was not synced may be lost. */
static void load_take_start(struct load *load, const struct journal_record *record)
{
    if (record->is_in_doubt ||
        (load->sync == JOURNAL_SYNC_NONE && !journal_uuid_equal(&load->boot, &record->boot)))
        load_doubt(load);
    load->boot = record->boot;
    load->sync = record->sync;
}

static void on_record(void *context, const struct journal_record *record)
{
    struct load *load = context;
    if (record == NULL) {
        load_doubt(load);
        return;
    }
    if (record->sequence > load->last_sequence)
        load->last_sequence = record->sequence;
    load->last_kind = record->kind;
    if (record->kind == JOURNAL_STARTED)
        load_take_start(load, record);
    else if (record->kind == JOURNAL_SETTLED)
        load->settled_before = record->settled_before;
}

static bool load_file(struct journal *journal, struct load *load, unsigned slot, bool is_counted,
                      struct error *error)
{
    const struct journal_file_reading reading = {
        .directory = journal->directory,
        .path = journal->path,
        .slot = slot,
        .owner = &journal->owner,
        .on_header = is_counted ? on_header : NULL,
        .on_record = is_counted ? on_record : NULL,
        .context = load,
    };
    return journal_file_read(&reading, &load->files[slot], error);
}

/* Which of the two was written last; -1: there is none. */
static int newest_of(const struct journal_file files[2])
{
    int newest = -1;
    for (int slot = 0; slot < 2; slot++)
        if (files[slot].state == JOURNAL_FILE_WHOLE &&
            (newest < 0 || files[slot].header.generation > files[newest].header.generation))
            newest = slot;
    return newest;
}

/* The file that is there may not be the last one. The first of all has no other. */
static bool is_other_lost(const struct load *load, int newest)
{
    return load->files[newest ^ 1].state != JOURNAL_FILE_WHOLE &&
           (load->files[newest ^ 1].state == JOURNAL_FILE_DAMAGED ||
            load->files[newest].header.generation > 1);
}

static void load_log(const struct journal *journal, const struct load *load)
{
    for (unsigned slot = 0; slot < 2; slot++) {
        const struct journal_file *file = &load->files[slot];
        if (file->state == JOURNAL_FILE_DAMAGED || file->damaged > 0)
            LOG(LOG_LEVEL_ERROR, "journal_damaged", log_int("file", slot),
                log_int("records", (int64_t)file->damaged));
        if (file->torn > 0)
            LOG(LOG_LEVEL_WARNING, "journal_tail_cut", log_int("file", slot),
                log_text("because", "its last record was never finished"));
        if (file->state == JOURNAL_FILE_WHOLE && file->is_copy)
            LOG(LOG_LEVEL_WARNING, "journal_copied", log_int("file", slot),
                log_text("so", "what was written after the copy was made may be missing"));
    }
    if (journal->is_in_doubt)
        LOG(LOG_LEVEL_WARNING, "journal_in_doubt",
            log_text("so", "what was being sent and is not in it counts as in doubt"));
}

/* The headers say which file comes first. */
bool journal_load(struct journal *journal, struct error *error)
{
    struct load load = {.reach_unix_s = -1};

    for (unsigned slot = 0; slot < 2; slot++)
        if (!load_file(journal, &load, slot, false, error))
            return false;
    int newest = newest_of(load.files);
    if (newest < 0) {
        load.reach_unix_s = journal->is_new_owner ? 0 : clock_unix_seconds();
        if (!journal->is_new_owner)
            load_doubt(&load);
    } else {
        if (!load_file(journal, &load, (unsigned)newest ^ 1, true, error) ||
            !load_file(journal, &load, (unsigned)newest, true, error))
            return false;
        const struct journal_file *file = &load.files[newest];
        journal->generation = file->header.generation;
        journal->begun_unix_s = file->header.created_unix_s;
        journal->used_bytes = file->used_bytes;
        journal->size_bytes = file->size_bytes;
        journal->fd = journal_file_open(journal->directory, (unsigned)newest);
        if (journal->fd < 0)
            journal_fail(journal, errno);
        bool is_same_boot = journal_uuid_equal(&load.boot, &journal->boot);
        journal->is_to_roll = file->is_copy || is_other_lost(&load, newest);
        if (journal->is_to_roll || (load.sync == JOURNAL_SYNC_NONE && !is_same_boot))
            load_doubt(&load);
        journal->is_life_noted = is_same_boot && load.sync == journal->sync &&
                                 (load.last_kind == 0 || load.last_kind == JOURNAL_STARTED);
    }
    journal->sequence = load.last_sequence + 1;
    journal->reach_unix_s = load.reach_unix_s;
    journal->settled_before = load.settled_before;
    journal->is_in_doubt = load.doubt_at != 0 && load.doubt_at >= load.settled_before;
    load_log(journal, &load);
    return true;
}
