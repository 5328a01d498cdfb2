/* The journal: what this worker did on the wire, written beside the database before the next step
 * depends on it. Two records a message: its data end (before the final dot may leave), and what
 * became of it (before the database is told). After a crash it tells what was sent from what was
 * not; after a fail-over it tells the database what it has forgotten.
 *
 * Two files of bounded size in the state directory, journal.0 and journal.1. When one is full the
 * other begins anew, with what is still in flight: so entries outlive their commit for a while.
 * Nothing in them is personal. Everything here takes microseconds, but for a sync to the disk
 * (JOURNAL_SYNC_DATA) and a new file, and nothing calls back. */
#ifndef HANDBELL_FLOW_JOURNAL_H
#define HANDBELL_FLOW_JOURNAL_H

#include "worker/base/error.h"
#include "worker/base/list.h"
#include "worker/model/journal_record.h"
#include "worker/model/outcome.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    JOURNAL_RETRY_MS = 1000, /* between two tries to get a journal that can be written */
    /* Room in both files for each message that may be in flight: what is carried over into a new
     * file takes a quarter of it at most. */
    JOURNAL_BYTES_A_MESSAGE = 16 * JOURNAL_RECORD_BYTES,
};

/* What the journal keeps of one message in flight; it lies in the message. Zero it, set the four
 * that name the attempt, and call journal_begin. The rest is the journal's own. */
struct journal_entry {
    int64_t tenant_id;
    int64_t message_id;
    int64_t created_unix_s; /* of the message, by the database */
    int32_t epoch;

    uint64_t life;         /* the database's, as this worker counts them, in which it was claimed */
    struct list_link link; /* in the journal's list of what is in flight */
    uint64_t first_sequence;
    int64_t data_ended_unix_s; /* 0: it has not ended */
    int64_t replied_unix_s;    /* 0: no reply yet */
    enum journal_outcome outcome;
    int code;
    char enhanced[JOURNAL_ENHANCED_BYTES];
};

struct journal;

/* `directory` and `owner` (a uuid as text) are copied. `bytes` is the size of both files together:
 * at least JOURNAL_BYTES_A_MESSAGE for each message that may be in flight. */
struct journal_options {
    const char *directory;
    const char *owner;
    enum journal_sync sync;
    uint64_t bytes;
    bool is_new_owner; /* it was made just now: that there is no file is no reason for doubt */
};

/* Reads what is there and makes ready to append. A disk that is full or cannot be written is no
 * failure: journal_may_write then says no until it can be. NULL with `error` naming the file and
 * the way out: EX_CONFIG where a file belongs to another worker, to another version or to something
 * else; EX_OSERR where one cannot be read. Ended by journal_close; all entries must be forgotten.
 */
struct journal *journal_open(const struct journal_options *options, struct error *error);
void journal_close(struct journal *journal); /* NULL is fine */
/* From now on; as in struct journal_options. A file that is begun keeps its size. */
void journal_set_options(struct journal *journal, enum journal_sync sync, uint64_t bytes);

/* Whether a mail has ended and its reply has not come. */
bool journal_awaits_reply(const struct journal *journal);

/* The message was claimed just now. */
void journal_begin(const struct journal *journal, struct journal_entry *entry);
/* Whether mails may be begun: there is room for their records. Makes a new file where the present
 * one is full. */
bool journal_may_write(struct journal *journal);
/* Whether this one may be, too: it was not claimed before the database began another life. */
bool journal_may_send(struct journal *journal, const struct journal_entry *entry);
/* The database has begun another life: until journal_release no mail is begun, and no mail's end
 * goes that has not gone yet. What was claimed before never goes: its row may be another's. */
void journal_hold(struct journal *journal);
void journal_release(struct journal *journal);
/* To be called twice a second or so: tries again where writing failed, at most once in
 * JOURNAL_RETRY_MS, and notes how far the database has everything. */
void journal_tick(struct journal *journal);

/* Writes that the mail's end may go from now on, and with JOURNAL_SYNC_DATA waits for the disk.
 * False: it must not go. */
bool journal_write_data_end(struct journal *journal, struct journal_entry *entry);
/* Writes what became of the attempt; `outcome` is NULL where nothing was tried. A failure costs
 * certainty after a crash and nothing else: the outcome goes to the database anyway. */
void journal_write_reply(struct journal *journal, struct journal_entry *entry,
                         const struct outcome *outcome);
/* The database has said that it has the outcome, or the message has ended otherwise. */
void journal_forget(struct journal_entry *entry);

/* ---- Reading back. ---- */

/* The last attempt at a message of which the journal knows. `has_data_ended` without an outcome:
 * its end is in doubt. */
struct journal_past_entry {
    int64_t tenant_id;
    int64_t message_id;
    int64_t created_unix_s;
    int64_t time_unix_s;       /* of the last record */
    int64_t data_ended_unix_s; /* 0: not known */
    uint64_t sequence;         /* of the last record */
    int32_t epoch;
    bool has_data_ended;
    bool is_live; /* this process has it in memory, and will record what becomes of it */
    enum journal_outcome outcome; /* JOURNAL_OUTCOME_NONE: no reply */
    int code;
    char enhanced[JOURNAL_ENHANCED_BYTES];
};

/* In the order of tenant, message and time of creation. */
struct journal_past {
    struct journal_past_entry *entries;
    size_t count;
};

enum journal_span {
    JOURNAL_SPAN_UNSETTLED, /* what the database may not have: after a restart */
    JOURNAL_SPAN_ALL,       /* all that the files hold: after a fail-over or a restore */
};

/* Fills `past`; ended by journal_past_free. False with `error` (EX_OSERR). */
bool journal_read_past(const struct journal *journal, enum journal_span span,
                       struct journal_past *past, struct error *error);
void journal_past_free(struct journal_past *past);
/* NULL: the journal knows of no attempt at it. */
const struct journal_past_entry *journal_past_find(const struct journal_past *past,
                                                   int64_t tenant_id, int64_t message_id,
                                                   int64_t created_unix_s);

/* Whether records of what was done before journal_open may be missing: files were lost, damaged or
 * copied, or the machine went down while nothing was synced. Then what was being sent and is not
 * in the journal is in doubt too. */
bool journal_is_in_doubt(const struct journal *journal);
/* Since when all that was sent is in the files; 0: since this worker was made. */
int64_t journal_reach_unix_s(const struct journal *journal);
/* The database has all of what journal_read_past gave: nothing is in doubt any more. */
void journal_settle(struct journal *journal);

#endif
