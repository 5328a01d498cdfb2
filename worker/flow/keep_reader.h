/* Reading the lines of a `kept` folder in order, across its files. */
#ifndef HANDBELL_FLOW_KEEP_READER_H
#define HANDBELL_FLOW_KEEP_READER_H

#include "worker/base/error.h"
#include "worker/flow/keep_file.h"

#include <stdbool.h>
#include <stdint.h>

struct keep_reader;

/* In place of an entry's number: whatever there is. */
#define KEEP_READER_ALL UINT64_MAX

enum keep_reading {
    KEEP_READING_LINE,
    KEEP_READING_END,
    KEEP_READING_TORN, /* the last file ends in the middle of an entry: an append that was cut */
    KEEP_READING_DAMAGED,
};

/* `folder` is an open directory, borrowed; what is appended after this call may be read or not.
 * `owner` is compared with each header; NULL: whoever's. Begins behind `after`: files wholly before
 * it are not read. NULL with `error`, also where lines behind `after` are there no more
 * (EX_DATAERR). Ended by keep_reader_close. */
struct keep_reader *keep_reader_open(int folder, const char *owner, uint64_t after,
                                     struct error *error);
void keep_reader_close(struct keep_reader *reader); /* NULL is fine */

/* The next line, alive until the next call. `error` is set for KEEP_READING_DAMAGED, names the file
 * and the place, and is EX_CONFIG for a file of another worker or version, EX_DATAERR for a wrong
 * checksum or a missing file or entry, EX_OSERR otherwise. */
enum keep_reading keep_reader_next(struct keep_reader *reader, struct keep_line *line,
                                   struct error *error);
/* After KEEP_READING_DAMAGED for EX_DATAERR: goes on with the next entry that is whole. False:
 * there is none. */
bool keep_reader_skip(struct keep_reader *reader);
/* Of the file that the last line came from: its name, and how many of its bytes were read whole.
 * "" and 0: there is no file. */
const char *keep_reader_file(const struct keep_reader *reader);
uint64_t keep_reader_whole_bytes(const struct keep_reader *reader);

#endif
