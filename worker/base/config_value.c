/* Checks one setting's text against its row: type, range, size. Knows neither file nor environment.
 */
#include "worker/base/config_value.h"

#include "worker/base/crypto.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

enum { TEXT_BYTES = 4000 };

static bool refuse(const struct setting *setting, struct error *error, const char *reason)
{
    return error_set(error, EX_CONFIG, "[%s] %s: %s", setting->section, setting->key, reason);
}

static bool check_integer(const struct setting *setting, const char *text, int64_t *value,
                          struct error *error)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    bool is_number = end != text && *end == '\0' && errno == 0 && !isspace((unsigned char)*text);
    if (!is_number || number < setting->minimum || number > setting->maximum)
        return error_set(error, EX_CONFIG,
                         "[%s] %s: must be a whole number from %" PRId64 " to %" PRId64 "%s%s",
                         setting->section, setting->key, setting->minimum, setting->maximum,
                         setting->unit[0] ? " " : "", setting->unit);
    *value = number;
    return true;
}

static bool check_boolean(const struct setting *setting, const char *text, int64_t *value,
                          struct error *error)
{
    static const char *const words[][2] = {
        {"false", "true"}, {"no", "yes"}, {"off", "on"}, {"0", "1"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        for (int64_t which = 0; which < 2; which++) {
            if (strcasecmp(text, words[i][which]) == 0) {
                *value = which;
                return true;
            }
        }
    }
    return refuse(setting, error, "must be true or false");
}

static bool is_url(const char *text)
{
    size_t scheme = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+.-");
    return scheme > 0 && isalpha((unsigned char)text[0]) && text[scheme] == ':' &&
           text[scheme + 1] != '\0' && !strchr(text, ' ');
}

static bool check_text(const struct setting *setting, const char *text, struct error *error)
{
    int64_t size = (int64_t)strlen(text);
    int64_t maximum = setting->maximum > 0 ? setting->maximum : TEXT_BYTES;
    for (const char *at = text; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return refuse(setting, error, "must hold no control character");
    }
    if (size < setting->minimum || size > maximum) {
        if (size == 0)
            return refuse(setting, error, "must not be empty");
        return error_set(error, EX_CONFIG, "[%s] %s: must be %" PRId64 " to %" PRId64 " bytes long",
                         setting->section, setting->key, setting->minimum, maximum);
    }
    if (size > 0 && setting->type == SETTING_PATH && text[0] != '/')
        return refuse(setting, error, "must be an absolute path");
    if (size > 0 && setting->type == SETTING_URL && !is_url(text))
        return refuse(setting, error, "must be a URL (scheme:...)");
    return true;
}

bool config_entry_put(struct config_entry *entry, const char *text, enum config_source_kind source,
                      struct error *error)
{
    int64_t integer = 0;
    bool is_good = false;
    switch (entry->setting->type) {
    case SETTING_INTEGER:
        is_good = check_integer(entry->setting, text, &integer, error);
        break;
    case SETTING_BOOLEAN:
        is_good = check_boolean(entry->setting, text, &integer, error);
        break;
    case SETTING_TEXT:
    case SETTING_PATH:
    case SETTING_URL:
        is_good = check_text(entry->setting, text, error);
        break;
    }
    if (!is_good)
        return false;
    char *copy = strdup(text);
    if (!copy)
        return error_set(error, EX_OSERR, "out of memory");
    config_entry_clear(entry);
    entry->text = copy;
    entry->integer = integer;
    entry->source = source;
    return true;
}

void config_entry_clear(struct config_entry *entry)
{
    if (entry->text)
        crypto_wipe(entry->text, strlen(entry->text));
    free(entry->text);
    entry->text = NULL;
}

const char *config_source_name(enum config_source_kind source)
{
    switch (source) {
    case CONFIG_FROM_DEFAULT:
        return "default";
    case CONFIG_FROM_FILE:
        return "file";
    case CONFIG_FROM_ENVIRONMENT:
        return "environment";
    }
    return "";
}

void config_variable_name(const struct setting *setting, char *name, size_t size)
{
    (void)snprintf(name, size, "HANDBELL_%s_%s", setting->section, setting->key);
    for (char *at = name; *at; at++)
        *at = (char)toupper((unsigned char)*at);
}
