/* One setting's value: how its text is checked and kept. Private to worker/base: others use
 * config.h. */
#ifndef HANDBELL_BASE_CONFIG_VALUE_H
#define HANDBELL_BASE_CONFIG_VALUE_H

#include "worker/base/config.h"

#include <stddef.h>

enum config_source_kind { CONFIG_FROM_DEFAULT, CONFIG_FROM_FILE, CONFIG_FROM_ENVIRONMENT };

/* `text` is owned; `integer` is the value of an integer, and 1 or 0 of a boolean; `line` is the
 * file's, 0 where the file does not set it. */
struct config_entry {
    const struct setting *setting;
    char *text;
    int64_t integer;
    enum config_source_kind source;
    int line;
};

struct config {
    const struct setting *const *tables;
    struct config_entry *entries;
    size_t entry_count;
};

/* Checks `text` against the setting and takes a copy in place of the value before. False with
 * `error`
 * ("[section] key: what it must be", never the value, which may be private), the entry unchanged.
 */
bool config_entry_put(struct config_entry *entry, const char *text, enum config_source_kind source,
                      struct error *error);
/* Gives the text back, overwritten. */
void config_entry_clear(struct config_entry *entry);
/* "default", "file" or "environment". */
const char *config_source_name(enum config_source_kind source);
/* HANDBELL_SECTION_KEY, cut to `size`. */
void config_variable_name(const struct setting *setting, char *name, size_t size);

#endif
