/* A small file, whole. */
#ifndef HANDBELL_BASE_FILE_H
#define HANDBELL_BASE_FILE_H

#include "worker/base/buf.h"
#include "worker/base/error.h"

/* Appends what stands in `path` to `text`, whose ceiling is the limit. False with `error`, which
 * names the path: EX_NOINPUT, EX_IOERR, EX_CONFIG for one that is too large, EX_OSERR without
 * memory. */
bool file_read(const char *path, struct buf *text, struct error *error);

#endif
