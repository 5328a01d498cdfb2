/* What outlives the database: this worker's own file of mails that went out and of words that
 * people said, in `kept` below its state directory, so that a database restored from a backup
 * learns them again before anything is sent. It knows numbers and lines; what a line says is SQL's
 * business (queue/sql/functions/47_keep.sql). Lines hold digests in place of refs, and nothing else
 * of anybody.
 *
 * Lines are appended with one write(2) each and survive the program; twice a second what is new is
 * flushed to the disk (fdatasync, on the thread pool), so a machine that loses power takes half a
 * second with it. */
#ifndef HANDBELL_FLOW_KEEP_H
#define HANDBELL_FLOW_KEEP_H

#include "worker/base/error.h"
#include "worker/flow/keep_file.h"
#include "worker/flow/keep_reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct keep;

enum {
    /* Lines that the disk did not take wait in memory, up to so many bytes; past half of it
     * keep_has_room says no. */
    KEEP_WAITING_BYTES = 1 << 20,
    /* Lines that the database may not have yet, at most. */
    KEEP_OPEN_MOST = 1 << 17,
    KEEP_SYNC_MS = 500,
    KEEP_RETRY_MS = 1000,
};

/* Opens `state_dir`/kept (made, 0700, where it is missing), cuts a torn last line off (and says so
 * in the log), and deletes files that hold nothing younger than `keep_days`. `owner` is this
 * worker's uuid. NULL with `error`, which names the file: EX_CONFIG for one of another worker or a
 * newer version, EX_DATAERR for one that is damaged in the middle, EX_OSERR. Ended by keep_close.
 */
struct keep *keep_open(struct loop *loop, const char *state_dir, const char *owner,
                       uint32_t keep_days, struct error *error);
/* Flushes. NULL is fine. */
void keep_close(struct keep *keep);
/* After a reload of the settings. */
void keep_set_days(struct keep *keep, uint32_t keep_days);

/* Whether a mail may begin: what is to be said of it will find room. False while the disk is full
 * or read-only and too much waits; the log has said why (`keep_waits`). */
bool keep_has_room(const struct keep *keep);
/* Appends a line of `size` bytes, at most KEEP_LINE_BYTES, and returns its number: 1, 2, ..., never
 * one twice. What the disk does not take now waits in memory and is tried again each second. 0: no
 * room, and the line is not kept. */
uint64_t keep_add(struct keep *keep, const char *line, size_t size);
/* The database has what this line says. 0 is fine. */
void keep_settle(struct keep *keep, uint64_t number);
/* Up to here the database has everything; what an earlier life of this worker wrote counts as such,
 * for a worker that is registered has settled it. */
uint64_t keep_settled(const struct keep *keep);
/* The number of the newest line; 0: there is none. */
uint64_t keep_newest(const struct keep *keep);

/* The database knows of lines up to `number` that are not here: the folder was lost, or moved
 * aside. The next line gets the number behind. */
void keep_skip_to(struct keep *keep, uint64_t number);

/* Begins to read what was appended behind `after` (see keep_reader_open); ended by
 * keep_reader_close. Lines that wait in memory are flushed first. */
struct keep_reader *keep_read(struct keep *keep, uint64_t after, struct error *error);

/* Where the database stood when it last answered: a line of the file's own, "here|...". */
void keep_note_place(struct keep *keep, const struct keep_place *place);
/* The newest place of all that the file and this process know; all zero: none. */
struct keep_place keep_last_place(const struct keep *keep);

#endif
