/* The first words of a session, and whether the other side can be what we need. The server's
 * keepalives are ours to set: it finds out that this machine is gone by them alone, and the
 * system's take two hours, for which a dead worker would count as alive. (On a socket of the system
 * they mean nothing.) */
#include "worker/io/pg_session.h"

enum { OLDEST_SERVER = 150000 };

/* Both are unnamed: in a session that others share a name might be taken. */
const struct pg_statement pg_session_statement = {
    "",
    "select pg_catalog.set_config('search_path', 'handbell, pg_temp', false),"
    " pg_catalog.set_config('TimeZone', 'UTC', false),"
    " pg_catalog.set_config('statement_timeout', $1, false),"
    " pg_catalog.set_config('idle_in_transaction_session_timeout', '60s', false),"
    " pg_catalog.set_config('idle_session_timeout', '0', false),"
    " pg_catalog.set_config('client_connection_check_interval', '2s', false),"
    " pg_catalog.set_config('tcp_keepalives_idle', '5', false),"
    " pg_catalog.set_config('tcp_keepalives_interval', '2', false),"
    " pg_catalog.set_config('tcp_keepalives_count', '3', false),"
    " pg_catalog.set_config('tcp_user_timeout', '15s', false),"
    " pg_catalog.set_config('jit', 'off', false)"
    " where pg_catalog.pg_backend_pid() = $2::integer or $3::boolean",
    3,
};

const struct pg_statement pg_session_proof = {
    "",
    "select pg_catalog.set_config('idle_session_timeout', '100ms', false)",
    0,
};

bool pg_session_is_new_enough(const struct pg_connection *connection)
{
    return pg_connection_server_version(connection) >= OLDEST_SERVER;
}

bool pg_session_is_begun(const struct pg_result *result)
{
    return pg_result_rows(result) == 1;
}
