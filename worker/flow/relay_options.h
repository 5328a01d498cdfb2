/* What an operator says of a relay beside how it is reached: its name, how much of the mail it
 * gets, its limits, and who the envelope's sender is. The rows stand in the relay's section. */
#ifndef HANDBELL_FLOW_RELAY_OPTIONS_H
#define HANDBELL_FLOW_RELAY_OPTIONS_H

#include "worker/base/config.h"
#include "worker/base/crypto.h"
#include "worker/io/smtp.h"

enum {
    RELAY_SETTING_ROWS = 7,
    RELAY_NAME_BYTES = 33,
    RELAY_DIGEST_BYTES = 17, /* 16 hex digits and a NUL */
};

/* `relay` is the relay's number less one. */
extern const struct setting relay_settings[SMTP_RELAYS][RELAY_SETTING_ROWS];

/* `per_minute` and `per_day` count mails; 0: no limit. `digest` stands for all settings by which
 * workers could send in different ways through the same relay; no secret is in it. */
struct relay_options {
    bool is_configured;
    char name[RELAY_NAME_BYTES];
    uint32_t weight;
    bool is_verp;
    uint32_t per_minute;
    uint32_t per_day;
    uint32_t urgent_share; /* percent of both limits */
    char digest[RELAY_DIGEST_BYTES];
};

/* Reads the options of all relays; those of relay N are at N - 1. False with `error` (EX_CONFIG)
 * naming section and key: a name with a character that none may have, two relays of one name, an
 * envelope that is none. */
bool relay_options_read(const struct config *config, struct relay_options options[SMTP_RELAYS],
                        struct error *error);

#endif
