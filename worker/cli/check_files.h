/* What `handbell check` says of the files that settings name and that are read when the program
 * runs: the signing key, and each relay's secrets and certificates. */
#ifndef HANDBELL_CLI_CHECK_FILES_H
#define HANDBELL_CLI_CHECK_FILES_H

#include "worker/base/config.h"
#include "worker/base/json.h"

#include <stdbool.h>

/* In `findings` an array of {"state": "good", "note" or "bad", "text"}, to be freed. A file that
 * this login may not open is a note: units get secrets as credentials, and operators need not be
 * able to read them. No finding holds a word of a secret. False without memory. */
bool check_files_look(const struct config *config, struct json **findings, bool *has_bad);
/* Writes them as people read them. */
void check_files_write(const struct json *findings);

#endif
