/* Writing the journal. The order of things matters more than their speed: an entry is whole in the
 * file before what it speaks of may happen. */
#include "worker/flow/journal.h"

#include "worker/base/clock.h"
#include "worker/base/crypto.h"
#include "worker/base/log.h"
#include "worker/flow/journal_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { JOURNAL_LOG_MS = 60000, BOOT_TEXT_BYTES = 36 };

/* ---- Trouble. ---- */

void journal_fail(struct journal *journal, int problem)
{
    uint64_t now_ms = clock_monotonic_ms();
    if (!journal->is_down || problem != journal->problem ||
        now_ms - journal->logged_at_ms >= JOURNAL_LOG_MS) {
        journal->logged_at_ms = now_ms;
        LOG(LOG_LEVEL_ERROR, "journal_unwritable", log_text("reason", strerror(problem)),
            log_text("so", "no mail is begun until it can be written"));
    }
    journal->is_down = true;
    journal->problem = problem;
    journal->tried_at_ms = now_ms;
}

static void journal_recover(struct journal *journal)
{
    if (journal->is_down)
        LOG(LOG_LEVEL_INFO, "journal_writable",
            log_int("generation", (int64_t)journal->generation));
    journal->is_down = false;
}

/* ---- Appending. ---- */

static bool journal_has_place(const struct journal *journal, size_t records)
{
    return journal->fd >= 0 &&
           journal->used_bytes + records * JOURNAL_RECORD_BYTES <= journal->size_bytes;
}

bool journal_append(struct journal *journal, struct journal_record *record)
{
    uint8_t bytes[JOURNAL_RECORD_BYTES];

    record->sequence = journal->sequence;
    journal_record_write(record, bytes);
    if (!journal_file_write(journal->fd, journal->used_bytes, bytes, sizeof bytes)) {
        journal_fail(journal, errno);
        return false;
    }
    journal->used_bytes += sizeof bytes;
    journal->sequence++;
    return true;
}

static struct journal_record record_of(const struct journal_entry *entry,
                                       enum journal_record_kind kind)
{
    struct journal_record record = {
        .kind = kind,
        .tenant_id = entry->tenant_id,
        .message_id = entry->message_id,
        .created_unix_s = entry->created_unix_s,
        .epoch = entry->epoch,
        .time_unix_s = entry->data_ended_unix_s,
    };
    if (kind == JOURNAL_REPLY) {
        record.time_unix_s = entry->replied_unix_s;
        record.outcome = entry->outcome;
        record.code = entry->code;
        memcpy(record.enhanced, entry->enhanced, sizeof record.enhanced);
    }
    return record;
}

static bool journal_append_settled(struct journal *journal, uint64_t before)
{
    struct journal_record record = {
        .kind = JOURNAL_SETTLED, .time_unix_s = clock_unix_seconds(), .settled_before = before};
    if (!journal_append(journal, &record))
        return false;
    journal->settled_before = before;
    journal->has_news = false;
    return true;
}

/* ---- A new file. ---- */

/* What is in flight goes into the new file before anybody reads from it. */
static bool journal_carry_over(struct journal *journal)
{
    uint64_t before = journal->is_settled ? journal->sequence + 1 : journal->settled_before;

    if (!journal_append_settled(journal, before))
        return false;
    LIST_EACH(link, &journal->live)
    {
        const struct journal_entry *entry = LIST_OBJECT(link, struct journal_entry, link);
        struct journal_record record = record_of(entry, JOURNAL_DATA_ENDED);
        if (entry->data_ended_unix_s != 0 && !journal_append(journal, &record))
            return false;
        record = record_of(entry, JOURNAL_REPLY);
        if (entry->replied_unix_s != 0 && !journal_append(journal, &record))
            return false;
    }
    return true;
}

/* Only once the new file counts: the old one has them under other numbers. */
static void journal_renumber(struct journal *journal, uint64_t sequence)
{
    LIST_EACH(link, &journal->live)
    {
        struct journal_entry *entry = LIST_OBJECT(link, struct journal_entry, link);
        entry->first_sequence = sequence;
        sequence += (entry->data_ended_unix_s != 0) + (entry->replied_unix_s != 0);
    }
}

/* The new file in the place of the old one, which the caller keeps. */
static bool journal_begin_file(struct journal *journal, int fd, uint64_t generation)
{
    journal->fd = fd;
    journal->used_bytes = JOURNAL_HEADER_BYTES;
    journal->size_bytes = journal->file_bytes;
    if (!journal_carry_over(journal))
        return false;
    if (journal_file_publish(journal->directory, fd, (unsigned)(generation & 1),
                             journal->sync == JOURNAL_SYNC_DATA))
        return true;
    journal_fail(journal, errno);
    return false;
}

static void journal_go_back(struct journal *journal, const struct journal *before)
{
    close(journal->fd);
    journal->fd = before->fd;
    journal->used_bytes = before->used_bytes;
    journal->size_bytes = before->size_bytes;
    journal->settled_before = before->settled_before;
    journal->has_news = before->has_news;
}

bool journal_roll(struct journal *journal)
{
    const struct journal before = *journal;
    struct journal_header header = {
        .generation = journal->generation + 1,
        .size_bytes = journal->file_bytes,
        .created_unix_s = clock_unix_seconds(),
        .sync = journal->sync,
        .is_in_doubt = journal->is_in_doubt,
        .owner = journal->owner,
        .boot = journal->boot,
    };
    int fd = journal_file_make(journal->directory, &header);
    if (fd < 0) {
        journal_fail(journal, errno);
        return false;
    }
    if (!journal_begin_file(journal, fd, header.generation)) {
        journal_go_back(journal, &before);
        return false;
    }
    journal_renumber(journal, before.sequence + 1);
    journal->reach_unix_s = journal->generation > 1 ? journal->begun_unix_s : journal->reach_unix_s;
    journal->begun_unix_s = header.created_unix_s;
    journal->generation = header.generation;
    if (before.fd >= 0)
        close(before.fd);
    LOG(LOG_LEVEL_DEBUG, "journal_begun", log_int("generation", (int64_t)journal->generation),
        log_int("carried_over", (int64_t)journal->live.count));
    journal_recover(journal);
    return true;
}

void journal_begin(const struct journal *journal, struct journal_entry *entry)
{
    entry->life = journal->life;
}

bool journal_may_send(struct journal *journal, const struct journal_entry *entry)
{
    return entry->life == journal->life && journal_may_write(journal);
}

bool journal_awaits_reply(const struct journal *journal)
{
    return journal->unreplied > 0;
}

void journal_hold(struct journal *journal)
{
    journal->is_held = true;
    journal->life++;
}

void journal_release(struct journal *journal)
{
    journal->is_held = false;
}

bool journal_may_write(struct journal *journal)
{
    if (journal->is_down || journal->is_held)
        return false;
    /* Its own two, and the replies that are still to come. */
    return journal_has_place(journal, journal->unreplied + 2) || journal_roll(journal);
}

void journal_tick(struct journal *journal)
{
    const struct list_link *first = journal->live.first;

    if (journal->is_down) {
        if (clock_monotonic_ms() - journal->tried_at_ms >= JOURNAL_RETRY_MS)
            journal_roll(journal);
        return;
    }
    if (!journal->is_settled || !journal->has_news ||
        !journal_has_place(journal, journal->unreplied + 1))
        return;
    uint64_t before =
        first != NULL ? LIST_OBJECT(journal->live.first, struct journal_entry, link)->first_sequence
                      : journal->sequence + 1;
    if (before > journal->settled_before)
        journal_append_settled(journal, before);
}

/* ---- A message's two records. ---- */

static void entry_join(struct journal *journal, struct journal_entry *entry, uint64_t sequence)
{
    if (entry->link.list != NULL)
        return;
    entry->first_sequence = sequence;
    list_join(&journal->live, &entry->link);
}

bool journal_write_data_end(struct journal *journal, struct journal_entry *entry)
{
    if (!journal_may_send(journal, entry))
        return false;
    uint64_t sequence = journal->sequence;
    entry->data_ended_unix_s = clock_unix_seconds();
    struct journal_record record = record_of(entry, JOURNAL_DATA_ENDED);
    bool is_written = journal_append(journal, &record);
    if (is_written && journal->sync == JOURNAL_SYNC_DATA && fdatasync(journal->fd) != 0) {
        journal_fail(journal, errno);
        is_written = false;
    }
    if (!is_written) {
        entry->data_ended_unix_s = 0;
        return false;
    }
    entry_join(journal, entry, sequence);
    journal->unreplied++;
    journal->has_news = true;
    return true;
}

static enum journal_outcome outcome_of(const struct outcome *outcome)
{
    static const enum journal_outcome outcomes[] = {
        [OUTCOME_SENT] = JOURNAL_OUTCOME_SENT,
        [OUTCOME_DEFERRED] = JOURNAL_OUTCOME_DEFERRED,
        [OUTCOME_REFUSED] = JOURNAL_OUTCOME_REFUSED,
        [OUTCOME_UNCERTAIN] = JOURNAL_OUTCOME_UNCERTAIN,
    };
    return outcome != NULL ? outcomes[outcome->kind] : JOURNAL_OUTCOME_UNSENT;
}

/* Without a place for it the journal says less, but nothing that is false: a reply without a data
 * end is never doubtful, and for the others a place is kept. */
void journal_write_reply(struct journal *journal, struct journal_entry *entry,
                         const struct outcome *outcome)
{
    bool has_place_kept = entry->data_ended_unix_s != 0 && entry->replied_unix_s == 0;
    if ((outcome == NULL && !has_place_kept) || entry->replied_unix_s != 0)
        return;
    if (!has_place_kept && !journal_may_write(journal))
        return;
    entry->replied_unix_s = clock_unix_seconds();
    entry->outcome = outcome_of(outcome);
    if (outcome != NULL) {
        entry->code = outcome->code;
        memcpy(entry->enhanced, outcome->enhanced, JOURNAL_ENHANCED_BYTES - 1);
    }
    journal->unreplied -= has_place_kept;
    uint64_t sequence = journal->sequence;
    struct journal_record record = record_of(entry, JOURNAL_REPLY);
    journal_append(journal, &record);
    entry_join(journal, entry, sequence);
    journal->has_news = true;
}

void journal_forget(struct journal_entry *entry)
{
    if (entry->link.list == NULL)
        return;
    struct journal *journal = LIST_OBJECT(entry->link.list, struct journal, live);
    if (entry->data_ended_unix_s != 0 && entry->replied_unix_s == 0)
        journal->unreplied--;
    journal->has_news = true;
    list_leave(&entry->link);
}

/* ---- The past. ---- */

bool journal_is_in_doubt(const struct journal *journal)
{
    return journal->is_in_doubt;
}

int64_t journal_reach_unix_s(const struct journal *journal)
{
    return journal->reach_unix_s;
}

void journal_settle(struct journal *journal)
{
    journal->is_settled = true;
    journal->is_in_doubt = false;
    journal->has_news = true;
    journal_tick(journal);
}

/* ---- Opening. ---- */

/* Without the kernel's name for this boot each start counts as one of another. */
static void boot_read(struct journal_uuid *boot)
{
    char text[BOOT_TEXT_BYTES + 1] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, text, BOOT_TEXT_BYTES);
    if (fd >= 0)
        close(fd);
    if (size == BOOT_TEXT_BYTES && journal_uuid_read(text, boot))
        return;
    LOG(LOG_LEVEL_WARNING, "boot_unknown",
        log_text("so", "after each restart the journal may count as in doubt"));
    (void)crypto_random(boot->bytes, sizeof boot->bytes);
}

/* A life is written down before anything that happens in it. */
static void journal_begin_life(struct journal *journal)
{
    struct journal_record record = {
        .kind = JOURNAL_STARTED,
        .time_unix_s = clock_unix_seconds(),
        .boot = journal->boot,
        .sync = journal->sync,
        .is_in_doubt = journal->is_in_doubt,
    };
    if (journal->is_down || (journal->is_life_noted && !journal->is_to_roll))
        return;
    if (journal_has_place(journal, 1) && !journal->is_to_roll)
        journal_append(journal, &record);
    else
        journal->is_to_roll = !journal_roll(journal);
}

static uint64_t file_bytes(uint64_t bytes)
{
    return JOURNAL_HEADER_BYTES + bytes / 2 / JOURNAL_RECORD_BYTES * JOURNAL_RECORD_BYTES;
}

static bool journal_read_options(struct journal *journal, const struct journal_options *options,
                                 struct error *error)
{
    if (!journal_uuid_read(options->owner, &journal->owner))
        return error_set(error, EX_SOFTWARE, "journal: the owner is no uuid");
    journal->path = strdup(options->directory);
    if (journal->path == NULL)
        return error_set(error, EX_OSERR, "journal: no memory");
    journal->directory = open(options->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (journal->directory < 0)
        return error_set(error, EX_OSERR, "[worker] state_dir: %s: %s", options->directory,
                         strerror(errno));
    journal->sync = options->sync;
    journal->is_new_owner = options->is_new_owner;
    journal->file_bytes =
        JOURNAL_HEADER_BYTES + options->bytes / 2 / JOURNAL_RECORD_BYTES * JOURNAL_RECORD_BYTES;
    return true;
}

struct journal *journal_open(const struct journal_options *options, struct error *error)
{
    struct journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL) {
        error_set(error, EX_OSERR, "journal: no memory");
        return NULL;
    }
    journal->fd = -1;
    journal->directory = -1;
    boot_read(&journal->boot);
    if (!journal_read_options(journal, options, error) || !journal_load(journal, error)) {
        journal_close(journal);
        return NULL;
    }
    journal_begin_life(journal);
    return journal;
}

void journal_close(struct journal *journal)
{
    if (journal == NULL)
        return;
    if (journal->fd >= 0)
        close(journal->fd);
    if (journal->directory >= 0)
        close(journal->directory);
    free(journal->path);
    free(journal);
}

void journal_set_options(struct journal *journal, enum journal_sync sync, uint64_t bytes)
{
    journal->file_bytes = file_bytes(bytes);
    if (sync == journal->sync)
        return;
    journal->sync = sync;
    journal->is_life_noted = false;
    journal_begin_life(journal);
}
