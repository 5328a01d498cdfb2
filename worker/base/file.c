/* A small file, whole. */
#include "worker/base/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

enum { CHUNK_BYTES = 4096 };

bool file_read(const char *path, struct buf *text, struct error *error)
{
    char chunk[CHUNK_BYTES];
    size_t got = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set(error, EX_NOINPUT, "%s: %s", path, strerror(errno));
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0 && buf_append(text, chunk, got))
        continue;
    bool is_broken = ferror(file) != 0;
    (void)fclose(file);
    if (is_broken)
        return error_set(error, EX_IOERR, "%s: cannot be read", path);
    if (text->is_out_of_memory)
        return error_set(error, EX_OSERR, "%s: out of memory", path);
    if (text->has_failed)
        return error_set(error, EX_CONFIG, "%s: larger than %zu bytes", path, text->ceiling);
    return true;
}
