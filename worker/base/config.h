/* Settings. Each module describes its own in one table; the file (INI, by libinih, named in
 * config.c alone) and the environment are read against the tables, and docs/configuration.md is
 * made from them. */
#ifndef HANDBELL_BASE_CONFIG_H
#define HANDBELL_BASE_CONFIG_H

#include "worker/base/error.h"

#include <stdint.h>
#include <stdio.h>

enum setting_type { SETTING_TEXT, SETTING_INTEGER, SETTING_BOOLEAN, SETTING_PATH, SETTING_URL };

/* One row. `unit` is "" where there is none ("ms", "s", "bytes", ...). `minimum` and `maximum`
 * bound an integer's value, and a text's size in bytes. `is_secret` values never appear in any
 * output. A table ends with a row whose `section` is NULL. */
struct setting {
    const char *section;
    const char *key;
    enum setting_type type;
    const char *unit;
    int64_t minimum;
    int64_t maximum;
    const char *default_text;
    const char *help;
    bool is_secret;
};

struct config;

/* Reads `path` (NULL: no file, defaults and environment only) against `tables` (ended by NULL; they
 * must outlive the config). HANDBELL_SECTION_KEY in the environment overrides section and key. An
 * unknown section or key, a value of the wrong type or out of range is an error that names file,
 * line (or variable), section and key. NULL with `error` (EX_CONFIG, or EX_NOINPUT where the file
 * cannot be read) set. Ended by config_free. */
struct config *config_load(const char *path, const struct setting *const *tables,
                           struct error *error);
void config_free(struct config *config);

/* The value in force. Asking for a setting that no table has is a broken invariant: abort. */
const char *config_text(const struct config *config, const char *section, const char *key);
int64_t config_integer(const struct config *config, const char *section, const char *key);
bool config_is_true(const struct config *config, const char *section, const char *key);
/* Where the value came from: "default", "file" or "environment". */
const char *config_source(const struct config *config, const char *section, const char *key);

/* Writes all tables as Markdown (docs/configuration.md is made by this). */
void config_write_markdown(const struct setting *const *tables, FILE *stream);
/* Writes each setting with value in force, source and help (`handbell check --explain`). */
void config_write_explained(const struct config *config, FILE *stream);

/* Reads a secret from a file: first line, without its newline, at most `size - 1` bytes. False with
 * `error` naming the path where the file cannot be read, is empty or is longer. */
bool config_read_secret(const char *path, char *secret, size_t size, struct error *error);

#endif
