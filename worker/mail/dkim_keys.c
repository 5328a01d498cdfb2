/* Reads the keys' folder. Must not know what is signed with them. */
#include "worker/mail/dkim_keys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

const struct setting dkim_settings[] = {
    {"dkim", "key_dir", SETTING_PATH, "", 0, 1000, "",
     "The folder of DKIM keys: DOMAIN/SELECTOR.pem (PKCS#8, RSA of 1024 to 4096 bits or Ed25519, "
     "readable by its owner alone) signs each mail from an address of DOMAIN, at most four a "
     "domain; DOMAIN/SELECTOR.pem.next is only checked. Empty: the relay signs.",
     false},
    {NULL, NULL, SETTING_TEXT, NULL, 0, 0, NULL, NULL, false},
};

struct dkim_keys {
    size_t holders;
    size_t count;
    size_t capacity;
    struct dkim_entry *entries;
};

static const char key_ending[] = ".pem";
static const char waiting_ending[] = ".pem.next";
static const char credential_start[] = "dkim_";

/* Labels of letters, digits and inner hyphens, of 1 to 63 bytes, joined by single dots: a domain
 * (RFC 1123 section 2.1) and a selector (RFC 6376 section 3.1) alike. */
static bool is_host_name(const char *name, size_t size)
{
    size_t label = 0;
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (c == '.' ? label == 0 || name[i - 1] == '-' : !is_plain && (c != '-' || label == 0))
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
    }
    return size > 0 && label > 0 && name[size - 1] != '-';
}

static bool ends_with(const char *name, const char *ending)
{
    size_t size = strlen(name);
    size_t ending_size = strlen(ending);
    return size >= ending_size && strcmp(name + size - ending_size, ending) == 0;
}

static bool is_key_name(const char *name)
{
    return name[0] != '.' && (ends_with(name, key_ending) || ends_with(name, waiting_ending));
}

/* ---- One file. ---- */

/* Whose bits count: systemd gives a credential to the service by an access list, whose mask shows
 * as the group's bits of a file that is root's. */
static mode_t forbidden_bits(const struct stat *status)
{
    bool is_roots = status->st_uid == 0 && status->st_gid == 0;
    return is_roots && (status->st_mode & S_IWGRP) == 0 ? S_IRWXO : S_IRWXG | S_IRWXO;
}

/* The size, or -1 with `error` set. */
static ssize_t file_read(int fd, char *text, size_t room, struct error *error)
{
    struct stat status;
    size_t size = 0;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        error_set(error, EX_CONFIG, "not a regular file");
        return -1;
    }
    if ((status.st_mode & forbidden_bits(&status)) != 0) {
        error_set(error, EX_CONFIG, "open to its group or to others (mode %03o): chmod 600 it",
                  (unsigned)(status.st_mode & 0777));
        return -1;
    }
    while (size < room) {
        ssize_t got = read(fd, text + size, room - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            error_set(error, EX_NOINPUT, "%s", strerror(errno));
            return -1;
        }
        if (got == 0)
            return (ssize_t)size;
        size += (size_t)got;
    }
    error_set(error, EX_CONFIG, "larger than %d bytes", DKIM_KEY_FILE_BYTES);
    return -1;
}

static struct crypto_private_key *key_read(int folder_fd, const char *name, struct error *error)
{
    struct crypto_private_key *key = NULL;
    char text[DKIM_KEY_FILE_BYTES + 1];
    int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        error_set(error, EX_NOINPUT, "%s", strerror(errno));
        return NULL;
    }
    ssize_t size = file_read(fd, text, sizeof text, error);
    if (size >= 0)
        key = crypto_private_key_parse(text, (size_t)size, error);
    crypto_wipe(text, sizeof text);
    (void)close(fd);
    return key;
}

/* ---- The domains. ---- */

static struct dkim_entry *entry_find(const struct dkim_keys *keys, const char *domain)
{
    for (size_t i = keys->count; i-- > 0;)
        if (strcasecmp(keys->entries[i].signing.name, domain) == 0)
            return &keys->entries[i];
    return NULL;
}

/* The domain's entry, new where it has none; NULL with `error`. */
static struct dkim_entry *entry_make(struct dkim_keys *keys, const char *domain,
                                     struct error *error)
{
    struct dkim_entry *entry = entry_find(keys, domain);
    if (entry != NULL)
        return entry;
    if (keys->count == DKIM_DOMAINS_MAXIMUM) {
        error_set(error, EX_CONFIG, "more than %d domains", DKIM_DOMAINS_MAXIMUM);
        return NULL;
    }
    if (keys->count == keys->capacity) {
        size_t capacity = keys->capacity > 0 ? 2 * keys->capacity : 8;
        struct dkim_entry *entries = realloc(keys->entries, capacity * sizeof *entries);
        if (entries == NULL) {
            error_set(error, EX_OSERR, "no memory");
            return NULL;
        }
        keys->entries = entries;
        keys->capacity = capacity;
    }
    entry = &keys->entries[keys->count++];
    *entry = (struct dkim_entry){0};
    for (size_t i = 0; domain[i] != '\0'; i++) {
        char c = domain[i];
        entry->signing.name[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return entry;
}

/* `file` is the name in its folder, which says whether the key waits. */
static bool key_add(struct dkim_keys *keys, const char *domain, const char *selector, int folder_fd,
                    const char *file, struct error *error)
{
    bool is_waiting = ends_with(file, waiting_ending);
    struct dkim_entry *entry = entry_make(keys, domain, error);
    if (entry == NULL)
        return false;
    size_t *count = is_waiting ? &entry->waiting_count : &entry->signing.key_count;
    size_t most = is_waiting ? DKIM_WAITING_MAXIMUM : DKIM_KEYS_MAXIMUM;
    struct dkim_key *key = is_waiting ? &entry->waiting[*count] : &entry->signing.keys[*count];
    if (*count == most)
        return error_set(error, EX_CONFIG, "more than %zu keys %s", most,
                         is_waiting ? "that wait" : "that sign");
    key->key = key_read(folder_fd, file, error);
    if (key->key == NULL)
        return false;
    memcpy(key->selector, selector, strlen(selector) + 1);
    (*count)++;
    return true;
}

/* Copies the selector out of `name` (the part before the ending). */
static bool selector_take(const char *name, char selector[DKIM_SELECTOR_BYTES], struct error *error)
{
    size_t ending = ends_with(name, key_ending) ? sizeof key_ending : sizeof waiting_ending;
    size_t size = strlen(name) - (ending - 1);
    if (size >= DKIM_SELECTOR_BYTES || !is_host_name(name, size))
        return error_set(error, EX_CONFIG,
                         "not a selector: letters, digits, hyphens and dots, below %d bytes",
                         DKIM_SELECTOR_BYTES);
    memcpy(selector, name, size);
    selector[size] = '\0';
    return true;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int is_key(const struct dirent *entry)
{
    return is_key_name(entry->d_name);
}

static bool domain_read(struct dkim_keys *keys, const char *domain, int folder_fd,
                        struct error *error)
{
    struct dirent **names = NULL;
    char selector[DKIM_SELECTOR_BYTES];
    int count = scandirat(folder_fd, ".", &names, is_key, by_name);
    bool is_read = true;
    if (count < 0)
        return error_set(error, EX_NOINPUT, "%s: %s", domain, strerror(errno));
    if (count == 0)
        is_read = error_set(error, EX_CONFIG, "%s: holds no SELECTOR.pem", domain);
    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;
        if (is_read && (!selector_take(name, selector, error) ||
                        !key_add(keys, domain, selector, folder_fd, name, error)))
            is_read = error_prefix(error, "%s/%s", domain, name);
        free(names[i]);
    }
    free(names);
    return is_read;
}

/* dkim_DOMAIN_SELECTOR.pem: neither part holds the line between them. */
static bool credential_read(struct dkim_keys *keys, int folder_fd, const char *name,
                            struct error *error)
{
    char domain[DKIM_DOMAIN_BYTES];
    char selector[DKIM_SELECTOR_BYTES];
    const char *start = name + sizeof credential_start - 1;
    const char *line = strncmp(name, credential_start, sizeof credential_start - 1) == 0
                           ? strchr(start, '_')
                           : NULL;
    size_t size = line != NULL ? (size_t)(line - start) : 0;
    if (line == NULL || size >= sizeof domain || !is_host_name(start, size))
        return error_set(error, EX_CONFIG, "%s: a key belongs in a folder named as its domain",
                         name);
    memcpy(domain, start, size);
    domain[size] = '\0';
    return (selector_take(line + 1, selector, error) &&
            key_add(keys, domain, selector, folder_fd, name, error)) ||
           error_prefix(error, "%s", name);
}

static bool name_read(struct dkim_keys *keys, int folder_fd, const char *name, struct error *error)
{
    struct stat status;
    if (fstatat(folder_fd, name, &status, 0) != 0)
        return error_set(error, EX_NOINPUT, "%s: %s", name, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return !is_key_name(name) || credential_read(keys, folder_fd, name, error);
    if (strlen(name) >= DKIM_DOMAIN_BYTES || !is_host_name(name, strlen(name)))
        return error_set(error, EX_CONFIG, "%s: a folder whose name is no domain's", name);
    int fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(error, EX_NOINPUT, "%s: %s", name, strerror(errno));
    bool is_read = domain_read(keys, name, fd, error);
    (void)close(fd);
    return is_read;
}

static bool folder_read(struct dkim_keys *keys, const char *folder, struct error *error)
{
    struct dirent **names = NULL;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int count = fd >= 0 ? scandirat(fd, ".", &names, is_visible, by_name) : -1;
    bool is_read = count >= 0 || error_set(error, EX_NOINPUT, "%s: %s", folder, strerror(errno));
    for (int i = 0; i < count; i++) {
        is_read = is_read && name_read(keys, fd, names[i]->d_name, error);
        free(names[i]);
    }
    free(names);
    if (fd >= 0)
        (void)close(fd);
    return is_read;
}

static int by_domain(const void *a, const void *b)
{
    return strcmp(((const struct dkim_entry *)a)->signing.name,
                  ((const struct dkim_entry *)b)->signing.name);
}

struct dkim_keys *dkim_keys_read(const char *folder, struct error *error)
{
    struct dkim_keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL) {
        error_set(error, EX_OSERR, "no memory");
        return NULL;
    }
    keys->holders = 1;
    if (folder[0] != '\0' && !folder_read(keys, folder, error)) {
        dkim_keys_let_go(keys);
        return NULL;
    }
    if (keys->count > 0)
        qsort(keys->entries, keys->count, sizeof keys->entries[0], by_domain);
    return keys;
}

struct dkim_keys *dkim_keys_hold(struct dkim_keys *keys)
{
    keys->holders++;
    return keys;
}

void dkim_keys_let_go(struct dkim_keys *keys)
{
    if (keys == NULL || --keys->holders > 0)
        return;
    for (size_t i = 0; i < keys->count; i++) {
        struct dkim_entry *entry = &keys->entries[i];
        for (size_t k = 0; k < entry->signing.key_count; k++)
            crypto_private_key_free(entry->signing.keys[k].key);
        for (size_t k = 0; k < entry->waiting_count; k++)
            crypto_private_key_free(entry->waiting[k].key);
    }
    free(keys->entries);
    free(keys);
}

size_t dkim_keys_count(const struct dkim_keys *keys)
{
    return keys->count;
}

const struct dkim_entry *dkim_keys_at(const struct dkim_keys *keys, size_t index)
{
    return &keys->entries[index];
}

const struct dkim_domain *dkim_keys_find(const struct dkim_keys *keys, const char *domain)
{
    size_t low = 0;
    size_t high = keys->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct dkim_domain *found = &keys->entries[middle].signing;
        int order = strcasecmp(domain, found->name);
        if (order == 0)
            return found->key_count > 0 ? found : NULL;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
