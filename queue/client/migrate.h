/* Brings a database to this program's schema: `handbell migrate`. */
#ifndef HANDBELL_QUEUE_CLIENT_MIGRATE_H
#define HANDBELL_QUEUE_CLIENT_MIGRATE_H

#include "worker/base/error.h"
#include "worker/io/pg_sync.h"

#include <stdio.h>

/* Applies the embedded SQL: each file of migrations/ once, in order, and all of functions/ again
 * when one of them, or a migration, is new. All in one transaction under an advisory lock, so that
 * it happens wholly or not at all, and several at once wait for each other. Run it as the role that
 * owns (or will own) schema handbell. Writes a line to `stream` for each thing done.
 *
 * False with `error`, and nothing changed: a file is refused (named, with its line), an applied
 * migration was changed or is unknown to this program (EX_CONFIG), the login lacks a right
 * (EX_NOPERM), the connection is lost (EX_TEMPFAIL). */
bool migrate_run(struct pg_sync *sync, FILE *stream, struct error *error);

/* Whether the database has this program's schema; changes nothing. False with `error` (EX_CONFIG)
 * where it has another version's. True, too, where this cannot be seen: only the owner may read it.
 */
bool migrate_look(struct pg_sync *sync, struct error *error);

#endif
