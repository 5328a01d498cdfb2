/* One of the journal's two files: made, and read from its beginning. Private to journal*.c. */
#ifndef HANDBELL_FLOW_JOURNAL_FILE_H
#define HANDBELL_FLOW_JOURNAL_FILE_H

#include "worker/base/error.h"
#include "worker/model/journal_record.h"

#include <stdbool.h>
#include <stdint.h>

enum journal_file_state {
    JOURNAL_FILE_MISSING,
    JOURNAL_FILE_DAMAGED, /* its header cannot be read: nothing of it can be believed */
    JOURNAL_FILE_WHOLE,
};

/* What journal_file_read found. `used_bytes` is where the next record goes. */
struct journal_file {
    enum journal_file_state state;
    struct journal_header header;
    uint64_t size_bytes;
    uint64_t used_bytes;
    uint64_t torn;    /* 1: a record at the end was begun and never finished */
    uint64_t damaged; /* records that cannot be read, or are missing in the middle */
    bool is_copy;
};

/* Told of each record, in order; `record` is NULL where one is damaged. */
typedef void journal_file_on_record(void *context, const struct journal_record *record);

/* Reads journal.`slot` (0 or 1) of `directory`. `on_header` (or NULL) is called before the first
 * record; without `on_record` the header alone is read. False with `error` where it cannot be read,
 * or is not `owner`'s journal in this version; `path` names the directory in it. */
struct journal_file_reading {
    int directory;
    const char *path;
    unsigned slot;
    const struct journal_uuid *owner;
    void (*on_header)(void *context, const struct journal_file *file);
    journal_file_on_record *on_record;
    void *context;
};

bool journal_file_read(const struct journal_file_reading *reading, struct journal_file *file,
                       struct error *error);

/* Makes "journal.new" of `header->size_bytes`, all of it set aside on the disk, so that no later
 * write finds the disk full; fills in header->inode and writes the header. The descriptor, or -1
 * with errno. */
int journal_file_make(int directory, struct journal_header *header);
/* Puts "journal.new" in the place of journal.`slot`; `is_synced`: and waits until both the file and
 * its name are on the disk. False with errno. */
bool journal_file_publish(int directory, int fd, unsigned slot, bool is_synced);
/* Opens journal.`slot` for appending. The descriptor, or -1 with errno. */
int journal_file_open(int directory, unsigned slot);

/* Writes all of it, or returns false with errno. */
bool journal_file_write(int fd, uint64_t at, const void *bytes, size_t size);

#endif
