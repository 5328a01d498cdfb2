/* The files' form, both ways. Files are mapped to be read: none is larger than KEEP_FILE_BYTES and
 * a line. */
#include "worker/flow/keep_file.h"

#include "worker/base/crc32c.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum {
    ENTRY_MAGIC = 0x5450454b, /* "KEPT" in the file */
    OWNER_AT = 16,
    FIRST_AT = 52,
    HEADER_CRC_AT = 60,
    ENTRY_CRC_AT = 4,
    NUMBER_AT = 8,
    SIZE_AT = 16,
};

static const char header_magic[OWNER_AT + 1] = "handbell kept 1\n";

static void put_number(uint8_t *bytes, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_number(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

/* ---- Names. ---- */

void keep_file_name_make(struct keep_file_name *file, uint64_t first, uint32_t day)
{
    *file = (struct keep_file_name){.first = first, .day = day};
    (void)snprintf(file->name, sizeof file->name, "%016" PRIx64 ".%08" PRIu32, first, day);
}

bool keep_file_name_read(struct keep_file_name *file, const char *name)
{
    char *end = NULL;
    uint64_t first = strtoull(name, &end, 16);
    if (end != name + 16 || *end != '.')
        return false;
    unsigned long day = strtoul(name + 17, &end, 10);
    if (day > 99999999)
        return false;
    keep_file_name_make(file, first, (uint32_t)day);
    return strcmp(file->name, name) == 0;
}

static int is_ours(const struct dirent *entry)
{
    struct keep_file_name file;
    return keep_file_name_read(&file, entry->d_name);
}

/* By number: all are as long, and in hexadecimal. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

bool keep_file_list(int folder, struct keep_file_name **files, size_t *count, struct error *error)
{
    struct dirent **entries = NULL;
    int found = scandirat(folder, ".", &entries, is_ours, by_name);
    *count = 0;
    *files = NULL;
    if (found < 0)
        return error_set(error, EX_OSERR, "kept: %s", strerror(errno));
    if (found <= KEEP_FILES_MOST)
        *files = calloc((size_t)found + 1, sizeof **files);
    for (int i = 0; i < found; i++) {
        if (*files != NULL)
            (void)keep_file_name_read(&(*files)[(*count)++], entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (found > KEEP_FILES_MOST)
        return error_set(error, EX_DATAERR, "kept: more than %d files", KEEP_FILES_MOST);
    return *files != NULL || error_set(error, EX_OSERR, "kept: no memory");
}

/* ---- Headers and entries. ---- */

void keep_file_write_header(uint8_t bytes[KEEP_HEADER_BYTES], const char *owner, uint64_t first)
{
    memset(bytes, 0, KEEP_HEADER_BYTES);
    memcpy(bytes, header_magic, OWNER_AT);
    memcpy(bytes + OWNER_AT, owner, KEEP_OWNER_BYTES - 1);
    put_number(bytes + FIRST_AT, first, 8);
    put_number(bytes + HEADER_CRC_AT, crc32c(bytes, HEADER_CRC_AT), 4);
}

enum keep_header_state keep_file_read_header(const uint8_t *bytes, size_t size, const char *owner,
                                             uint64_t first)
{
    if (size < KEEP_HEADER_BYTES ||
        get_number(bytes + HEADER_CRC_AT, 4) != crc32c(bytes, HEADER_CRC_AT))
        return KEEP_HEADER_BROKEN;
    if (memcmp(bytes, header_magic, OWNER_AT) != 0)
        return KEEP_HEADER_UNKNOWN;
    if (owner != NULL && memcmp(bytes + OWNER_AT, owner, KEEP_OWNER_BYTES - 1) != 0)
        return KEEP_HEADER_FOREIGN;
    return get_number(bytes + FIRST_AT, 8) == first ? KEEP_HEADER_GOOD : KEEP_HEADER_BROKEN;
}

size_t keep_file_write_entry(uint8_t bytes[KEEP_ENTRY_BYTES + KEEP_LINE_BYTES], uint64_t number,
                             const char *line, size_t size)
{
    memset(bytes, 0, KEEP_ENTRY_BYTES);
    put_number(bytes, ENTRY_MAGIC, 4);
    put_number(bytes + NUMBER_AT, number, 8);
    put_number(bytes + SIZE_AT, size, 4);
    memcpy(bytes + KEEP_ENTRY_BYTES, line, size);
    put_number(bytes + ENTRY_CRC_AT, crc32c(bytes + NUMBER_AT, KEEP_ENTRY_BYTES - NUMBER_AT + size),
               4);
    return KEEP_ENTRY_BYTES + size;
}

size_t keep_file_read_entry(const uint8_t *bytes, size_t size, struct keep_line *line)
{
    if (size < KEEP_ENTRY_BYTES || get_number(bytes, 4) != ENTRY_MAGIC)
        return 0;
    size_t line_size = (size_t)get_number(bytes + SIZE_AT, 4);
    if (line_size > KEEP_LINE_BYTES || line_size > size - KEEP_ENTRY_BYTES ||
        get_number(bytes + ENTRY_CRC_AT, 4) !=
            crc32c(bytes + NUMBER_AT, KEEP_ENTRY_BYTES - NUMBER_AT + line_size))
        return 0;
    *line = (struct keep_line){.number = get_number(bytes + NUMBER_AT, 8),
                               .text = (const char *)bytes + KEEP_ENTRY_BYTES,
                               .size = line_size};
    return KEEP_ENTRY_BYTES + line_size;
}

size_t keep_file_find_entry(const uint8_t *bytes, size_t size, struct keep_line *line)
{
    static const uint8_t magic[4] = {'K', 'E', 'P', 'T'};
    const uint8_t *at = bytes, *end = bytes + size;
    while (at < end && (at = memmem(at, (size_t)(end - at), magic, sizeof magic)) != NULL) {
        if (keep_file_read_entry(at, (size_t)(end - at), line) > 0)
            return (size_t)(at - bytes);
        at++;
    }
    return size;
}
