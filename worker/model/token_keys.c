/* Reads the signing keys. Knows nothing of what is signed with them. */
#include "worker/model/token_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool key_parse(const char *text, size_t size, uint8_t key[CRYPTO_KEY_BYTES])
{
    if (size != 2 * CRYPTO_KEY_BYTES)
        return false;
    for (size_t i = 0; i < CRYPTO_KEY_BYTES; i++) {
        int high = hex_value(text[2 * i]);
        int low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        key[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool line_parse(const char *name, size_t number, const char *line, size_t size,
                       struct token_keys *keys, struct error *error)
{
    while (size > 0 && is_blank(line[0])) {
        line++;
        size--;
    }
    while (size > 0 && is_blank(line[size - 1]))
        size--;
    if (size == 0 || line[0] == '#')
        return true;
    if (keys->count == TOKEN_KEYS_MAXIMUM) {
        return error_set(error, EX_CONFIG, "%s: line %zu: more than %d keys", name, number,
                         TOKEN_KEYS_MAXIMUM);
    }
    if (!key_parse(line, size, keys->keys[keys->count])) {
        return error_set(error, EX_CONFIG, "%s: line %zu: not a key of %d bytes in hex", name,
                         number, CRYPTO_KEY_BYTES);
    }
    keys->count++;
    return true;
}

bool token_keys_parse(const char *name, const char *text, size_t size, struct token_keys *keys,
                      struct error *error)
{
    keys->count = 0;
    size_t number = 1;
    for (size_t start = 0; start < size; number++) {
        const char *end = memchr(text + start, '\n', size - start);
        size_t line_size = end == NULL ? size - start : (size_t)(end - (text + start));
        if (!line_parse(name, number, text + start, line_size, keys, error)) {
            token_keys_wipe(keys);
            return false;
        }
        start += line_size + 1;
    }
    if (keys->count == 0)
        return error_set(error, EX_CONFIG, "%s: holds no key", name);
    return true;
}

/* Reads the whole file into `text`; its size, or -1 with `error` set. */
static ssize_t file_read(const char *path, char text[TOKEN_KEYS_FILE_BYTES + 1], int fd,
                         struct error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        error_set(error, EX_CONFIG, "%s: not a regular file", path);
        return -1;
    }
    if ((status.st_mode & (S_IROTH | S_IWOTH)) != 0) {
        error_set(error, EX_CONFIG, "%s: open to everybody (mode %03o): chmod o-rw it", path,
                  (unsigned)(status.st_mode & 0777));
        return -1;
    }
    size_t size = 0;
    while (size <= TOKEN_KEYS_FILE_BYTES) {
        ssize_t got = read(fd, text + size, TOKEN_KEYS_FILE_BYTES + 1 - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            error_set(error, EX_NOINPUT, "%s: %s", path, strerror(errno));
            return -1;
        }
        if (got == 0)
            return (ssize_t)size;
        size += (size_t)got;
    }
    error_set(error, EX_CONFIG, "%s: larger than %d bytes", path, TOKEN_KEYS_FILE_BYTES);
    return -1;
}

bool token_keys_read(const char *path, struct token_keys *keys, struct error *error)
{
    keys->count = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_set(error, EX_NOINPUT, "%s: %s", path, strerror(errno));
    char text[TOKEN_KEYS_FILE_BYTES + 1];
    ssize_t size = file_read(path, text, fd, error);
    bool is_read = size >= 0 && token_keys_parse(path, text, (size_t)size, keys, error);
    crypto_wipe(text, sizeof text);
    close(fd);
    return is_read;
}

void token_keys_wipe(struct token_keys *keys)
{
    crypto_wipe(keys, sizeof *keys);
}
