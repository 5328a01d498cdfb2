/* What the journal's files are made of: a header, and records of one size, each with its checksum.
 * Bytes in, values out; no file is touched here. No record holds anything personal.
 *
 * The file's layout, little-endian, version 1. Header, 128 bytes: magic (8), version (4), size of a
 * record (4), generation (8), size of the file (8), inode (8), created (8), sync policy (1), doubt
 * (1), zeros (6), owner (16), boot (16), zeros (36), CRC-32C of all that (4). Record, 64 bytes:
 * kind (1), outcome (1), code (2), epoch (4), tenant (8), message (8), created (8), time (8),
 * sequence (8), enhanced code (11), CRC-32C (4), end mark (1). */
#ifndef HANDBELL_MODEL_JOURNAL_RECORD_H
#define HANDBELL_MODEL_JOURNAL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    JOURNAL_VERSION = 1,
    JOURNAL_HEADER_BYTES = 128,
    JOURNAL_RECORD_BYTES = 64,
    /* "5.999.999" is the longest of RFC 3463 section 2, and a NUL. */
    JOURNAL_ENHANCED_BYTES = 11,
};

enum journal_sync {
    JOURNAL_SYNC_NONE, /* safe against the program's end, not against the machine's */
    JOURNAL_SYNC_DATA, /* on the disk before the final dot */
};

/* A uuid's 16 bytes: a worker's name, or what the kernel calls this boot. */
struct journal_uuid {
    uint8_t bytes[16];
};

struct journal_header {
    uint64_t generation;
    uint64_t size_bytes; /* of the file, all of which is set aside at once */
    uint64_t inode;      /* of the file that it was written to: a copy has another */
    int64_t created_unix_s;
    enum journal_sync sync;
    bool is_in_doubt; /* as in a JOURNAL_STARTED */
    struct journal_uuid owner;
    struct journal_uuid boot;
};

enum journal_record_kind {
    JOURNAL_DATA_ENDED = 1, /* the mail's end may go from now on */
    JOURNAL_REPLY,          /* what became of the attempt */
    JOURNAL_STARTED,        /* a worker opened the journal: `boot`, `sync`, `is_in_doubt` */
    JOURNAL_SETTLED,        /* the database has all before `settled_before`; nothing is in doubt */
};

/* As enum outcome_kind, and one that was given back untried. */
enum journal_outcome {
    JOURNAL_OUTCOME_NONE,
    JOURNAL_OUTCOME_SENT,
    JOURNAL_OUTCOME_DEFERRED,
    JOURNAL_OUTCOME_REFUSED,
    JOURNAL_OUTCOME_UNCERTAIN,
    JOURNAL_OUTCOME_UNSENT,
};

/* Which fields count says the kind; the others are zero. `created_unix_s` is when the message was
 * made, by the database: after a fail-over its id may be another one's. */
struct journal_record {
    enum journal_record_kind kind;
    uint64_t sequence;
    int64_t time_unix_s;
    int64_t tenant_id;
    int64_t message_id;
    int64_t created_unix_s;
    int32_t epoch;
    enum journal_outcome outcome;
    int code;
    char enhanced[JOURNAL_ENHANCED_BYTES];
    uint64_t settled_before;
    struct journal_uuid boot;
    enum journal_sync sync;
    bool is_in_doubt;
};

void journal_record_write(const struct journal_record *record, uint8_t bytes[JOURNAL_RECORD_BYTES]);

enum journal_reading {
    JOURNAL_READING_WHOLE,
    JOURNAL_READING_EMPTY,   /* zeros: nothing was ever written there */
    JOURNAL_READING_TORN,    /* the beginning of a record and then zeros: its write never ended */
    JOURNAL_READING_DAMAGED, /* anything else */
};

/* `record` is filled in where it is whole. */
enum journal_reading journal_record_read(const uint8_t bytes[JOURNAL_RECORD_BYTES],
                                         struct journal_record *record);

void journal_header_write(const struct journal_header *header, uint8_t bytes[JOURNAL_HEADER_BYTES]);

enum journal_header_reading {
    JOURNAL_HEADER_WHOLE,
    JOURNAL_HEADER_DAMAGED,       /* of this version, or never written whole */
    JOURNAL_HEADER_OTHER_VERSION, /* a journal, of a form that is not known here */
    JOURNAL_HEADER_NO_JOURNAL,
};

/* `header` is filled in where it is whole. */
enum journal_header_reading journal_header_read(const uint8_t bytes[JOURNAL_HEADER_BYTES],
                                                struct journal_header *header);

/* Reads "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", in lower case. False where it is none. */
bool journal_uuid_read(const char *text, struct journal_uuid *uuid);
bool journal_uuid_equal(const struct journal_uuid *a, const struct journal_uuid *b);

#endif
