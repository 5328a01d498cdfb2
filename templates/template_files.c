/* Files and folders, and the names in them. Knows no template. */
#include "templates/template_files.h"

#include "worker/model/plain_text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* A mail is declared UTF-8, and a control in it is nobody's intent. */
static bool text_check(const char *path, const struct buf *text, struct error *error)
{
    unsigned line = 1;
    for (size_t i = 0; i < text->size;) {
        unsigned c = 0;
        size_t size = plain_text_sequence(text->data + i, text->size - i, &c);
        if (size == 0)
            return error_set(error, EX_CONFIG, "%s: line %u: is no UTF-8", path, line);
        bool is_control = (c < ' ' && c != '\n' && c != '\r' && c != '\t') || c == 0x7f;
        if (is_control)
            return error_set(error, EX_CONFIG, "%s: line %u: holds the control character %u", path,
                             line, c);
        line += c == '\n';
        i += size;
    }
    return true;
}

static bool descriptor_read(int descriptor, const char *path, size_t ceiling, struct buf *text,
                            struct error *error)
{
    struct stat status;
    char chunk[16 * 1024];
    ssize_t got = 0;
    if (fstat(descriptor, &status) != 0)
        return error_set(error, EX_IOERR, "%s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return error_set(error, EX_CONFIG, "%s: is no plain file", path);
    while ((got = read(descriptor, chunk, sizeof(chunk))) > 0 &&
           buf_append(text, chunk, (size_t)got))
        continue;
    if (got < 0)
        return error_set(error, EX_IOERR, "%s: %s", path, strerror(errno));
    if (text->is_out_of_memory)
        return error_set(error, EX_OSERR, "%s: out of memory", path);
    if (text->has_failed)
        return error_set(error, EX_CONFIG, "%s: larger than %zu bytes", path, ceiling);
    return text_check(path, text, error);
}

bool template_files_read(struct template_files *files, const char *path, size_t ceiling,
                         struct buf *text, struct error *error)
{
    buf_init(text, ceiling);
    /* Not to wait where somebody put a pipe. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return error_set(error, EX_NOINPUT, "%s: %s", path, strerror(errno));
    bool is_read = descriptor_read(descriptor, path, ceiling, text, error);
    (void)close(descriptor);
    if (is_read && text->size > files->bytes_left)
        is_read = error_set(error, EX_CONFIG, "%s: too much in one folder of templates", path);
    if (!is_read) {
        buf_free(text);
        return false;
    }
    files->bytes_left -= text->size;
    return true;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

bool template_files_walk(const char *folder,
                         bool (*each)(void *context, const char *folder, const char *name,
                                      struct error *error),
                         void *context, struct error *error)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, compare_names);
    if (count < 0)
        return error_set(error, EX_NOINPUT, "%s: %s", folder, strerror(errno));
    bool is_fine = true;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        is_fine = is_fine && (name[0] == '.' || each(context, folder, name, error));
        free(entries[i]);
    }
    free(entries);
    return is_fine;
}

bool template_path_join(char path[PATH_MAX], const char *folder, const char *name,
                        struct error *error)
{
    int size = snprintf(path, PATH_MAX, "%s/%s", folder, name);
    if (size < 0 || size >= PATH_MAX)
        return error_set(error, EX_CONFIG, "%s: path too long", folder);
    return true;
}

bool template_is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool template_is_there(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

bool template_is_name(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return size > 0;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

static size_t distance(const char *a, const char *b, size_t b_size)
{
    size_t row[TEMPLATE_NEAREST_BYTES + 1];
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b_size; j++) {
            size_t above = row[j + 1];
            row[j + 1] = smallest(above + 1, row[j] + 1, diagonal + (a[i] != b[j]));
            diagonal = above;
        }
    }
    return row[b_size];
}

void template_nearest_init(struct template_nearest *nearest, const char *written)
{
    *nearest = (struct template_nearest){.written = written, .distance = SIZE_MAX};
}

void template_nearest_compare(struct template_nearest *nearest, const char *name, size_t size,
                              const char *kept, size_t kept_size)
{
    if (size > TEMPLATE_NEAREST_BYTES || strlen(nearest->written) > TEMPLATE_NEAREST_BYTES)
        return;
    size_t far = distance(nearest->written, name, size);
    if (far >= nearest->distance)
        return;
    nearest->name = kept;
    nearest->size = kept_size;
    nearest->distance = far;
}

void template_nearest_try(struct template_nearest *nearest, const char *name)
{
    template_nearest_compare(nearest, name, strlen(name), name, strlen(name));
}

bool template_nearest_say(const struct template_nearest *nearest, struct error *error)
{
    if (nearest->name == NULL || error == NULL)
        return false;
    struct error problem = *error;
    return error_set(error, problem.exit_status, "%s; nearest is \"%.*s\"", problem.text,
                     (int)nearest->size, nearest->name);
}
