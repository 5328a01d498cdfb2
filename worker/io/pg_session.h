/* What every session begins with, on the loop or not. Private to worker/io.
 *
 * A pooler (pgbouncer) hands its clients a process number of its own making, not the server's. One
 * that keeps a server's session for its client as long as that is there (session pooling) does for
 * us; one that hands each transaction or statement to whichever server is free does not: session
 * locks, notifications, settings and prepared statements would be somebody else's. Which of them it
 * is shows when a session is told to end after a moment of idling: only where it is ours alone does
 * our own connection end with it. */
#ifndef HANDBELL_IO_PG_SESSION_H
#define HANDBELL_IO_PG_SESSION_H

#include "worker/io/pg.h"
#include "worker/io/pg_connection.h"

#include <stdbool.h>

/* Pins what a call must be able to rely on: search_path handbell, pg_temp; TimeZone UTC; and time
 * limits, of which $1 is the statement_timeout in ms (0: none). Does so, and answers a row, only
 * where the server's process is $2, which the other side promised, or $3 says that a pooler has
 * been proved to keep sessions: nothing is set in a session that others share. */
extern const struct pg_statement pg_session_statement;

/* Behind a pooler, in place of that: asks the server to end this session soon. If the connection
 * lives for PG_SESSION_PROOF_MS longer it is no session of ours. */
extern const struct pg_statement pg_session_proof;
enum { PG_SESSION_PROOF_MS = 2000 };

/* Why a server cannot be used at all. */
#define PG_SESSION_TOO_OLD "the server is older than PostgreSQL 15"
#define PG_SESSION_NOT_KEPT                                                                        \
    "a connection pooler answered that shares out sessions (transaction or statement pooling): "   \
    "session locks and notifications need session pooling, or a connection to PostgreSQL itself"

bool pg_session_is_new_enough(const struct pg_connection *connection);
/* Whether the statement's answer says that it did what it is for. */
bool pg_session_is_begun(const struct pg_result *result);

#endif
