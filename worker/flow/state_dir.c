/* The state directory: a lock and a name. */
#include "worker/flow/state_dir.h"

#include "worker/base/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static bool system_error(struct error *error, const char *path, const char *name)
{
    return error_set(error, EX_OSERR, "[worker] state_dir: %s%s%s: %s", path, *name ? "/" : "",
                     name, strerror(errno));
}

static bool is_uuid(const char *text, size_t size)
{
    if (size != STATE_DIR_OWNER_BYTES - 1)
        return false;
    for (size_t i = 0; i < size; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash ? text[i] != '-' : strchr("0123456789abcdef", text[i]) == NULL)
            return false;
    }
    return true;
}

/* RFC 4122 section 4.4: version 4, variant 1. */
static bool owner_invent(char owner[STATE_DIR_OWNER_BYTES])
{
    uint8_t bytes[16];
    if (!crypto_random(bytes, sizeof bytes))
        return false;
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    char *out = owner;
    for (size_t i = 0; i < sizeof bytes; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        out += snprintf(out, 3, "%02x", bytes[i]);
    }
    return true;
}

static bool write_all(int fd, const char *text, size_t size)
{
    return write(fd, text, size) == (ssize_t)size && write(fd, "\n", 1) == 1 && fsync(fd) == 0;
}

/* Written aside and renamed: a half-written name would make this worker a stranger to its own
 * messages. */
static bool owner_write(int directory, const char *owner)
{
    int fd =
        openat(directory, "owner.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    bool is_written = write_all(fd, owner, strlen(owner));
    if (close(fd) != 0 || !is_written)
        return false;
    return renameat(directory, "owner.new", directory, "owner") == 0 && fsync(directory) == 0;
}

static bool owner_read(struct state_dir *state, int directory, const char *path,
                       struct error *error)
{
    int fd = openat(directory, "owner", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        if (!owner_invent(state->owner) || !owner_write(directory, state->owner))
            return system_error(error, path, "owner");
        state->is_new_owner = true;
        return true;
    }
    if (fd < 0)
        return system_error(error, path, "owner");
    char text[STATE_DIR_OWNER_BYTES + 1];
    ssize_t size = read(fd, text, sizeof text);
    close(fd);
    if (size > 0 && text[size - 1] == '\n')
        size--;
    if (size < 0 || !is_uuid(text, (size_t)size))
        return error_set(error, EX_CONFIG,
                         "[worker] state_dir: %s/owner holds no uuid; remove it to become a new "
                         "worker",
                         path);
    memcpy(state->owner, text, STATE_DIR_OWNER_BYTES - 1);
    state->owner[STATE_DIR_OWNER_BYTES - 1] = '\0';
    return true;
}

static bool lock_take(struct state_dir *state, int directory, const char *path, struct error *error)
{
    state->lock_fd = openat(directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (state->lock_fd < 0)
        return system_error(error, path, "lock");
    if (flock(state->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno == EWOULDBLOCK)
        return error_set(error, EX_TEMPFAIL,
                         "[worker] state_dir: %s is in use by another process; each worker needs "
                         "its own",
                         path);
    return system_error(error, path, "lock");
}

bool state_dir_open(struct state_dir *state, const char *path, struct error *error)
{
    *state = (struct state_dir){.lock_fd = -1};
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return system_error(error, path, "");
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return system_error(error, path, "");
    bool is_open =
        lock_take(state, directory, path, error) && owner_read(state, directory, path, error);
    close(directory);
    if (!is_open)
        state_dir_close(state);
    return is_open;
}

void state_dir_close(struct state_dir *state)
{
    if (state->lock_fd >= 0)
        close(state->lock_fd);
    state->lock_fd = -1;
}
