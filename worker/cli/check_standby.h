/* What `handbell check` says of losing the database's machine. It needs no superuser, and says what
 * this login cannot see. */
#ifndef HANDBELL_CLI_CHECK_STANDBY_H
#define HANDBELL_CLI_CHECK_STANDBY_H

#include "worker/base/json.h"
#include "worker/io/pg_sync.h"

#include <stdbool.h>

/* In `findings` an array of {"state": "good" or "note", "text"}, to be freed; NULL where the
 * database was not asked or did not answer. False without memory. */
bool check_standby_look(struct pg_sync *sync, struct json **findings);
/* Writes them as people read them. */
void check_standby_write(const struct json *findings);

#endif
