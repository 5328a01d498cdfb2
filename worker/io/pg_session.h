/* What every session begins with, on the loop or not. Private to worker/io. */
#ifndef HANDBELL_IO_PG_SESSION_H
#define HANDBELL_IO_PG_SESSION_H

#include "worker/io/pg.h"
#include "worker/io/pg_connection.h"

/* Pins what a call must be able to rely on: search_path handbell, pg_temp; TimeZone UTC; and time
 * limits, of which $1 is the statement_timeout in ms (0: none). */
extern const struct pg_statement pg_session_statement;

/* Why this server cannot be used at all, or NULL. `result` is NULL, or that of the statement. */
const char *pg_session_unfit(const struct pg_connection *connection,
                             const struct pg_result *result);

#endif
