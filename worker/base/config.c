/* Reads settings: the INI file by libinih (named here alone), then the environment, each against
 * the modules' tables. Knows no setting by name. */
#include "worker/base/config.h"

#include "worker/base/config_value.h"
#include "worker/base/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { LINE_BYTES = 4096, FILE_LINES = 10000, VARIABLE_BYTES = 128 };

/* What one pass over the file carries along; inih hands it to the reader and to the handler. */
struct config_reading {
    struct config *config;
    struct error *error;
    FILE *stream;
    const char *path;
    int line;
    bool has_failed;
};

static struct config_entry *find_entry(const struct config *config, const char *section,
                                       const char *key)
{
    for (size_t i = 0; i < config->entry_count; i++) {
        const struct setting *setting = config->entries[i].setting;
        if (strcmp(setting->section, section) == 0 && strcmp(setting->key, key) == 0)
            return &config->entries[i];
    }
    return NULL;
}

static bool has_section(const struct config *config, const char *section)
{
    for (size_t i = 0; i < config->entry_count; i++) {
        if (strcmp(config->entries[i].setting->section, section) == 0)
            return true;
    }
    return false;
}

static int fail_line(struct config_reading *reading, const char *reason)
{
    if (!reading->has_failed)
        error_set(reading->error, EX_CONFIG, "%s:%d: %s", reading->path, reading->line, reason);
    reading->has_failed = true;
    return 0;
}

/* Gives inih one line, as fgets would, and counts it. */
static char *read_line(char *line, int size, void *context)
{
    struct config_reading *reading = context;
    int used = 0;
    int c = EOF;
    if (reading->has_failed)
        return NULL;
    reading->line++;
    while (used < size - 1 && (c = getc(reading->stream)) != EOF) {
        if (c == '\0') {
            fail_line(reading, "a NUL byte; settings are text");
            return NULL;
        }
        line[used++] = (char)c;
        if (c == '\n')
            break;
    }
    line[used] = '\0';
    if (used == 0)
        return NULL;
    if (c != '\n' && c != EOF) {
        fail_line(reading, "line longer than 4096 bytes");
        return NULL;
    }
    if (reading->line > FILE_LINES) {
        fail_line(reading, "more than 10000 lines");
        return NULL;
    }
    return line;
}

static int accept_pair(void *context, const char *section, const char *key, const char *value)
{
    struct config_reading *reading = context;
    if (reading->has_failed)
        return 0;
    struct config_entry *entry = find_entry(reading->config, section, key);
    if (!entry) {
        char reason[256];
        const char *what = has_section(reading->config, section) ? "key" : "section";
        (void)snprintf(reason, sizeof(reason), "unknown %s in [%.80s] %.80s", what, section, key);
        return fail_line(reading, reason);
    }
    if (entry->line > 0) {
        reading->has_failed = true;
        error_set(reading->error, EX_CONFIG, "%s:%d: [%s] %s: set twice, first on line %d",
                  reading->path, reading->line, section, key, entry->line);
        return 0;
    }
    struct error problem = {0};
    if (!config_entry_put(entry, value ? value : "", CONFIG_FROM_FILE, &problem)) {
        reading->has_failed = true;
        error_set(reading->error, problem.exit_status, "%s:%d: %s", reading->path, reading->line,
                  problem.text);
        return 0;
    }
    entry->line = reading->line;
    return 1;
}

static bool read_file(struct config *config, const char *path, struct error *error)
{
    FILE *stream = fopen(path, "re");
    if (!stream)
        return error_set(error, EX_NOINPUT, "%s: %s", path, strerror(errno));

    /* Debian's libinih takes at run time what others fix when it is built. A value is what stands
     * behind the '=', whole: neither the next line nor half of it as a comment. */
    ini_use_stack = false;
    ini_initial_alloc = LINE_BYTES + 2;
    ini_max_line = LINE_BYTES + 2;
    ini_allow_multiline = false;
    ini_allow_inline_comments = false;
    ini_stop_on_first_error = true;

    struct config_reading reading = {
        .config = config, .error = error, .stream = stream, .path = path};
    int status = ini_parse_stream(read_line, &reading, accept_pair, &reading);
    if (status == -2)
        reading.has_failed = !error_set(error, EX_OSERR, "%s: out of memory", path);
    else if (status > 0)
        fail_line(&reading, "neither [section] nor key = value");
    if (!reading.has_failed && ferror(stream))
        reading.has_failed = !error_set(error, EX_NOINPUT, "%s: cannot be read", path);
    (void)fclose(stream);
    return !reading.has_failed;
}

static bool read_environment(struct config *config, struct error *error)
{
    for (size_t i = 0; i < config->entry_count; i++) {
        struct config_entry *entry = &config->entries[i];
        char name[VARIABLE_BYTES];
        config_variable_name(entry->setting, name, sizeof(name));
        const char *value = getenv(name);
        struct error problem = {0};
        if (value && !config_entry_put(entry, value, CONFIG_FROM_ENVIRONMENT, &problem))
            return error_set(error, problem.exit_status, "environment variable %s: %s", name,
                             problem.text);
    }
    return true;
}

static size_t count_settings(const struct setting *const *tables)
{
    size_t count = 0;
    for (; *tables; tables++) {
        for (const struct setting *setting = *tables; setting->section; setting++)
            count++;
    }
    return count;
}

/* A variable of one of our sections that no table knows is a misspelt one. */
static bool refuse_unknown_variables(const struct config *config, struct error *error)
{
    for (char **at = environ; at && *at; at++) {
        char section[VARIABLE_BYTES];
        if (strncmp(*at, "HANDBELL_", strlen("HANDBELL_")) != 0)
            continue;
        size_t length = strcspn(*at, "=");
        bool is_known = false;
        bool is_ours = false;
        for (size_t i = 0; i < config->entry_count && !is_known; i++) {
            const struct setting *setting = config->entries[i].setting;
            config_variable_name(setting, section, sizeof(section));
            is_known = strlen(section) == length && strncmp(*at, section, length) == 0;
            size_t prefix = strlen("HANDBELL_") + strlen(setting->section) + 1;
            is_ours = is_ours || (length > prefix && strncmp(*at, section, prefix) == 0);
        }
        if (is_ours && !is_known)
            return error_set(error, EX_CONFIG, "environment variable %.*s: unknown setting",
                             length < 100 ? (int)length : 100, *at);
    }
    return true;
}

struct config *config_load(const char *path, const struct setting *const *tables,
                           struct error *error)
{
    struct config *config = calloc(1, sizeof(*config));
    size_t count = count_settings(tables);
    if (config)
        config->entries = calloc(count + 1, sizeof(*config->entries));
    if (!config || !config->entries) {
        free(config);
        error_set(error, EX_OSERR, "out of memory");
        return NULL;
    }
    config->tables = tables;
    bool is_done = true;
    for (; *tables && is_done; tables++) {
        for (const struct setting *setting = *tables; setting->section && is_done; setting++) {
            struct config_entry *entry = &config->entries[config->entry_count++];
            entry->setting = setting;
            is_done = config_entry_put(entry, setting->default_text, CONFIG_FROM_DEFAULT, error);
        }
    }
    if (!is_done || (path && !read_file(config, path, error)) || !read_environment(config, error) ||
        !refuse_unknown_variables(config, error)) {
        config_free(config);
        return NULL;
    }
    return config;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->entry_count; i++)
        config_entry_clear(&config->entries[i]);
    free(config->entries);
    free(config);
}

static const struct config_entry *entry_or_abort(const struct config *config, const char *section,
                                                 const char *key)
{
    const struct config_entry *entry = find_entry(config, section, key);
    if (!entry) {
        (void)fprintf(stderr, "handbell: no table has the setting [%s] %s\n", section, key);
        abort();
    }
    return entry;
}

const char *config_text(const struct config *config, const char *section, const char *key)
{
    return entry_or_abort(config, section, key)->text;
}

int64_t config_integer(const struct config *config, const char *section, const char *key)
{
    return entry_or_abort(config, section, key)->integer;
}

bool config_is_true(const struct config *config, const char *section, const char *key)
{
    return entry_or_abort(config, section, key)->integer != 0;
}

const char *config_source(const struct config *config, const char *section, const char *key)
{
    return config_source_name(entry_or_abort(config, section, key)->source);
}

static ssize_t read_whole(int fd, char *bytes, size_t size)
{
    size_t used = 0;
    while (used < size) {
        ssize_t got = read(fd, bytes + used, size - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    return (ssize_t)used;
}

bool config_read_secret(const char *path, char *secret, size_t size, struct error *error)
{
    secret[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(error, EX_NOINPUT, "%s: %s", path, strerror(errno));
    ssize_t got = read_whole(fd, secret, size);
    int saved_errno = errno;
    (void)close(fd);

    size_t length = 0;
    while (got > 0 && length < (size_t)got && secret[length] != '\n' && secret[length] != '\0')
        length++;
    const char *problem = NULL;
    if (got < 0)
        problem = strerror(saved_errno);
    else if (length == size)
        problem = "first line is too long";
    else if (got > 0 && length < (size_t)got && secret[length] == '\0')
        problem = "holds a NUL byte";
    else if (length > 0 && secret[length - 1] == '\r')
        length--;
    if (!problem && length == 0)
        problem = "first line is empty";
    if (problem) {
        crypto_wipe(secret, size);
        return error_set(error, EX_NOINPUT, "%s: %s", path, problem);
    }
    crypto_wipe(secret + length, size - length);
    return true;
}
