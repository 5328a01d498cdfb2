/* Writes settings for people: the reference page from the tables, and the values in force. */
#include "worker/base/config.h"
#include "worker/base/config_value.h"

#include <inttypes.h>
#include <string.h>

enum { VARIABLE_BYTES = 128 };

static const char *type_name(enum setting_type type)
{
    switch (type) {
    case SETTING_TEXT:
        return "text";
    case SETTING_INTEGER:
        return "whole number";
    case SETTING_BOOLEAN:
        return "true or false";
    case SETTING_PATH:
        return "absolute path";
    case SETTING_URL:
        return "URL";
    }
    return "";
}

/* "whole number, 1 to 1000 ms" */
static void write_range(const struct setting *setting, FILE *stream)
{
    (void)fputs(type_name(setting->type), stream);
    if (setting->type == SETTING_INTEGER)
        (void)fprintf(stream, ", %" PRId64 " to %" PRId64, setting->minimum, setting->maximum);
    else if (setting->type != SETTING_BOOLEAN && setting->maximum > 0)
        (void)fprintf(stream, ", %" PRId64 " to %" PRId64 " bytes", setting->minimum,
                      setting->maximum);
    if (setting->unit[0])
        (void)fprintf(stream, " %s", setting->unit);
}

/* Is this the first table row of its section? Tables may share one. */
static bool is_section_start(const struct setting *const *tables, const struct setting *row)
{
    for (; *tables; tables++) {
        for (const struct setting *setting = *tables; setting->section; setting++) {
            if (strcmp(setting->section, row->section) == 0)
                return setting == row;
        }
    }
    return true;
}

/* A '|' would end the table's cell. */
static void write_cell(const char *text, FILE *stream)
{
    for (; *text; text++) {
        if (*text == '|')
            (void)fputc('\\', stream);
        (void)fputc(*text, stream);
    }
}

static void write_markdown_row(const struct setting *setting, FILE *stream)
{
    char variable[VARIABLE_BYTES];
    config_variable_name(setting, variable, sizeof(variable));
    (void)fprintf(stream, "| `%s` | `%s` | ", setting->key, variable);
    if (setting->default_text[0]) {
        (void)fputc('`', stream);
        write_cell(setting->default_text, stream);
        (void)fputc('`', stream);
    } else {
        (void)fputs("(none)", stream);
    }
    (void)fputs(" | ", stream);
    write_range(setting, stream);
    (void)fputs(" | ", stream);
    write_cell(setting->help, stream);
    (void)fputs(" |\n", stream);
}

static const struct setting *find_row(const struct setting *const *tables, const char *section,
                                      const char *key)
{
    for (; *tables; tables++) {
        for (const struct setting *row = *tables; row->section; row++) {
            if (strcmp(row->section, section) == 0 && strcmp(row->key, key) == 0)
                return row;
        }
    }
    return NULL;
}

/* Whether all rows of `section` stand in `other` too, and mean the same there. */
static bool is_like(const struct setting *const *tables, const char *section, const char *other)
{
    for (const struct setting *const *table = tables; *table; table++) {
        for (const struct setting *row = *table; row->section; row++) {
            if (strcmp(row->section, section) != 0)
                continue;
            const struct setting *same = find_row(tables, other, row->key);
            if (!same || strcmp(same->help, row->help) != 0)
                return false;
        }
    }
    return true;
}

/* The first section that `section` repeats; its own name where it repeats none. */
static const char *find_model(const struct setting *const *tables, const char *section)
{
    for (const struct setting *const *table = tables; *table; table++) {
        for (const struct setting *row = *table; row->section; row++) {
            if (is_section_start(tables, row) && is_like(tables, section, row->section))
                return row->section;
        }
    }
    return section;
}

/* What is told already is not told again, but for defaults that differ. */
static void write_markdown_repeated(const struct setting *const *tables, const char *section,
                                    const char *model, FILE *stream)
{
    (void)fprintf(stream, "\n## [%s]\n\nThe keys of [%s]", section, model);
    for (const struct setting *const *table = tables; *table; table++) {
        for (const struct setting *row = *table; row->section; row++) {
            if (strcmp(row->section, section) == 0 &&
                strcmp(row->default_text, find_row(tables, model, row->key)->default_text) != 0)
                (void)fprintf(stream, "; `%s` is %s by default", row->key,
                              row->default_text[0] ? row->default_text : "empty");
        }
    }
    (void)fputs(".\n", stream);
}

static void write_markdown_section(const struct setting *const *tables, const char *section,
                                   FILE *stream)
{
    const char *model = find_model(tables, section);
    if (strcmp(model, section) != 0) {
        write_markdown_repeated(tables, section, model, stream);
        return;
    }
    (void)fprintf(stream, "\n## [%s]\n\n", section);
    (void)fputs("| key | environment | default | value | what it does |\n"
                "| --- | --- | --- | --- | --- |\n",
                stream);
    for (; *tables; tables++) {
        for (const struct setting *row = *tables; row->section; row++) {
            if (strcmp(row->section, section) == 0)
                write_markdown_row(row, stream);
        }
    }
}

void config_write_markdown(const struct setting *const *tables, FILE *stream)
{
    for (const struct setting *const *table = tables; *table; table++) {
        for (const struct setting *first = *table; first->section; first++) {
            if (is_section_start(tables, first))
                write_markdown_section(tables, first->section, stream);
        }
    }
}

static void write_explained_row(const struct config_entry *entry, FILE *stream)
{
    const struct setting *setting = entry->setting;
    const char *shown = entry->text;
    if (setting->is_secret && entry->source != CONFIG_FROM_DEFAULT)
        shown = "(not shown)";
    (void)fprintf(stream, "%s = %s\n    from: %s; ", setting->key, shown,
                  config_source_name(entry->source));
    write_range(setting, stream);
    (void)fprintf(stream, "\n    %s\n", setting->help);
}

/* A section that repeats another is shown where something is set in it. */
static bool is_worth_showing(const struct config *config, const char *section)
{
    bool has_own = strcmp(find_model(config->tables, section), section) == 0;
    for (size_t i = 0; i < config->entry_count && !has_own; i++)
        has_own = strcmp(config->entries[i].setting->section, section) == 0 &&
                  config->entries[i].source != CONFIG_FROM_DEFAULT;
    return has_own;
}

void config_write_explained(const struct config *config, FILE *stream)
{
    for (size_t i = 0; i < config->entry_count; i++) {
        const struct setting *first = config->entries[i].setting;
        if (!is_section_start(config->tables, first) || !is_worth_showing(config, first->section))
            continue;
        (void)fprintf(stream, "%s[%s]\n", i > 0 ? "\n" : "", first->section);
        for (size_t j = i; j < config->entry_count; j++) {
            if (strcmp(config->entries[j].setting->section, first->section) == 0)
                write_explained_row(&config->entries[j], stream);
        }
    }
}
