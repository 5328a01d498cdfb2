/* The journal's files on the disk. */
#include "worker/flow/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum { NAME_BYTES = 16, CHUNK_RECORDS = 1024 };

static const char new_name[] = "journal.new";

static const char *slot_name(unsigned slot, char name[NAME_BYTES])
{
    (void)snprintf(name, NAME_BYTES, "journal.%u", slot);
    return name;
}

/* ---- Reading. ---- */

/* All of `size`, less at the file's end. -1 with errno. */
static ssize_t read_whole(int fd, uint64_t at, void *bytes, size_t size)
{
    size_t used = 0;
    while (used < size) {
        ssize_t got = pread(fd, (char *)bytes + used, size - used, (off_t)(at + used));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    return (ssize_t)used;
}

/* How reading goes on: `end_at` is behind the last record that is not empty, and `torn_at` (0:
 * none) where one was begun that nothing follows yet. */
struct walk {
    const struct journal_file_reading *reading;
    struct journal_file *file;
    uint64_t at;
    uint64_t end_at;
    uint64_t torn_at;
};

static void walk_damage(struct walk *walk)
{
    walk->file->damaged++;
    walk->reading->on_record(walk->reading->context, NULL);
}

static void walk_take(struct walk *walk, const uint8_t bytes[JOURNAL_RECORD_BYTES])
{
    struct journal_record record;
    enum journal_reading found = journal_record_read(bytes, &record);

    if (found == JOURNAL_READING_EMPTY) {
        walk->at += JOURNAL_RECORD_BYTES;
        return;
    }
    /* What was torn, or never came, is an end only while nothing stands behind it. */
    if (walk->torn_at != 0 || walk->at != walk->end_at)
        walk_damage(walk);
    walk->torn_at = found == JOURNAL_READING_TORN ? walk->at : 0;
    if (found == JOURNAL_READING_DAMAGED)
        walk_damage(walk);
    else if (found == JOURNAL_READING_WHOLE)
        walk->reading->on_record(walk->reading->context, &record);
    walk->at += JOURNAL_RECORD_BYTES;
    walk->end_at = walk->at;
}

static bool walk_records(int fd, const struct journal_file_reading *reading,
                         struct journal_file *file)
{
    struct walk walk = {.reading = reading,
                        .file = file,
                        .at = JOURNAL_HEADER_BYTES,
                        .end_at = JOURNAL_HEADER_BYTES};
    uint8_t chunk[CHUNK_RECORDS * JOURNAL_RECORD_BYTES];

    while (walk.at < file->size_bytes) {
        ssize_t size = read_whole(fd, walk.at, chunk, sizeof chunk);
        if (size < 0)
            return false;
        if (size == 0)
            break;
        /* A file that was cut short may end within a record. */
        memset(chunk + size, 0, sizeof chunk - (size_t)size);
        for (size_t i = 0; i < (size_t)size; i += JOURNAL_RECORD_BYTES)
            walk_take(&walk, chunk + i);
    }
    file->torn = walk.torn_at != 0;
    file->used_bytes = walk.torn_at != 0 ? walk.torn_at : walk.end_at;
    if (file->size_bytes < file->header.size_bytes) /* its end is gone, records or not */
        walk_damage(&walk);
    return true;
}

static bool file_error(const struct journal_file_reading *reading, struct error *error, int status,
                       const char *what)
{
    return error_set(error, status, "[worker] state_dir: %s/journal.%u: %s", reading->path,
                     reading->slot, what);
}

static bool read_header(int fd, const struct journal_file_reading *reading,
                        struct journal_file *file, struct error *error)
{
    static const char way_out[] =
        "; move it away, and what this worker was sending counts as in doubt";
    uint8_t bytes[JOURNAL_HEADER_BYTES] = {0};
    struct stat status;
    char what[160];

    if (read_whole(fd, 0, bytes, sizeof bytes) < 0 || fstat(fd, &status) != 0)
        return file_error(reading, error, EX_OSERR, strerror(errno));
    const char *problem = NULL;
    switch (journal_header_read(bytes, &file->header)) {
    case JOURNAL_HEADER_NO_JOURNAL:
        problem = "is no journal of Handbell";
        break;
    case JOURNAL_HEADER_OTHER_VERSION:
        problem = "was written by another version of Handbell";
        break;
    case JOURNAL_HEADER_DAMAGED:
        file->state = JOURNAL_FILE_DAMAGED;
        return true;
    case JOURNAL_HEADER_WHOLE:
        if (!journal_uuid_equal(&file->header.owner, reading->owner))
            problem = "belongs to another worker than the one that 'owner' names";
        break;
    }
    if (problem != NULL) {
        (void)snprintf(what, sizeof what, "%s%s", problem, way_out);
        return file_error(reading, error, EX_CONFIG, what);
    }
    file->state = JOURNAL_FILE_WHOLE;
    file->size_bytes = (uint64_t)status.st_size;
    file->is_copy = file->header.inode != (uint64_t)status.st_ino;
    return true;
}

bool journal_file_read(const struct journal_file_reading *reading, struct journal_file *file,
                       struct error *error)
{
    char name[NAME_BYTES];

    *file = (struct journal_file){.state = JOURNAL_FILE_MISSING};
    int fd = openat(reading->directory, slot_name(reading->slot, name),
                    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return true;
    if (fd < 0)
        return file_error(reading, error, EX_OSERR, strerror(errno));
    bool is_read = read_header(fd, reading, file, error);
    if (is_read && file->state == JOURNAL_FILE_WHOLE) {
        if (reading->on_header != NULL)
            reading->on_header(reading->context, file);
        if (reading->on_record != NULL && !walk_records(fd, reading, file))
            is_read = file_error(reading, error, EX_OSERR, strerror(errno));
    }
    close(fd);
    return is_read;
}

/* ---- Writing. ---- */

bool journal_file_write(int fd, uint64_t at, const void *bytes, size_t size)
{
    const char *from = bytes;
    while (size > 0) {
        ssize_t written = pwrite(fd, from, size, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            errno = written == 0 ? ENOSPC : errno;
            return false;
        }
        from += written;
        at += (uint64_t)written;
        size -= (size_t)written;
    }
    return true;
}

static bool set_aside(int fd, uint64_t size_bytes)
{
    int problem;
    do
        problem = posix_fallocate(fd, 0, (off_t)size_bytes);
    while (problem == EINTR);
    errno = problem;
    return problem == 0;
}

int journal_file_make(int directory, struct journal_header *header)
{
    uint8_t bytes[JOURNAL_HEADER_BYTES];
    struct stat status;

    /* What a former try has left is another file: its space must not count as ours. */
    if (unlinkat(directory, new_name, 0) != 0 && errno != ENOENT)
        return -1;
    int fd = openat(directory, new_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    if (fstat(fd, &status) == 0 && set_aside(fd, header->size_bytes)) {
        header->inode = (uint64_t)status.st_ino;
        journal_header_write(header, bytes);
        if (journal_file_write(fd, 0, bytes, sizeof bytes))
            return fd;
    }
    int problem = errno;
    close(fd);
    (void)unlinkat(directory, new_name, 0);
    errno = problem;
    return -1;
}

bool journal_file_publish(int directory, int fd, unsigned slot, bool is_synced)
{
    char name[NAME_BYTES];
    if (is_synced && fdatasync(fd) != 0)
        return false;
    if (renameat(directory, new_name, directory, slot_name(slot, name)) != 0)
        return false;
    return !is_synced || fsync(directory) == 0;
}

int journal_file_open(int directory, unsigned slot)
{
    char name[NAME_BYTES];
    return openat(directory, slot_name(slot, name), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
}
