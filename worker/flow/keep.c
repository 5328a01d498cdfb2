/* Numbers, what waits for the disk, and what the database does not have yet. */
#include "worker/flow/keep.h"

#include "worker/base/buf.h"
#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/flow/keep_folder.h"
#include "worker/io/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    DAY_S = 86400,
    /* Messages on their way to the relay when there is no room any more still find some. */
    OPEN_RESERVE = 4096,
};

/* What the thread pool flushes; it has descriptors of its own, for the file may change meanwhile.
 */
struct keep_sync {
    struct keep *keep; /* NULL: it is gone */
    int file_fd;
    int folder_fd;
    int reason; /* 0: flushed */
};

struct keep {
    struct loop *loop;
    struct loop_timer *timer;
    struct keep_folder folder;
    uint32_t keep_days;
    struct buf waiting; /* entries that the disk did not take */
    uint64_t newest;    /* with what waits */
    uint64_t settled;
    bool is_waiting_said;
    bool is_dirty;
    struct keep_sync *sync; /* under way */
    struct keep_place place;
    uint8_t is_settled[KEEP_OPEN_MOST]; /* by number, round and round; behind `settled` alone */
};

static int64_t today(void)
{
    return clock_unix_seconds() / DAY_S;
}

/* ---- To the disk. ---- */

static void keep_say_waiting(struct keep *keep, int reason)
{
    if (keep->is_waiting_said)
        return;
    keep->is_waiting_said = true;
    LOG(LOG_LEVEL_ERROR, "keep_waits", log_text("what", "state_dir/kept cannot be written"),
        log_text("reason", strerror(reason)),
        log_text("then", "when too much waits no mail begins until it can"));
}

/* The day before the last decides what is old: a clock that jumps far ahead deletes nothing the
 * first time. */
static bool keep_begin_file(struct keep *keep)
{
    int64_t before = keep->folder.file_fd >= 0 ? keep->folder.file_day : 0;
    int64_t now = today();
    if (!keep_folder_begin_file(&keep->folder, now))
        return false;
    unsigned forgotten =
        keep_folder_forget(&keep->folder, before < now ? before : now, keep->keep_days);
    LOG(LOG_LEVEL_INFO, "keep_file_begun", log_int("forgotten", (int64_t)forgotten));
    return true;
}

/* True: nothing waits any more. */
static bool keep_write(struct keep *keep, const uint8_t *bytes, size_t size, uint64_t count)
{
    if (keep_folder_is_full(&keep->folder, today()) && !keep_begin_file(keep) &&
        keep->folder.file_fd < 0)
        return false;
    if (!keep_folder_append(&keep->folder, bytes, size))
        return false;
    keep->folder.newest += count;
    keep->is_dirty = true;
    return true;
}

static bool keep_flush(struct keep *keep)
{
    if (keep->waiting.size == 0)
        return true;
    if (!keep_write(keep, (const uint8_t *)keep->waiting.data, keep->waiting.size,
                    keep->newest - keep->folder.newest)) {
        keep_say_waiting(keep, errno);
        return false;
    }
    buf_reset(&keep->waiting);
    keep->is_waiting_said = false;
    LOG(LOG_LEVEL_WARNING, "keep_goes_on", log_int("newest", (int64_t)keep->newest));
    return true;
}

static void sync_run(void *context)
{
    struct keep_sync *sync = context;
    if (fdatasync(sync->file_fd) != 0 || fsync(sync->folder_fd) != 0)
        sync->reason = errno;
}

static void sync_free(struct keep_sync *sync)
{
    if (sync->file_fd >= 0)
        close(sync->file_fd);
    if (sync->folder_fd >= 0)
        close(sync->folder_fd);
    free(sync);
}

static void on_synced(void *context)
{
    struct keep_sync *sync = context;
    if (sync->reason != 0)
        LOG(LOG_LEVEL_ERROR, "keep_not_flushed", log_text("reason", strerror(sync->reason)));
    if (sync->keep != NULL)
        sync->keep->sync = NULL;
    sync_free(sync);
}

static void keep_sync_begin(struct keep *keep)
{
    if (!keep->is_dirty || keep->sync != NULL || keep->folder.file_fd < 0)
        return;
    struct keep_sync *sync = calloc(1, sizeof *sync);
    if (sync == NULL)
        return;
    sync->file_fd = fcntl(keep->folder.file_fd, F_DUPFD_CLOEXEC, 3);
    sync->folder_fd = fcntl(keep->folder.folder_fd, F_DUPFD_CLOEXEC, 3);
    sync->keep = keep;
    if (sync->file_fd < 0 || sync->folder_fd < 0 ||
        !loop_work(keep->loop, sync_run, on_synced, sync)) {
        sync_free(sync); /* without descriptors or memory: half a second later */
        return;
    }
    keep->sync = sync;
    keep->is_dirty = false;
}

static void on_time(void *context)
{
    struct keep *keep = context;
    bool is_written = keep_flush(keep);
    keep_sync_begin(keep);
    loop_timer_start(keep->timer, is_written ? KEEP_SYNC_MS : KEEP_RETRY_MS);
}

/* ---- Lines, and what the database has of them. ---- */

bool keep_has_room(const struct keep *keep)
{
    return keep->waiting.size < KEEP_WAITING_BYTES / 2 &&
           keep->newest - keep->settled < KEEP_OPEN_MOST - OPEN_RESERVE;
}

uint64_t keep_add(struct keep *keep, const char *line, size_t size)
{
    uint8_t bytes[KEEP_ENTRY_BYTES + KEEP_LINE_BYTES];
    if (size > KEEP_LINE_BYTES || keep->newest - keep->settled >= KEEP_OPEN_MOST)
        return 0;
    size = keep_file_write_entry(bytes, keep->newest + 1, line, size);
    if (keep->waiting.size > 0 || !keep_write(keep, bytes, size, 1)) {
        int reason = errno;
        if (!buf_append(&keep->waiting, bytes, size)) {
            keep->waiting.has_failed = false;
            return 0;
        }
        keep_say_waiting(keep, reason);
    }
    keep->newest++;
    keep->is_settled[keep->newest % KEEP_OPEN_MOST] = 0;
    return keep->newest;
}

void keep_settle(struct keep *keep, uint64_t number)
{
    if (number <= keep->settled || number > keep->newest)
        return;
    keep->is_settled[number % KEEP_OPEN_MOST] = 1;
    while (keep->settled < keep->newest &&
           keep->is_settled[(keep->settled + 1) % KEEP_OPEN_MOST] != 0)
        keep->settled++;
}

uint64_t keep_settled(const struct keep *keep)
{
    return keep->settled;
}

uint64_t keep_newest(const struct keep *keep)
{
    return keep->newest;
}

void keep_skip_to(struct keep *keep, uint64_t number)
{
    if (number <= keep->newest || !keep_flush(keep))
        return;
    keep->newest = keep->settled = number;
    keep_folder_skip_to(&keep->folder, number);
}

struct keep_reader *keep_read(struct keep *keep, uint64_t after, struct error *error)
{
    if (!keep_flush(keep)) {
        error_set(error, EX_TEMPFAIL, "[worker] state_dir: kept cannot be written");
        return NULL;
    }
    return keep_reader_open(keep->folder.folder_fd, keep->folder.owner, after, error);
}

/* ---- Places. ---- */

static void keep_write_place(struct keep *keep)
{
    char line[128];
    if (keep->place.system_identifier == 0)
        return;
    int size = snprintf(line, sizeof line, "here|%" PRIu64 "|%" PRIu32 "|%" PRIu64 "|%" PRIu64,
                        keep->place.system_identifier, keep->place.timeline, keep->place.position,
                        keep->place.kept);
    keep_settle(keep, keep_add(keep, line, (size_t)size));
}

void keep_note_place(struct keep *keep, const struct keep_place *place)
{
    keep->place = *place;
    keep_write_place(keep);
}

struct keep_place keep_last_place(const struct keep *keep)
{
    return keep->place;
}

/* ---- */

struct keep *keep_open(struct loop *loop, const char *state_dir, const char *owner,
                       uint32_t keep_days, struct error *error)
{
    struct keep *keep = calloc(1, sizeof *keep);
    if (keep == NULL) {
        error_set(error, EX_OSERR, "no memory");
        return NULL;
    }
    keep->loop = loop;
    keep->keep_days = keep_days;
    keep->folder = (struct keep_folder){.folder_fd = -1, .file_fd = -1};
    buf_init(&keep->waiting, KEEP_WAITING_BYTES);
    keep->timer = loop_timer_new(loop, on_time, keep);
    if (keep->timer == NULL)
        error_set(error, EX_OSERR, "no memory");
    if (keep->timer == NULL || !keep_folder_open(&keep->folder, state_dir, owner, error)) {
        loop_timer_free(keep->timer);
        free(keep);
        return NULL;
    }
    keep->newest = keep->settled = keep->folder.newest;
    keep->place = keep->folder.place;
    loop_timer_start(keep->timer, KEEP_SYNC_MS);
    return keep;
}

void keep_close(struct keep *keep)
{
    if (keep == NULL)
        return;
    if (keep_flush(keep) && keep->folder.file_fd >= 0 && fdatasync(keep->folder.file_fd) != 0)
        LOG(LOG_LEVEL_ERROR, "keep_not_flushed", log_text("reason", strerror(errno)));
    if (keep->sync != NULL)
        keep->sync->keep = NULL;
    loop_timer_free(keep->timer);
    keep_folder_close(&keep->folder);
    buf_free(&keep->waiting);
    free(keep);
}

void keep_set_days(struct keep *keep, uint32_t keep_days)
{
    keep->keep_days = keep_days;
}
