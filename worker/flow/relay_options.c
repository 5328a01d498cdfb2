/* The relays' settings beside io/smtp's. */
#include "worker/flow/relay_options.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define ROW(section, key, type, unit, least, most, normal, help)                                   \
    {                                                                                              \
        section, key, type, unit, least, most, normal, help, false                                 \
    }

#define RELAY(section)                                                                             \
    {                                                                                              \
        ROW(section, "name", SETTING_TEXT, "", 0, RELAY_NAME_BYTES - 1, "",                        \
            "What tenants call it who send through it (the fact `relay`): small letters, digits, " \
            "'-' and '_'; empty: the section's name."),                                            \
            ROW(section, "weight", SETTING_INTEGER, "", 0, 100, "1",                               \
                "How much of the mail of tenants that name no relay it gets, beside the others' "  \
                "weights; 0: none."),                                                              \
            ROW(section, "envelope", SETTING_TEXT, "", 1, 8, "fixed",                              \
                "The envelope's sender. fixed: the tenant's from_address. verp: an address of "    \
                "its "                                                                             \
                "own for each mail at the tenant's bounce_domain, where the tenant has one; "      \
                "nothing reads what comes back to it yet, and Microsoft 365 refuses it."),         \
            ROW(section, "per_minute", SETTING_INTEGER, "mails", 0, 1000000, "0",                  \
                "The most mails in any 60 seconds, of all workers together; 0: no limit. "         \
                "Exchange Online: 30, with 3 connections."),                                       \
            ROW(section, "per_day", SETTING_INTEGER, "mails", 0, 100000000, "0",                   \
                "The most mails in any 24 hours, of all workers together; 0: no limit. Exchange "  \
                "Online: 10000."),                                                                 \
            ROW(section, "urgent_share", SETTING_INTEGER, "percent", 0, 90, "10",                  \
                "How much of each limit is kept for urgent and account mail."),                    \
            {NULL, NULL, SETTING_TEXT, NULL, 0, 0, NULL, NULL, false},                             \
    }

const struct setting relay_settings[SMTP_RELAYS][RELAY_SETTING_ROWS] = {
    RELAY("smtp"),  RELAY("smtp2"), RELAY("smtp3"), RELAY("smtp4"),
    RELAY("smtp5"), RELAY("smtp6"), RELAY("smtp7"), RELAY("smtp8"),
};

static bool name_read(const char *section, const char *name, struct relay_options *options,
                      struct error *error)
{
    (void)snprintf(options->name, sizeof options->name, "%s", name[0] != '\0' ? name : section);
    if (options->name[strspn(options->name, "abcdefghijklmnopqrstuvwxyz0123456789-_")] != '\0')
        return error_set(error, EX_CONFIG,
                         "[%s] name: must be small letters, digits, '-' and '_' alone", section);
    return true;
}

static bool envelope_read(const char *section, const char *text, struct relay_options *options,
                          struct error *error)
{
    options->is_verp = strcmp(text, "verp") == 0;
    return options->is_verp || strcmp(text, "fixed") == 0 ||
           error_set(error, EX_CONFIG, "[%s] envelope: must be fixed or verp", section);
}

/* Of what decides how and where mail goes; a worker's own files, host name and patience may differ.
 */
static bool digest_make(const struct config *config, const char *section,
                        struct relay_options *options, struct error *error)
{
    static const char *const keys[] = {"url",      "username",   "name",    "weight",
                                       "envelope", "per_minute", "per_day", "urgent_share"};
    uint8_t digest[CRYPTO_DIGEST_BYTES];
    char text[2048] = "";
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used, "%s\n",
                       config_text(config, section, keys[i]));
    }
    if (!crypto_sha256(text, strlen(text), digest))
        return error_set(error, EX_OSERR, "no memory");
    for (size_t i = 0; i < (RELAY_DIGEST_BYTES - 1) / 2; i++)
        (void)snprintf(options->digest + 2 * i, 3, "%02x", digest[i]);
    return true;
}

static bool relay_read(const struct config *config, unsigned relay, struct relay_options *options,
                       struct error *error)
{
    const char *section = smtp_section(relay);
    options->is_configured = smtp_is_configured(config, relay);
    options->weight = (uint32_t)config_integer(config, section, "weight");
    options->per_minute = (uint32_t)config_integer(config, section, "per_minute");
    options->per_day = (uint32_t)config_integer(config, section, "per_day");
    options->urgent_share = (uint32_t)config_integer(config, section, "urgent_share");
    return name_read(section, config_text(config, section, "name"), options, error) &&
           envelope_read(section, config_text(config, section, "envelope"), options, error) &&
           digest_make(config, section, options, error);
}

bool relay_options_read(const struct config *config, struct relay_options options[SMTP_RELAYS],
                        struct error *error)
{
    memset(options, 0, SMTP_RELAYS * sizeof options[0]);
    for (unsigned relay = 1; relay <= SMTP_RELAYS; relay++) {
        struct relay_options *own = &options[relay - 1];
        if (!relay_read(config, relay, own, error))
            return false;
        for (unsigned other = 1; own->is_configured && other < relay; other++)
            if (options[other - 1].is_configured && strcmp(options[other - 1].name, own->name) == 0)
                return error_set(error, EX_CONFIG, "[%s] name: is the name of [%s] too",
                                 smtp_section(relay), smtp_section(other));
    }
    return true;
}
