/* One file a day, or more where much is sent. */
#include "worker/flow/keep_folder.h"

#include "worker/base/log.h"
#include "worker/flow/keep_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { DAY_S = 86400 };

static bool system_error(struct error *error, const char *name)
{
    return error_set(error, EX_OSERR, "[worker] state_dir: kept/%s: %s", name, strerror(errno));
}

static uint32_t name_of_day(int64_t day)
{
    time_t at = (time_t)day * DAY_S;
    struct tm date = {0};
    (void)gmtime_r(&at, &date);
    return (uint32_t)((date.tm_year + 1900) * 10000 + (date.tm_mon + 1) * 100 + date.tm_mday);
}

static int64_t day_of_name(uint32_t name)
{
    struct tm date = {.tm_year = (int)(name / 10000) - 1900,
                      .tm_mon = (int)(name / 100 % 100) - 1,
                      .tm_mday = (int)(name % 100)};
    return (int64_t)timegm(&date) / DAY_S;
}

/* "here|SYSTEM|TIMELINE|POSITION|KEPT" (keep.c writes it). */
static void place_read(struct keep_place *place, const struct keep_line *line)
{
    static const char here[] = "here";
    char text[128];
    char *at = text + sizeof here - 1;
    uint64_t numbers[4];

    if (line->size >= sizeof text)
        return;
    memcpy(text, line->text, line->size);
    text[line->size] = '\0';
    if (strncmp(text, here, sizeof here - 1) != 0)
        return;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (*at != '|')
            return;
        numbers[i] = strtoull(at + 1, &at, 10);
    }
    *place = (struct keep_place){.system_identifier = numbers[0],
                                 .timeline = (uint32_t)numbers[1],
                                 .position = numbers[2],
                                 .kept = numbers[3]};
}

/* Reads from file `from` on, for the last number, the last place and the whole bytes of the last
 * file. */
static enum keep_reading folder_scan(struct keep_folder *folder, const struct keep_file_name *from,
                                     struct error *error)
{
    struct keep_line line;
    enum keep_reading reading;
    struct keep_reader *reader =
        keep_reader_open(folder->folder_fd, folder->owner, from->first - 1, error);
    if (reader == NULL)
        return KEEP_READING_DAMAGED;
    while ((reading = keep_reader_next(reader, &line, error)) == KEEP_READING_LINE) {
        folder->newest = line.number;
        place_read(&folder->place, &line);
    }
    folder->file_bytes = keep_reader_whole_bytes(reader);
    keep_reader_close(reader);
    return reading;
}

/* The file before may hold the last place. Damage there is found when somebody needs its lines. */
static void folder_look_back(struct keep_folder *folder, const struct keep_file_name *file)
{
    struct keep_folder before = *folder;
    struct error error;
    (void)folder_scan(&before, file, &error);
    folder->place = before.place;
}

static bool folder_resume(struct keep_folder *folder, const struct keep_file_name *file,
                          bool is_torn, struct error *error)
{
    struct stat about;
    folder->file_fd =
        openat(folder->folder_fd, file->name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    folder->file_day = day_of_name(file->day);
    if (folder->newest < file->first)
        folder->newest = file->first - 1;
    if (folder->file_fd < 0 && (errno == EROFS || errno == EACCES))
        return true; /* nothing can be appended; keep.c says so, and tries again */
    if (folder->file_fd < 0 || fstat(folder->file_fd, &about) != 0)
        return system_error(error, file->name);
    if (!is_torn)
        return true;
    LOG(LOG_LEVEL_WARNING, "keep_tail_cut", log_text("file", file->name),
        log_int("bytes", (int64_t)about.st_size - (int64_t)folder->file_bytes));
    return ftruncate(folder->file_fd, (off_t)folder->file_bytes) == 0 ||
           system_error(error, file->name);
}

static bool folder_read(struct keep_folder *folder, struct error *error)
{
    struct keep_file_name *files;
    size_t count;
    if (!keep_file_list(folder->folder_fd, &files, &count, error))
        return error_prefix(error, "[worker] state_dir");
    bool is_good = true;
    while (count > 0) {
        const struct keep_file_name *last = &files[count - 1];
        enum keep_reading reading = folder_scan(folder, last, error);
        if (reading == KEEP_READING_DAMAGED) {
            is_good = error_prefix(error, "[worker] state_dir (move the folder kept aside to go on "
                                          "without what it says)");
            break;
        }
        if (reading == KEEP_READING_END || folder->file_bytes >= KEEP_HEADER_BYTES) {
            is_good = folder_resume(folder, last, reading == KEEP_READING_TORN, error);
            if (folder->place.system_identifier == 0 && count > 1)
                folder_look_back(folder, last - 1);
            break;
        }
        /* Not even its header was written: its day begins anew. */
        if (unlinkat(folder->folder_fd, last->name, 0) != 0) {
            is_good = system_error(error, last->name);
            break;
        }
        count--;
    }
    free(files);
    return is_good;
}

bool keep_folder_open(struct keep_folder *folder, const char *state_dir, const char *owner,
                      struct error *error)
{
    *folder = (struct keep_folder){.folder_fd = -1, .file_fd = -1};
    (void)snprintf(folder->owner, sizeof folder->owner, "%s", owner);
    int directory = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory >= 0 && (mkdirat(directory, "kept", 0700) == 0 || errno == EEXIST))
        folder->folder_fd =
            openat(directory, "kept", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    bool is_open = folder->folder_fd >= 0 || system_error(error, "");
    if (directory >= 0)
        close(directory);
    is_open = is_open && folder_read(folder, error);
    if (!is_open)
        keep_folder_close(folder);
    return is_open;
}

void keep_folder_close(struct keep_folder *folder)
{
    if (folder->file_fd >= 0)
        close(folder->file_fd);
    if (folder->folder_fd >= 0)
        close(folder->folder_fd);
    folder->file_fd = -1;
    folder->folder_fd = -1;
}

/* A write that took a part is taken back, so that the next begins behind a whole entry. */
static bool append(int fd, const uint8_t *bytes, size_t size, uint64_t whole_bytes)
{
    ssize_t written = write(fd, bytes, size);
    if (written == (ssize_t)size)
        return true;
    int reason = written < 0 ? errno : ENOSPC;
    if (written > 0 && ftruncate(fd, (off_t)whole_bytes) != 0)
        reason = errno;
    errno = reason;
    return false;
}

bool keep_folder_append(struct keep_folder *folder, const uint8_t *bytes, size_t size)
{
    if (folder->file_fd < 0) {
        errno = EROFS;
        return false;
    }
    /* After a part that could not be taken back: nothing may follow it. */
    if (folder->is_ragged && ftruncate(folder->file_fd, (off_t)folder->file_bytes) != 0)
        return false;
    folder->is_ragged = true;
    if (!append(folder->file_fd, bytes, size, folder->file_bytes))
        return false;
    folder->is_ragged = false;
    folder->file_bytes += size;
    return true;
}

bool keep_folder_is_full(const struct keep_folder *folder, int64_t today)
{
    return folder->file_fd < 0 || folder->file_day < today || folder->file_bytes >= KEEP_FILE_BYTES;
}

bool keep_folder_begin_file(struct keep_folder *folder, int64_t today)
{
    struct keep_file_name file;
    uint8_t header[KEEP_HEADER_BYTES];
    int64_t day = folder->file_day > today ? folder->file_day : today;

    keep_file_name_make(&file, folder->newest + 1, name_of_day(day));
    keep_file_write_header(header, folder->owner, folder->newest + 1);
    int fd = openat(folder->folder_fd, file.name,
                    O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    if (!append(fd, header, sizeof header, 0)) {
        int reason = errno;
        (void)unlinkat(folder->folder_fd, file.name, 0);
        close(fd);
        errno = reason;
        return false;
    }
    if (folder->file_fd >= 0)
        close(folder->file_fd);
    folder->file_fd = fd;
    folder->file_bytes = sizeof header;
    folder->file_day = day;
    folder->is_ragged = false;
    return true;
}

void keep_folder_skip_to(struct keep_folder *folder, uint64_t number)
{
    if (folder->file_fd >= 0)
        close(folder->file_fd);
    folder->file_fd = -1;
    folder->newest = number;
}

unsigned keep_folder_forget(struct keep_folder *folder, int64_t today, uint32_t keep_days)
{
    struct keep_file_name *files;
    struct error error;
    size_t count;
    unsigned forgotten = 0;

    if (!keep_file_list(folder->folder_fd, &files, &count, &error)) {
        LOG(LOG_LEVEL_ERROR, "keep_unreadable", log_text("reason", error.text));
        return 0;
    }
    for (size_t i = 0; i + 1 < count && day_of_name(files[i].day) + keep_days < today; i++)
        if (unlinkat(folder->folder_fd, files[i].name, 0) == 0)
            forgotten++;
    free(files);
    return forgotten;
}
