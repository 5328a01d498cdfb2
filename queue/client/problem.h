/* From what the database refused to how a process ends because of it. */
#ifndef HANDBELL_QUEUE_CLIENT_PROBLEM_H
#define HANDBELL_QUEUE_CLIENT_PROBLEM_H

#include "worker/base/error.h"
#include "worker/io/pg_result.h"

/* Fills `error` from a result that is not PG_RESULT_ROWS and returns false. EX_DATAERR: a bad fact
 * or an unknown ref (HB001, HB002); EX_NOPERM: not this login's tenant (HB003), or a right that the
 * login lacks; EX_UNAVAILABLE: not available yet (HB004); EX_CONFIG: the schema is not there or is
 * another version's; EX_TEMPFAIL: lost, or worth trying again; else EX_SOFTWARE. */
bool queue_problem(const struct pg_result *result, struct error *error);

/* Whether the same call may well be answered later: the connection was lost, or the server was
 * short of disk, memory, connections or time, lost a deadlock, or takes no writes just now. */
bool queue_problem_passes(const struct pg_result *result);

#endif
