/* One table: SQLSTATE to exit status, with a word of advice where there is one. */
#include "queue/client/problem.h"

#include <stddef.h>
#include <string.h>
#include <sysexits.h>

/* `sqlstate` may be a class (two characters) alone; the first row that fits counts. */
struct problem {
    const char *sqlstate;
    int exit_status;
    const char *advice;
};

static const struct problem problems[] = {
    {"HB001", EX_DATAERR, ""},
    {"HB002", EX_DATAERR, ""},
    {"HB003", EX_NOPERM, ""},
    {"HB004", EX_UNAVAILABLE, ""},
    {"3F000", EX_CONFIG, "; run handbell migrate first"},
    {"42883", EX_CONFIG, "; run handbell migrate of this version first"},
    {"42P01", EX_CONFIG, "; run handbell migrate of this version first"},
    {"42501", EX_NOPERM, "; the login lacks this right"},
    {"57014", EX_TEMPFAIL, "; it took longer than [database] query_timeout"},
    {"25006", EX_TEMPFAIL, "; the server takes no writes"},
    {"40", EX_TEMPFAIL, ""},
    {"53", EX_TEMPFAIL, ""},
    {"55P03", EX_TEMPFAIL, "; others hold the lock"},
    {"57P", EX_TEMPFAIL, ""},
    {"58", EX_TEMPFAIL, ""},
    {"08", EX_TEMPFAIL, ""},
};

static const struct problem *problem_find(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++)
        if (strncmp(sqlstate, problems[i].sqlstate, strlen(problems[i].sqlstate)) == 0)
            return &problems[i];
    return NULL;
}

bool queue_problem_passes(const struct pg_result *result)
{
    const struct problem *problem = problem_find(result->sqlstate);
    return result->kind != PG_RESULT_REFUSED ||
           (problem != NULL && problem->exit_status == EX_TEMPFAIL);
}

bool queue_problem(const struct pg_result *result, struct error *error)
{
    if (result->kind != PG_RESULT_REFUSED)
        return error_set(error, EX_TEMPFAIL, "the connection to the database was lost: %s",
                         result->text);
    const struct problem *problem = problem_find(result->sqlstate);
    if (problem != NULL)
        return error_set(error, problem->exit_status, "%s%s", result->text, problem->advice);
    return error_set(error, EX_SOFTWARE, "%s (SQLSTATE %s)", result->text, result->sqlstate);
}
