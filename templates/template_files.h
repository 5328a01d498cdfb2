/* Reading folders of templates: bounded, in one order on every machine, and never waiting for what
 * is no plain file. For the files of this folder alone. */
#ifndef HANDBELL_TEMPLATES_TEMPLATE_FILES_H
#define HANDBELL_TEMPLATES_TEMPLATE_FILES_H

#include "worker/base/arena.h"
#include "worker/base/buf.h"
#include "worker/base/error.h"

#include <limits.h>

/* Where files are read to, and how many bytes may still come. */
struct template_files {
    struct arena *arena;
    size_t bytes_left;
};

/* Reads `path` whole into `text`, which the caller frees: a plain file of UTF-8 without controls
 * but TAB, CR and LF, of at most `ceiling` bytes. False with `error` naming path and line, and
 * nothing to free. */
bool template_files_read(struct template_files *files, const char *path, size_t ceiling,
                         struct buf *text, struct error *error);

/* Calls `each` for the entries of `folder` in alphabetical order, so that errors are the same on
 * every machine; those that start with '.' are passed over. Ends with the first that answers false.
 */
bool template_files_walk(const char *folder,
                         bool (*each)(void *context, const char *folder, const char *name,
                                      struct error *error),
                         void *context, struct error *error);

/* False with `error` when it does not fit. */
bool template_path_join(char path[PATH_MAX], const char *folder, const char *name,
                        struct error *error);
bool template_is_folder(const char *path);
bool template_is_there(const char *path);

/* Whether it is of a-z, 0-9 and '_', as names of kinds, partials and words are. */
bool template_is_name(const char *name, size_t size);

/* The name that is nearest to what was written, among those that were put before it: Levenshtein's
 * distance. `written` has at most TEMPLATE_NEAREST_BYTES, or nothing is near. */
enum { TEMPLATE_NEAREST_BYTES = 255 };

struct template_nearest {
    const char *written;
    const char *name; /* NULL: none so far */
    size_t size;      /* of `name` */
    size_t distance;
};

void template_nearest_init(struct template_nearest *nearest, const char *written);
/* Compares with the `size` bytes at `name`; where these are the nearest so far, keeps the first
 * `kept_size` bytes of `kept`. */
void template_nearest_compare(struct template_nearest *nearest, const char *name, size_t size,
                              const char *kept, size_t kept_size);
void template_nearest_try(struct template_nearest *nearest, const char *name);
/* Adds "; nearest is "NAME"" to the error, where there is one. Returns false. */
bool template_nearest_say(const struct template_nearest *nearest, struct error *error);

#endif
