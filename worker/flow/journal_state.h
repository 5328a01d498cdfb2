/* The journal's own state. Private to journal*.c. */
#ifndef HANDBELL_FLOW_JOURNAL_STATE_H
#define HANDBELL_FLOW_JOURNAL_STATE_H

#include "worker/flow/journal.h"
#include "worker/flow/journal_file.h"

struct journal {
    char *path; /* of the directory, for messages */
    int directory;
    struct journal_uuid owner;
    struct journal_uuid boot;
    enum journal_sync sync;
    uint64_t file_bytes; /* of a new file */

    int fd; /* of the file that is appended to; -1: none yet */
    uint64_t generation;
    uint64_t size_bytes;
    uint64_t used_bytes;
    uint64_t sequence; /* the next record's */
    struct list live;  /* entries in flight, oldest first */
    size_t unreplied;  /* of them, those whose reply still needs a place */

    uint64_t settled_before; /* the database has all records before this one */
    bool is_settled;         /* journal_settle was called: the past is done with */
    bool is_in_doubt;
    bool is_to_roll;    /* the file that was found is a copy, or perhaps not the last one */
    bool is_life_noted; /* the last record says already that a worker started now */
    bool has_news;      /* since the last JOURNAL_SETTLED */
    uint64_t life;      /* entries of an earlier one may not go */
    bool is_held;
    int64_t reach_unix_s;
    int64_t begun_unix_s; /* when the present file was */
    bool is_new_owner;
    bool is_down;
    uint64_t tried_at_ms; /* when writing failed last (monotonic) */
    uint64_t logged_at_ms;
    int problem; /* errno of that */
};

/* Reads both files: where to go on, what is settled, what is in doubt. False with `error`. */
bool journal_load(struct journal *journal, struct error *error);
/* What is wrong with writing from now on, until journal_tick gets a new file. */
void journal_fail(struct journal *journal, int problem);
/* Begins a new file with what is in flight. False: it has failed (journal_fail). */
bool journal_roll(struct journal *journal);
/* Appends one record; its sequence is filled in here. False: journal_fail. */
bool journal_append(struct journal *journal, struct journal_record *record);

#endif
