/* The first words of a session, and whether the other side can be what we need. The server's
 * keepalives are ours to set: it finds out that this machine is gone by them alone, and the
 * system's take two hours, for which a dead worker would count as alive. (On a socket of the system
 * they mean nothing.) */
#include "worker/io/pg_session.h"

enum { OLDEST_SERVER = 150000 };

const struct pg_statement pg_session_statement = {
    "pg_session",
    "select pg_catalog.pg_backend_pid(),"
    " pg_catalog.set_config('search_path', 'handbell, pg_temp', false),"
    " pg_catalog.set_config('TimeZone', 'UTC', false),"
    " pg_catalog.set_config('statement_timeout', $1, false),"
    " pg_catalog.set_config('idle_in_transaction_session_timeout', '60s', false),"
    " pg_catalog.set_config('client_connection_check_interval', '2s', false),"
    " pg_catalog.set_config('tcp_keepalives_idle', '5', false),"
    " pg_catalog.set_config('tcp_keepalives_interval', '2', false),"
    " pg_catalog.set_config('tcp_keepalives_count', '3', false),"
    " pg_catalog.set_config('tcp_user_timeout', '15s', false),"
    " pg_catalog.set_config('jit', 'off', false)",
    1,
};

/* A pooler hands its clients a process number of its own making, not the server's. */
const char *pg_session_unfit(const struct pg_connection *connection, const struct pg_result *result)
{
    if (pg_connection_server_version(connection) < OLDEST_SERVER)
        return "the server is older than PostgreSQL 15";
    if (result != NULL && pg_result_rows(result) == 1 &&
        pg_result_integer(result, 0, 0) != pg_connection_process(connection))
        return "a connection pooler answered: session locks and notifications need a connection "
               "to PostgreSQL itself";
    return NULL;
}
