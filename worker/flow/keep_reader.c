/* One file after the other is mapped and walked through. */
#include "worker/flow/keep_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

struct keep_reader {
    int folder;
    char owner[KEEP_OWNER_BYTES]; /* "": whoever's */
    struct keep_file_name *files;
    size_t file_count;
    size_t file_at; /* the file that is mapped, or is next to be */
    uint8_t *bytes; /* NULL: none is mapped */
    size_t size;
    size_t at;
    uint64_t after;
    uint64_t next; /* the number that must come; 0: whichever */
};

static void reader_unmap(struct keep_reader *reader)
{
    if (reader->bytes != NULL)
        (void)munmap(reader->bytes, reader->size);
    reader->bytes = NULL;
    reader->size = 0;
}

static bool reader_rewind(struct keep_reader *reader)
{
    if (reader->file_count > 0)
        reader->next = reader->files[reader->file_at].first;
    return true;
}

/* The last file that begins at `after` + 1 or before. */
static bool reader_find_start(struct keep_reader *reader, struct error *error)
{
    while (reader->file_at + 1 < reader->file_count &&
           reader->files[reader->file_at + 1].first <= reader->after + 1)
        reader->file_at++;
    if (reader->file_count > 0 && reader->files[reader->file_at].first > reader->after + 1)
        return error_set(error, EX_DATAERR,
                         "kept: what was written behind entry %llu is deleted already (the oldest "
                         "is %llu)",
                         (unsigned long long)reader->after,
                         (unsigned long long)reader->files[reader->file_at].first);
    return reader_rewind(reader);
}

struct keep_reader *keep_reader_open(int folder, const char *owner, uint64_t after,
                                     struct error *error)
{
    struct keep_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        error_set(error, EX_OSERR, "kept: no memory");
        return NULL;
    }
    reader->folder = folder;
    reader->after = after != KEEP_READER_ALL ? after : 0;
    if (owner != NULL)
        memcpy(reader->owner, owner, KEEP_OWNER_BYTES - 1);
    if (keep_file_list(folder, &reader->files, &reader->file_count, error)) {
        if (after != KEEP_READER_ALL ? reader_find_start(reader, error) : reader_rewind(reader))
            return reader;
    }
    keep_reader_close(reader);
    return NULL;
}

void keep_reader_close(struct keep_reader *reader)
{
    if (reader == NULL)
        return;
    reader_unmap(reader);
    free(reader->files);
    free(reader);
}

const char *keep_reader_file(const struct keep_reader *reader)
{
    return reader->file_at < reader->file_count ? reader->files[reader->file_at].name : "";
}

uint64_t keep_reader_whole_bytes(const struct keep_reader *reader)
{
    return reader->at;
}

static enum keep_reading reader_fail(const struct keep_reader *reader, struct error *error,
                                     int exit_status, const char *what)
{
    error_set(error, exit_status, "kept/%s, byte %zu: %s", keep_reader_file(reader), reader->at,
              what);
    return KEEP_READING_DAMAGED;
}

/* Maps the file at hand; an empty one stays unmapped, with size 0. */
static bool reader_map(struct keep_reader *reader)
{
    struct stat about;
    int fd = openat(reader->folder, keep_reader_file(reader), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool is_mapped = fd >= 0 && fstat(fd, &about) == 0;
    reader->at = 0;
    if (is_mapped && about.st_size > 0) {
        reader->bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        is_mapped = reader->bytes != MAP_FAILED;
        if (!is_mapped)
            reader->bytes = NULL;
        reader->size = is_mapped ? (size_t)about.st_size : 0;
    }
    int reason = errno;
    if (fd >= 0)
        close(fd);
    errno = reason;
    return is_mapped;
}

static enum keep_reading reader_begin_file(struct keep_reader *reader, struct error *error)
{
    bool is_last = reader->file_at + 1 == reader->file_count;
    uint64_t first = reader->files[reader->file_at].first;

    if (!reader_map(reader))
        return reader_fail(reader, error, EX_OSERR, strerror(errno));
    switch (keep_file_read_header(reader->bytes, reader->size,
                                  reader->owner[0] != '\0' ? reader->owner : NULL, first)) {
    case KEEP_HEADER_BROKEN:
        if (is_last && reader->size <= KEEP_HEADER_BYTES)
            return KEEP_READING_TORN;
        return reader_fail(reader, error, EX_DATAERR, "the header is damaged");
    case KEEP_HEADER_UNKNOWN:
        return reader_fail(reader, error, EX_CONFIG, "of another version of Handbell");
    case KEEP_HEADER_FOREIGN:
        return reader_fail(reader, error, EX_CONFIG,
                           "of another worker: each has its own state directory, and none is a "
                           "copy of another's; move the folder kept aside to begin anew");
    case KEEP_HEADER_GOOD:
        break;
    }
    reader->at = KEEP_HEADER_BYTES;
    if (first != reader->next)
        return reader_fail(reader, error, EX_DATAERR, "entries before this file are missing");
    return KEEP_READING_LINE;
}

static enum keep_reading reader_take(struct keep_reader *reader, struct keep_line *line,
                                     struct error *error)
{
    const uint8_t *bytes = reader->bytes + reader->at;
    size_t left = reader->size - reader->at;
    bool is_last = reader->file_at + 1 == reader->file_count;
    size_t size = keep_file_read_entry(bytes, left, line);

    if (size == 0 && is_last && keep_file_find_entry(bytes, left, line) == left)
        return KEEP_READING_TORN;
    if (size == 0)
        return reader_fail(reader, error, EX_DATAERR, "an entry is damaged");
    if (line->number != reader->next)
        return reader_fail(reader, error, EX_DATAERR, "an entry is missing");
    reader->at += size;
    reader->next++;
    return KEEP_READING_LINE;
}

enum keep_reading keep_reader_next(struct keep_reader *reader, struct keep_line *line,
                                   struct error *error)
{
    while (reader->file_at < reader->file_count) {
        enum keep_reading reading = KEEP_READING_LINE;
        if (reader->bytes == NULL)
            reading = reader_begin_file(reader, error);
        else if (reader->at < reader->size)
            reading = reader_take(reader, line, error);
        else if (reader->file_at + 1 == reader->file_count)
            return KEEP_READING_END;
        else {
            reader_unmap(reader);
            reader->file_at++;
            continue;
        }
        if (reading != KEEP_READING_LINE)
            return reading;
        if (reader->at > KEEP_HEADER_BYTES && reader->next - 1 > reader->after)
            return KEEP_READING_LINE;
    }
    return KEEP_READING_END;
}

bool keep_reader_skip(struct keep_reader *reader)
{
    struct keep_line line;
    size_t left = reader->size - reader->at;
    size_t skipped = reader->bytes != NULL
                         ? keep_file_find_entry(reader->bytes + reader->at, left, &line)
                         : left;

    if (skipped < left) {
        reader->at += skipped;
        reader->next = line.number;
        return true;
    }
    reader_unmap(reader);
    reader->at = 0;
    return ++reader->file_at < reader->file_count && reader_rewind(reader);
}
