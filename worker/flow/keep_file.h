/* The form of the files in `kept`: a header, then entries, each with its number and a checksum. One
 * file follows another; each name begins with the number of its first entry and ends with its day.
 * Nothing here knows what a line says. */
#ifndef HANDBELL_FLOW_KEEP_FILE_H
#define HANDBELL_FLOW_KEEP_FILE_H

#include "worker/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KEEP_LINE_BYTES = 65536, /* an alert of a thousand courses */
    KEEP_OWNER_BYTES = 37,
    KEEP_NAME_BYTES = 64,
    KEEP_HEADER_BYTES = 64,
    KEEP_ENTRY_BYTES = 24, /* before each line */
    KEEP_FILES_MOST = 4096,
    KEEP_FILE_BYTES = 64 << 20, /* a file that has grown so large is followed by another */
};

/* A place in the life of a database: which cluster, which of its timelines, how far its log, and
 * how far it had this file for good. */
struct keep_place {
    uint64_t system_identifier; /* 0: no place is known */
    uint32_t timeline;
    uint64_t position; /* bytes */
    uint64_t kept;     /* the number of an entry */
};

/* One file of the folder, by its name: `first` in 16 hexadecimal digits, a dot, `day`. */
struct keep_file_name {
    uint64_t first; /* the number of its first entry */
    uint32_t day;   /* as in 20261122, UTC */
    char name[KEEP_NAME_BYTES];
};

void keep_file_name_make(struct keep_file_name *file, uint64_t first, uint32_t day);
/* False for any other name. */
bool keep_file_name_read(struct keep_file_name *file, const char *name);
/* The names in `folder`, an open directory, in their order; at most KEEP_FILES_MOST. The caller
 * frees `*files`. False with `error`. */
bool keep_file_list(int folder, struct keep_file_name **files, size_t *count, struct error *error);

enum keep_header_state {
    KEEP_HEADER_GOOD,
    KEEP_HEADER_BROKEN,  /* too short, a wrong checksum, or not the number that its name says */
    KEEP_HEADER_UNKNOWN, /* another version's */
    KEEP_HEADER_FOREIGN, /* another worker's */
};

void keep_file_write_header(uint8_t bytes[KEEP_HEADER_BYTES], const char *owner, uint64_t first);
/* `owner` NULL: whoever's. */
enum keep_header_state keep_file_read_header(const uint8_t *bytes, size_t size, const char *owner,
                                             uint64_t first);

/* `text` is not NUL-terminated. */
struct keep_line {
    uint64_t number;
    const char *text;
    size_t size;
};

/* Writes an entry of a line of at most KEEP_LINE_BYTES; its size. */
size_t keep_file_write_entry(uint8_t bytes[KEEP_ENTRY_BYTES + KEEP_LINE_BYTES], uint64_t number,
                             const char *line, size_t size);
/* The size of the entry at `bytes`, whose line points into it; 0: there is no whole one. */
size_t keep_file_read_entry(const uint8_t *bytes, size_t size, struct keep_line *line);
/* Where in `bytes` the next whole entry begins, and its line; `size`: nowhere, and what stands
 * there may be a torn end. */
size_t keep_file_find_entry(const uint8_t *bytes, size_t size, struct keep_line *line);

#endif
