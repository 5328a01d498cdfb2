/* Reading the journal back, attempt by attempt. */
#include "worker/flow/journal_state.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { PAST_FIRST = 256 };

struct gathering {
    struct journal_past past;
    size_t room;
    uint64_t from_sequence;
    bool has_failed;
};

static bool gathering_grow(struct gathering *gathering)
{
    size_t room = gathering->room == 0 ? PAST_FIRST : gathering->room * 2;
    struct journal_past_entry *entries =
        reallocarray(gathering->past.entries, room, sizeof *entries);
    if (entries == NULL)
        return false;
    gathering->past.entries = entries;
    gathering->room = room;
    return true;
}

static void on_record(void *context, const struct journal_record *record)
{
    struct gathering *gathering = context;
    struct journal_past *past = &gathering->past;

    if (record == NULL || record->sequence < gathering->from_sequence ||
        (record->kind != JOURNAL_DATA_ENDED && record->kind != JOURNAL_REPLY))
        return;
    if (past->count == gathering->room && !gathering_grow(gathering)) {
        gathering->has_failed = true;
        return;
    }
    struct journal_past_entry *entry = &past->entries[past->count++];
    *entry = (struct journal_past_entry){
        .tenant_id = record->tenant_id,
        .message_id = record->message_id,
        .created_unix_s = record->created_unix_s,
        .time_unix_s = record->time_unix_s,
        .sequence = record->sequence,
        .epoch = record->epoch,
        .has_data_ended = record->kind == JOURNAL_DATA_ENDED,
        .data_ended_unix_s = record->kind == JOURNAL_DATA_ENDED ? record->time_unix_s : 0,
        .outcome = record->outcome,
        .code = record->code,
    };
    memcpy(entry->enhanced, record->enhanced, sizeof entry->enhanced);
}

static int compare_int64(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_names(const struct journal_past_entry *a, const struct journal_past_entry *b)
{
    int order = compare_int64(a->tenant_id, b->tenant_id);
    if (order == 0)
        order = compare_int64(a->message_id, b->message_id);
    return order != 0 ? order : compare_int64(a->created_unix_s, b->created_unix_s);
}

static int compare_records(const void *left, const void *right)
{
    const struct journal_past_entry *a = left, *b = right;
    int order = compare_names(a, b);
    if (order == 0)
        order = compare_int64(a->epoch, b->epoch);
    return order != 0 ? order : a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

/* A database that was failed over counts on from an earlier epoch, so that a later attempt may have
 * the same. A data end that was carried over has its old time still. */
static bool is_another_attempt(const struct journal_past_entry *last,
                               const struct journal_past_entry *next)
{
    return last->epoch != next->epoch ||
           (last->outcome != JOURNAL_OUTCOME_NONE && next->has_data_ended &&
            last->data_ended_unix_s != next->data_ended_unix_s);
}

/* A later attempt takes the place of an earlier one; records of one attempt become one. */
static void past_fold(struct journal_past *past)
{
    size_t kept = 0;

    if (past->count > 1)
        qsort(past->entries, past->count, sizeof past->entries[0], compare_records);
    for (size_t i = 0; i < past->count; i++) {
        const struct journal_past_entry *next = &past->entries[i];
        struct journal_past_entry *last = kept > 0 ? &past->entries[kept - 1] : NULL;
        if (last == NULL || compare_names(last, next) != 0) {
            past->entries[kept++] = *next;
            continue;
        }
        if (is_another_attempt(last, next)) {
            *last = *next;
            continue;
        }
        bool has_data_ended = next->has_data_ended || last->has_data_ended;
        int64_t data_ended_unix_s =
            next->has_data_ended ? next->data_ended_unix_s : last->data_ended_unix_s;
        /* Carried over, an attempt's data end may stand behind its reply. */
        if (next->outcome != JOURNAL_OUTCOME_NONE)
            *last = *next;
        last->has_data_ended = has_data_ended;
        last->data_ended_unix_s = data_ended_unix_s;
    }
    past->count = kept;
}

/* What this process is still at is its own to record. */
static void past_note_live(struct journal_past *past, const struct list *live)
{
    LIST_EACH(link, live)
    {
        const struct journal_entry *entry = LIST_OBJECT(link, struct journal_entry, link);
        const struct journal_past_entry *found =
            journal_past_find(past, entry->tenant_id, entry->message_id, entry->created_unix_s);
        if (found != NULL && found->epoch == entry->epoch)
            past->entries[found - past->entries].is_live = true;
    }
}

bool journal_read_past(const struct journal *journal, enum journal_span span,
                       struct journal_past *past, struct error *error)
{
    struct gathering gathering = {.from_sequence =
                                      span == JOURNAL_SPAN_UNSETTLED ? journal->settled_before : 0};
    bool is_read = true;

    for (unsigned slot = 0; slot < 2 && is_read; slot++) {
        const struct journal_file_reading reading = {.directory = journal->directory,
                                                     .path = journal->path,
                                                     .slot = slot,
                                                     .owner = &journal->owner,
                                                     .on_record = on_record,
                                                     .context = &gathering};
        struct journal_file file;
        is_read = journal_file_read(&reading, &file, error);
    }
    if (is_read && gathering.has_failed)
        is_read = error_set(error, EX_OSERR, "journal: no memory");
    *past = gathering.past;
    if (!is_read) {
        journal_past_free(past);
        return false;
    }
    past_fold(past);
    past_note_live(past, &journal->live);
    return true;
}

void journal_past_free(struct journal_past *past)
{
    free(past->entries);
    *past = (struct journal_past){0};
}

static int compare_entries(const void *left, const void *right)
{
    return compare_names(left, right);
}

const struct journal_past_entry *journal_past_find(const struct journal_past *past,
                                                   int64_t tenant_id, int64_t message_id,
                                                   int64_t created_unix_s)
{
    const struct journal_past_entry key = {
        .tenant_id = tenant_id, .message_id = message_id, .created_unix_s = created_unix_s};
    if (past->count == 0)
        return NULL;
    return bsearch(&key, past->entries, past->count, sizeof key, compare_entries);
}
