/* The form of the files in `kept`: a header, then entries, each with its number and a checksum. One
 * file follows another; each name begins with the number of its first entry and ends with its day.
 * Nothing here knows what a line says, but for the lines of the file's own ("here|..."). */
#ifndef HANDBELL_FLOW_KEEP_FILE_H
#define HANDBELL_FLOW_KEEP_FILE_H

#include "worker/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KEEP_LINE_BYTES = 16384,
    KEEP_OWNER_BYTES = 37,
    KEEP_NAME_BYTES = 64,
    KEEP_HEADER_BYTES = 64,
    KEEP_ENTRY_BYTES = 24, /* before each line */
    KEEP_FILES_MOST = 4096,
    KEEP_FILE_BYTES = 64 << 20, /* a file that has grown so large is followed by another */
};

/* A place in the life of a database: which cluster, which of its timelines, how far its log. */
struct keep_place {
    uint64_t system_identifier;
    uint32_t timeline;
    uint64_t position; /* bytes */
};

/* Is `now` a database that was put back to an earlier state than `then`? Another cluster or
 * timeline is for others to judge: false. */
bool keep_place_is_behind(const struct keep_place *now, const struct keep_place *then);

/* One file of the folder, by its name. */
struct keep_file_name {
    uint64_t first; /* the number of its first entry */
    uint32_t day;   /* as in 20261122, UTC */
    char name[KEEP_NAME_BYTES];
};

/* Its name: %016x of `first`, a dot, the day. */
void keep_file_name_make(struct keep_file_name *file, uint64_t first, uint32_t day);
/* False for any other name. */
bool keep_file_name_read(struct keep_file_name *file, const char *name);
/* The names in `folder`, an open directory, in their order; at most KEEP_FILES_MOST. The caller
 * frees `*files`. False with `error`. */
bool keep_file_list(int folder, struct keep_file_name **files, size_t *count, struct error *error);

/* The header of a new file; `bytes` gets KEEP_HEADER_BYTES. */
void keep_file_write_header(uint8_t bytes[KEEP_HEADER_BYTES], const char *owner, uint64_t first);
/* What goes before a line. */
void keep_file_write_entry(uint8_t bytes[KEEP_ENTRY_BYTES], uint64_t number, const char *line,
                           size_t size);

/* Reads the entries of a folder in order, across its files. */
struct keep_reader;

/* `line` is not NUL-terminated, and alive until the next call. */
struct keep_line {
    uint64_t number;
    const char *text;
    size_t size;
};

enum keep_reading {
    KEEP_READING_LINE,
    KEEP_READING_END,
    KEEP_READING_TORN,    /* the last file ends in the middle of an entry: an append that was cut */
    KEEP_READING_DAMAGED, /* a checksum is wrong, an entry or a file is missing */
};

/* `folder` is an open directory, borrowed. `owner` is compared with each header; NULL: whoever's.
 * Begins behind `after`: files wholly before it are not read. NULL with `error`. */
struct keep_reader *keep_reader_open(int folder, const char *owner, uint64_t after,
                                     struct error *error);
void keep_reader_close(struct keep_reader *reader); /* NULL is fine */
/* `error` is set for KEEP_READING_DAMAGED, and names the file and the place. */
enum keep_reading keep_reader_next(struct keep_reader *reader, struct keep_line *line,
                                   struct error *error);
/* Of the last file: how many of its bytes were read whole. */
uint64_t keep_reader_whole_bytes(const struct keep_reader *reader);

#endif
