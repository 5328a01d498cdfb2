/* libpq, which no other file names: connections, what is sent and what has come, as plain steps and
 * values. It waits for nothing unless its header says so, and calls nobody back. */
#include "worker/io/pg_connection.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct pg_connection {
    PGconn *inner;
    bool was_ended_idle;
    char reason[PG_TEXT_BYTES];
};

static const PGresult *inner_rows(const struct pg_result *result)
{
    return (const PGresult *)result->rows;
}

/* Notices may quote values, and nobody here acts on one, but for the end of an idle session: libpq
 * hands out as a notice what comes unasked. */
static void notice_take(void *context, const PGresult *notice)
{
    struct pg_connection *connection = context;
    const char *sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
    if (sqlstate != NULL && strcmp(sqlstate, "57P05") == 0)
        connection->was_ended_idle = true;
}

/* `text` in one line. */
static void one_line(char *line, size_t size, const char *text)
{
    size_t length = 0;
    for (; *text != '\0' && length + 1 < size; text++) {
        bool is_break = *text == '\n' || *text == '\r' || *text == '\t';
        if (is_break && (length == 0 || line[length - 1] == ' '))
            continue;
        line[length++] = is_break ? ' ' : *text;
    }
    while (length > 0 && line[length - 1] == ' ')
        length--;
    line[length] = '\0';
}

/* As libpq does it: what is neither key=value pairs nor a URI is a database's name. */
static bool is_database_name(const char *url)
{
    return strchr(url, '=') == NULL && strncmp(url, "postgres://", 11) != 0 &&
           strncmp(url, "postgresql://", 13) != 0;
}

static PQconninfoOption *url_parse(const char *url, struct error *error)
{
    /* libpq's message quotes what it stumbled over, which may be the password. */
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &message);
    PQfreemem(message);
    if (options == NULL)
        error_set(error, EX_CONFIG, "[database] url: not a connection string that libpq takes");
    return options;
}

bool pg_connection_check_url(const char *url, struct error *error)
{
    PQconninfoOption *options = NULL;
    if (!is_database_name(url) && (options = url_parse(url, error)) == NULL)
        return false;
    PQconninfoFree(options);
    return true;
}

/* "" where it is not set. */
static const char *option_of(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword != NULL; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val != NULL ? options->val : "";
    return "";
}

static size_t list_count(const char *list)
{
    size_t count = list[0] != '\0';
    for (; *list != '\0'; list++)
        count += *list == ',';
    return count;
}

/* The part `number` of a list with commas, "" past its end; false where it does not fit. */
static bool list_part(const char *list, size_t number, char *part, size_t size)
{
    for (; number > 0 && list != NULL; number--) {
        list = strchr(list, ',');
        list = list != NULL ? list + 1 : NULL;
    }
    size_t length = list != NULL ? strcspn(list, ",") : 0;
    if (length >= size)
        return false;
    memcpy(part, list != NULL ? list : "", length);
    part[length] = '\0';
    return true;
}

static bool hosts_split(const PQconninfoOption *options, struct pg_host hosts[PG_HOSTS_MAXIMUM],
                        size_t *count)
{
    const char *names = option_of(options, "host");
    const char *addresses = option_of(options, "hostaddr");
    const char *ports = option_of(options, "port");
    size_t port_count = list_count(ports);
    *count = list_count(names[0] != '\0' ? names : addresses);
    if (*count == 0)
        return true;
    if (*count > PG_HOSTS_MAXIMUM || (port_count > 1 && port_count != *count) ||
        (names[0] != '\0' && addresses[0] != '\0' && list_count(addresses) != *count))
        return false;
    for (size_t i = 0; i < *count; i++) {
        struct pg_host *host = &hosts[i];
        if (!list_part(names, i, host->name, sizeof host->name) ||
            !list_part(addresses, i, host->address, sizeof host->address) ||
            !list_part(ports, port_count > 1 ? i : 0, host->port, sizeof host->port) ||
            (host->name[0] == '\0' && host->address[0] == '\0'))
            return false;
    }
    return true;
}

bool pg_connection_hosts(const char *url, struct pg_host hosts[PG_HOSTS_MAXIMUM], size_t *count,
                         struct error *error)
{
    *count = 0;
    if (is_database_name(url))
        return true;
    PQconninfoOption *options = url_parse(url, error);
    bool is_good = options != NULL && hosts_split(options, hosts, count);
    if (options != NULL && !is_good)
        error_set(error, EX_CONFIG,
                  "[database] url: at most %d hosts, and as many addresses and ports as hosts, or "
                  "one port for all",
                  PG_HOSTS_MAXIMUM);
    PQconninfoFree(options);
    return is_good;
}

/* What stands before dbname may be overridden by the URL, what stands behind it may not. */
enum { CONNECT_KEYWORDS = 14 };

static void connect_parameters(const char *keywords[CONNECT_KEYWORDS],
                               const char *values[CONNECT_KEYWORDS], const char *url,
                               const struct pg_host *host, const char *application_name,
                               const char *timeout_s)
{
    const char *const pairs[CONNECT_KEYWORDS][2] = {
        {"target_session_attrs", "read-write"},
        {"keepalives", "1"},
        {"keepalives_idle", "5"},
        {"keepalives_interval", "2"},
        {"keepalives_count", "3"},
        {"tcp_user_timeout", "15000"},
        {"connect_timeout", timeout_s},
        {"fallback_application_name", application_name},
        {"dbname", url},
        {"client_encoding", "UTF8"},
        /* An empty value is none, and overrides nothing. */
        {"host", host != NULL ? host->name : ""},
        {"hostaddr", host != NULL ? host->address : ""},
        {"port", host != NULL ? host->port : ""},
        {NULL, NULL},
    };
    for (size_t i = 0; i < CONNECT_KEYWORDS; i++) {
        keywords[i] = pairs[i][0];
        values[i] = pairs[i][1];
    }
}

static struct pg_connection *connection_wrap(PGconn *inner)
{
    struct pg_connection *connection = inner ? calloc(1, sizeof *connection) : NULL;
    if (connection == NULL) {
        PQfinish(inner);
        return NULL;
    }
    connection->inner = inner;
    PQsetNoticeReceiver(inner, notice_take, connection);
    return connection;
}

struct pg_connection *pg_connection_start(const char *url, const struct pg_host *host,
                                          const char *application_name)
{
    const char *keywords[CONNECT_KEYWORDS], *values[CONNECT_KEYWORDS];
    connect_parameters(keywords, values, url, host, application_name, "0");
    return connection_wrap(PQconnectStartParams(keywords, values, 1));
}

struct pg_connection *pg_connection_open(const char *url, const char *application_name,
                                         uint32_t timeout_s, struct error *error)
{
    const char *keywords[CONNECT_KEYWORDS], *values[CONNECT_KEYWORDS];
    char timeout[16];
    snprintf(timeout, sizeof timeout, "%" PRIu32, timeout_s);
    connect_parameters(keywords, values, url, NULL, application_name, timeout);
    struct pg_connection *connection = connection_wrap(PQconnectdbParams(keywords, values, 1));
    if (connection == NULL) {
        error_set(error, EX_OSERR, "database: no memory");
    } else if (PQstatus(connection->inner) != CONNECTION_OK) {
        error_set(error, EX_UNAVAILABLE, "database: %s", pg_connection_reason(connection));
        pg_connection_free(connection);
        connection = NULL;
    }
    return connection;
}

void pg_connection_free(struct pg_connection *connection)
{
    if (connection == NULL)
        return;
    PQfinish(connection->inner);
    free(connection);
}

enum pg_connecting pg_connection_step(struct pg_connection *connection)
{
    switch (PQconnectPoll(connection->inner)) {
    case PGRES_POLLING_READING:
        return PG_CONNECTING_READ;
    case PGRES_POLLING_WRITING:
        return PG_CONNECTING_WRITE;
    case PGRES_POLLING_OK:
        return PG_CONNECTING_DONE;
    default:
        return PG_CONNECTING_FAILED;
    }
}

int pg_connection_socket(const struct pg_connection *connection)
{
    return PQsocket(connection->inner);
}

bool pg_connection_is_made(const struct pg_connection *connection)
{
    ConnStatusType status = PQstatus(connection->inner);
    return status != CONNECTION_STARTED && status != CONNECTION_NEEDED;
}

const char *pg_connection_reason(struct pg_connection *connection)
{
    one_line(connection->reason, sizeof connection->reason, PQerrorMessage(connection->inner));
    return connection->reason[0] != '\0' ? connection->reason : "the connection was closed";
}

int pg_connection_server_version(const struct pg_connection *connection)
{
    return PQserverVersion(connection->inner);
}

int pg_connection_process(const struct pg_connection *connection)
{
    return PQbackendPID(connection->inner);
}

bool pg_connection_begin_pipeline(struct pg_connection *connection)
{
    return PQsetnonblocking(connection->inner, 1) == 0 &&
           PQenterPipelineMode(connection->inner) == 1;
}

bool pg_connection_send_prepare(struct pg_connection *connection, const char *name, const char *sql)
{
    return PQsendPrepare(connection->inner, name, sql, 0, NULL) == 1;
}

bool pg_connection_send_execute(struct pg_connection *connection, const char *name,
                                const char *const *parameters, size_t count)
{
    return PQsendQueryPrepared(connection->inner, name, (int)count, parameters, NULL, NULL, 0) == 1;
}

bool pg_connection_send_sync(struct pg_connection *connection)
{
    return PQpipelineSync(connection->inner) == 1;
}

bool pg_connection_read(struct pg_connection *connection)
{
    return PQconsumeInput(connection->inner) == 1;
}

bool pg_connection_was_ended_idle(struct pg_connection *connection)
{
    (void)PQisBusy(connection->inner); /* reads what has come */
    return connection->was_ended_idle;
}

bool pg_connection_write(struct pg_connection *connection, bool *is_all)
{
    int left = PQflush(connection->inner);
    *is_all = left == 0;
    return left >= 0 && PQstatus(connection->inner) == CONNECTION_OK;
}

/* The server's own words, but not where they may quote a value. */
static void result_explain(struct pg_result *result, const PGresult *rows)
{
    const char *sqlstate = PQresultErrorField(rows, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(rows, PG_DIAG_MESSAGE_PRIMARY);
    const char *position = PQresultErrorField(rows, PG_DIAG_STATEMENT_POSITION);
    result->position = position ? (unsigned)strtoul(position, NULL, 10) : 0;
    snprintf(result->sqlstate, sizeof result->sqlstate, "%s", sqlstate ? sqlstate : "");
    if (strncmp(result->sqlstate, "22", 2) == 0)
        text = "a value that the database does not take";
    else if (text == NULL)
        text = PQresultErrorMessage(rows);
    one_line(result->text, sizeof result->text, text);
}

/* Takes over `rows`; NULL stands for a result that could not be made. */
static void result_fill(struct pg_result *result, PGresult *rows)
{
    *result = (struct pg_result){.kind = PG_RESULT_REFUSED};
    switch (PQresultStatus(rows)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        result->kind = PG_RESULT_ROWS;
        result->rows = (const struct pg_rows *)rows;
        return;
    case PGRES_PIPELINE_ABORTED:
        one_line(result->text, sizeof result->text, "refused with the statement before it");
        break;
    default:
        result_explain(result, rows);
        /* An error that libpq made itself carries no SQLSTATE: the connection broke. */
        if (result->sqlstate[0] == '\0')
            result->kind = PG_RESULT_LOST;
    }
    PQclear(rows);
}

enum pg_step pg_connection_next(struct pg_connection *connection, struct pg_result *result)
{
    /* On a broken connection libpq would hand out ends for ever. */
    if (PQisBusy(connection->inner) || PQstatus(connection->inner) != CONNECTION_OK)
        return PG_STEP_WAIT;
    PGresult *rows = PQgetResult(connection->inner);
    if (rows == NULL)
        return PG_STEP_END;
    if (PQresultStatus(rows) == PGRES_PIPELINE_SYNC) {
        PQclear(rows);
        return PG_STEP_SYNC;
    }
    result_fill(result, rows);
    return PG_STEP_RESULT;
}

bool pg_connection_next_notify(struct pg_connection *connection, char *channel, size_t size)
{
    PGnotify *notify = PQnotifies(connection->inner);
    if (notify == NULL)
        return false;
    snprintf(channel, size, "%s", notify->relname);
    PQfreemem(notify);
    return true;
}

void pg_connection_execute(struct pg_connection *connection, const char *sql,
                           const char *const *parameters, size_t count, struct pg_result *result)
{
    result_fill(result,
                PQexecParams(connection->inner, sql, (int)count, NULL, parameters, NULL, NULL, 0));
}

void pg_connection_script(struct pg_connection *connection, const char *sql,
                          struct pg_result *result)
{
    result_fill(result, PQexec(connection->inner, sql));
}

void pg_connection_clear(struct pg_result *result)
{
    union {
        const struct pg_rows *from;
        PGresult *to;
    } cast = {.from = result->rows};
    PQclear(cast.to);
    *result = (struct pg_result){.kind = PG_RESULT_UNSENT};
}

const char *pg_result_kind_name(enum pg_result_kind kind)
{
    static const char *const names[] = {"rows", "refused", "lost", "unsent"};
    return names[kind];
}

size_t pg_result_rows(const struct pg_result *result)
{
    return result->rows ? (size_t)PQntuples(inner_rows(result)) : 0;
}

static void check_cell(const struct pg_result *result, size_t row, size_t column)
{
    if (result->rows == NULL || row >= pg_result_rows(result) ||
        column >= (size_t)PQnfields(inner_rows(result)))
        abort();
}

bool pg_result_is_null(const struct pg_result *result, size_t row, size_t column)
{
    check_cell(result, row, column);
    return PQgetisnull(inner_rows(result), (int)row, (int)column) == 1;
}

const char *pg_result_text(const struct pg_result *result, size_t row, size_t column, size_t *size)
{
    check_cell(result, row, column);
    if (size != NULL)
        *size = (size_t)PQgetlength(inner_rows(result), (int)row, (int)column);
    return PQgetvalue(inner_rows(result), (int)row, (int)column);
}

int64_t pg_result_integer(const struct pg_result *result, size_t row, size_t column)
{
    return strtoll(pg_result_text(result, row, column, NULL), NULL, 10);
}

bool pg_result_is_true(const struct pg_result *result, size_t row, size_t column)
{
    return pg_result_text(result, row, column, NULL)[0] == 't';
}
