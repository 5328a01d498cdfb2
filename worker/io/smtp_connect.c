/* Connections to the relay, by libcurl. The only file that includes it. libcurl's own SMTP transfer
 * is never used: it blocks the loop and cannot tell a drop before the final dot from one after it
 * (docs/architecture.md). An easy handle stays in its multi as long as its connection lives, or
 * curl_easy_send and curl_easy_recv stop working. Each has a multi of its own: whenever a multi
 * connects anew it closes those of its connections that look dead, have bytes to be read, or were
 * opened two minutes ago, whoever uses them. */
#include "worker/io/smtp_connect.h"

#include "worker/base/crypto.h"
#include "worker/io/smtp_hello.h"
#include "worker/model/classify.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    SECRET_BYTES = 8192,
    READ_BUFFER_BYTES = 4096,
    A_DAY_S = 86400, /* libcurl's own time-outs are out of the way: the session keeps the time */
};

struct smtp_connector {
    struct loop *loop;
    struct smtp_url url;
    enum smtp_auth auth;
    char *curl_url;
    char *ca_file;
    char *username;
    char *password_file;
    char *token_file;
};

struct smtp_connection {
    struct smtp_connector *connector;
    const struct smtp_connection_callbacks *callbacks;
    void *context;
    CURLM *multi;
    struct loop_timer *timer; /* the multi's */
    CURL *easy;
    struct loop_poll *poll; /* ours, once the connection is open */
    curl_socket_t fd;
    bool is_plain;
    struct smtp_hello hello;
    uint64_t opened_ms;
    uint64_t step_began_ms;
    char error_text[CURL_ERROR_SIZE];
};

/* A socket that libcurl wants watched while it connects. */
struct watch {
    struct smtp_connection *connection;
    struct loop_poll *poll;
    curl_socket_t fd;
};

static void connection_collect(struct smtp_connection *connection);

static void watch_fired(void *context, unsigned events)
{
    struct watch *watch = context;
    struct smtp_connection *connection = watch->connection;
    int running;
    int mask = 0;
    mask |= (events & LOOP_READABLE) ? CURL_CSELECT_IN : 0;
    mask |= (events & LOOP_WRITABLE) ? CURL_CSELECT_OUT : 0;
    curl_multi_socket_action(connection->multi, watch->fd, mask, &running);
    connection_collect(connection);
}

static void timer_fired(void *context)
{
    struct smtp_connection *connection = context;
    int running;
    curl_multi_socket_action(connection->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    connection_collect(connection);
}

static int curl_wants_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct smtp_connection *connection = context;
    (void)multi;
    if (timeout_ms < 0)
        loop_timer_stop(connection->timer);
    else
        loop_timer_start(connection->timer, (uint64_t)timeout_ms);
    return 0;
}

static int curl_wants_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *assigned)
{
    struct smtp_connection *connection = context;
    struct watch *watch = assigned;
    unsigned events = 0;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL) {
            loop_poll_free(watch->poll);
            free(watch);
            curl_multi_assign(connection->multi, fd, NULL);
        }
        return 0;
    }
    if (watch == NULL) {
        watch = calloc(1, sizeof *watch);
        if (watch == NULL)
            return -1;
        watch->connection = connection;
        watch->fd = fd;
        watch->poll = loop_poll_new(connection->connector->loop, fd, watch_fired, watch, NULL);
        if (watch->poll == NULL) {
            free(watch);
            return -1;
        }
        curl_multi_assign(connection->multi, fd, watch);
    }
    events |= (what & CURL_POLL_IN) ? LOOP_READABLE : 0;
    events |= (what & CURL_POLL_OUT) ? LOOP_WRITABLE : 0;
    loop_poll_set(watch->poll, events);
    return 0;
}

/* The url as libcurl takes it: the path is what EHLO says. */
static char *url_print(const struct smtp_url *url, const char *hostname)
{
    char name[256] = "localhost";
    char text[3 * 256];
    bool is_v6 = strchr(url->host, ':') != NULL;
    if (hostname[0] != '\0')
        snprintf(name, sizeof name, "%s", hostname);
    else if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0')
        snprintf(name, sizeof name, "localhost");
    snprintf(text, sizeof text, "%s://%s%s%s:%u/%s",
             url->tls == SMTP_TLS_IMPLICIT ? "smtps" : "smtp", is_v6 ? "[" : "", url->host,
             is_v6 ? "]" : "", url->port, name);
    return strdup(text);
}

static bool connector_read_secret(const struct smtp_connector *connector, char *secret,
                                  struct error *error)
{
    bool has_token = connector->token_file[0] != '\0';
    const char *path = has_token ? connector->token_file : connector->password_file;
    if (!config_read_secret(path, secret, SECRET_BYTES, error))
        return error_prefix(error, "[smtp] %s", has_token ? "token_file" : "password_file");
    return true;
}

/* A wrong path is told at the start, not with the first mail. */
static bool connector_check_secret(const struct smtp_connector *connector, struct error *error)
{
    char secret[SECRET_BYTES];
    bool is_good;
    if (connector->username[0] == '\0')
        return true;
    is_good = connector_read_secret(connector, secret, error);
    crypto_wipe(secret, sizeof secret);
    return is_good;
}

static bool connector_open(struct smtp_connector *connector, struct error *error)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(error, EX_OSERR, "libcurl does not start");
    if (connector->curl_url == NULL || connector->ca_file == NULL || connector->username == NULL ||
        connector->password_file == NULL || connector->token_file == NULL)
        return error_set(error, EX_OSERR, "smtp: no memory");
    return connector_check_secret(connector, error);
}

struct smtp_connector *smtp_connector_new(struct loop *loop, const struct smtp_options *options,
                                          struct error *error)
{
    struct smtp_connector *connector = calloc(1, sizeof *connector);
    if (connector == NULL) {
        error_set(error, EX_OSERR, "smtp: no memory");
        return NULL;
    }
    if (!smtp_url_parse(options->url, &connector->url, error)) {
        free(connector);
        return NULL;
    }
    connector->loop = loop;
    connector->auth = options->auth;
    connector->curl_url = url_print(&connector->url, options->hostname);
    connector->ca_file = strdup(options->ca_file);
    connector->username = strdup(options->username);
    connector->password_file = strdup(options->password_file);
    connector->token_file = strdup(options->token_file);
    if (!connector_open(connector, error)) {
        smtp_connector_free(connector);
        return NULL;
    }
    return connector;
}

void smtp_connector_free(struct smtp_connector *connector)
{
    if (connector == NULL)
        return;
    free(connector->curl_url);
    free(connector->ca_file);
    free(connector->username);
    free(connector->password_file);
    free(connector->token_file);
    free(connector);
    curl_global_cleanup();
}

static size_t reply_line_came(char *line, size_t unit, size_t count, void *context)
{
    struct smtp_connection *connection = context;
    size_t size = unit * count;
    enum outcome_verb step = connection->hello.step;
    if (!smtp_hello_take_line(&connection->hello, line, size))
        return 0;
    if (connection->hello.step != step || !connection->hello.is_in_reply)
        connection->step_began_ms = loop_now_ms(connection->connector->loop);
    return size;
}

static size_t body_came(char *bytes, size_t unit, size_t count, void *context)
{
    (void)bytes;
    (void)context;
    return unit * count;
}

static bool easy_set_login(CURL *easy, const struct smtp_connector *connector, struct error *error)
{
    static const char *const mechanisms[] = {[SMTP_AUTH_AUTO] = "AUTH=PLAIN;AUTH=LOGIN",
                                             [SMTP_AUTH_PLAIN] = "AUTH=PLAIN",
                                             [SMTP_AUTH_LOGIN] = "AUTH=LOGIN",
                                             [SMTP_AUTH_XOAUTH2] = "AUTH=XOAUTH2"};
    char secret[SECRET_BYTES];
    bool has_token = connector->token_file[0] != '\0';
    if (connector->username[0] == '\0')
        return true;
    if (!connector_read_secret(connector, secret, error))
        return false;
    curl_easy_setopt(easy, CURLOPT_USERNAME, connector->username);
    curl_easy_setopt(easy, has_token ? CURLOPT_XOAUTH2_BEARER : CURLOPT_PASSWORD, secret);
    curl_easy_setopt(easy, CURLOPT_LOGIN_OPTIONS,
                     has_token ? "AUTH=XOAUTH2" : mechanisms[connector->auth]);
    crypto_wipe(secret, sizeof secret);
    return true;
}

static void easy_set_tls(CURL *easy, const struct smtp_connector *connector)
{
    curl_easy_setopt(easy, CURLOPT_USE_SSL,
                     connector->url.tls == SMTP_TLS_STARTTLS ? (long)CURLUSESSL_ALL
                                                             : (long)CURLUSESSL_NONE);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    /* GnuTLS reads every certificate of CAPATH for each connection: CAINFO alone is believed. */
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_CAINFO, connector->ca_file);
}

static bool easy_set_up(struct smtp_connection *connection, struct error *error)
{
    struct smtp_connector *connector = connection->connector;
    CURL *easy = connection->easy;
    curl_easy_setopt(easy, CURLOPT_URL, connector->curl_url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* Closing while a name is being resolved must not wait for the resolver's thread. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)READ_BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)A_DAY_S);
    curl_easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)A_DAY_S);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, reply_line_came);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, connection);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_came);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, connection->error_text);
    easy_set_tls(easy, connector);
    return easy_set_login(easy, connector, error);
}

static bool connection_set_up(struct smtp_connection *connection, struct error *error)
{
    connection->multi = curl_multi_init();
    connection->easy = curl_easy_init();
    connection->timer = loop_timer_new(connection->connector->loop, timer_fired, connection);
    if (connection->multi == NULL || connection->easy == NULL || connection->timer == NULL)
        return error_set(error, EX_OSERR, "smtp: no memory");
    curl_multi_setopt(connection->multi, CURLMOPT_SOCKETFUNCTION, curl_wants_socket);
    curl_multi_setopt(connection->multi, CURLMOPT_SOCKETDATA, connection);
    curl_multi_setopt(connection->multi, CURLMOPT_TIMERFUNCTION, curl_wants_timer);
    curl_multi_setopt(connection->multi, CURLMOPT_TIMERDATA, connection);
    if (!easy_set_up(connection, error))
        return false;
    if (curl_multi_add_handle(connection->multi, connection->easy) != CURLM_OK)
        return error_set(error, EX_OSERR, "smtp: libcurl takes no connection");
    return true;
}

struct smtp_connection *smtp_connection_open(struct smtp_connector *connector,
                                             const struct smtp_connection_callbacks *callbacks,
                                             void *context, struct error *error)
{
    struct smtp_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        error_set(error, EX_OSERR, "smtp: no memory");
        return NULL;
    }
    connection->connector = connector;
    connection->callbacks = callbacks;
    connection->context = context;
    connection->fd = CURL_SOCKET_BAD;
    connection->is_plain = connector->url.tls == SMTP_TLS_NONE;
    connection->opened_ms = connection->step_began_ms = loop_now_ms(connector->loop);
    smtp_hello_init(&connection->hello, connector->url.tls, connector->username[0] != '\0');
    if (!connection_set_up(connection, error)) {
        smtp_connection_close(connection);
        return NULL;
    }
    return connection;
}

void smtp_connection_close(struct smtp_connection *connection)
{
    if (connection == NULL)
        return;
    /* libuv must let go of the descriptor before libcurl closes it. */
    loop_poll_free(connection->poll);
    if (connection->multi != NULL && connection->easy != NULL)
        curl_multi_remove_handle(connection->multi, connection->easy);
    curl_easy_cleanup(connection->easy);
    curl_multi_cleanup(connection->multi);
    loop_timer_free(connection->timer);
    free(connection);
}

static bool is_tls_trouble(CURLcode code)
{
    return code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION ||
           code == CURLE_USE_SSL_FAILED || code == CURLE_SSL_CACERT_BADFILE ||
           code == CURLE_SSL_CIPHER || code == CURLE_SSL_CERTPROBLEM ||
           code == CURLE_SSL_ISSUER_ERROR || code == CURLE_SSL_INVALIDCERTSTATUS;
}

static void describe_failure(struct smtp_connection *connection, CURLcode code,
                             struct outcome *failure)
{
    const char *text = connection->error_text;
    struct classification meaning = classify_loss(false);
    if (connection->hello.refusal.code != 0) {
        *failure = connection->hello.refusal;
        meaning = classify_reply(failure->verb, failure->code, failure->enhanced);
    } else {
        *failure = (struct outcome){.verb = smtp_connection_step(connection)};
        if (is_tls_trouble(code))
            failure->verb = OUTCOME_VERB_STARTTLS;
        if (text[0] == '\0')
            text = curl_easy_strerror(code);
        outcome_redact(failure->text, sizeof failure->text, text, (unsigned)strlen(text));
    }
    failure->kind = meaning.kind;
    failure->scope = meaning.scope;
}

/* libcurl goes on without a login where the peer offers no AUTH: we do not. */
static const char *find_missing(const struct smtp_connection *connection)
{
    if (connection->hello.wants_tls && !connection->hello.is_secure)
        return "the connection is not secure";
    if (connection->hello.wants_auth && !connection->hello.is_authenticated)
        return "the relay takes no login";
    return NULL;
}

static void connection_fired(void *context, unsigned events)
{
    struct smtp_connection *connection = context;
    connection->callbacks->on_ready(connection->context, events);
}

static void connection_finish(struct smtp_connection *connection, CURLcode code)
{
    struct outcome failure = {0};
    const char *missing = NULL;
    struct error error = {0};
    if (code == CURLE_OK)
        missing = find_missing(connection);
    if (code == CURLE_OK && missing == NULL) {
        curl_easy_getinfo(connection->easy, CURLINFO_ACTIVESOCKET, &connection->fd);
        connection->poll = loop_poll_new(connection->connector->loop, connection->fd,
                                         connection_fired, connection, &error);
        if (connection->poll != NULL) {
            connection->callbacks->on_open(connection->context, NULL);
            return;
        }
        missing = error.text;
    }
    describe_failure(connection, code, &failure);
    if (missing != NULL)
        snprintf(failure.text, sizeof failure.text, "%.200s", missing);
    connection->callbacks->on_open(connection->context, &failure);
}

/* Whether it has finished connecting. The owner may close it from its callback: nothing is looked
 * at after that. */
static void connection_collect(struct smtp_connection *connection)
{
    int left;
    const CURLMsg *message = curl_multi_info_read(connection->multi, &left);
    if (message != NULL && message->msg == CURLMSG_DONE)
        connection_finish(connection, message->data.result);
}

enum outcome_verb smtp_connection_step(const struct smtp_connection *connection)
{
    curl_off_t connect_us = 0;
    if (connection->hello.step != OUTCOME_VERB_CONNECT)
        return connection->hello.step;
    curl_easy_getinfo(connection->easy, CURLINFO_CONNECT_TIME_T, &connect_us);
    return connect_us > 0 ? OUTCOME_VERB_GREETING : OUTCOME_VERB_CONNECT;
}

uint64_t smtp_connection_step_began_ms(const struct smtp_connection *connection)
{
    curl_off_t connect_us = 0;
    if (connection->hello.step != OUTCOME_VERB_CONNECT)
        return connection->step_began_ms;
    curl_easy_getinfo(connection->easy, CURLINFO_CONNECT_TIME_T, &connect_us);
    return connection->opened_ms + (uint64_t)(connect_us / 1000);
}

const struct smtp_peer *smtp_connection_peer(const struct smtp_connection *connection)
{
    return &connection->hello.peer;
}

bool smtp_connection_is_plain(const struct smtp_connection *connection)
{
    return connection->is_plain;
}

void smtp_connection_watch(struct smtp_connection *connection, unsigned events)
{
    loop_poll_set(connection->poll, events);
}

/* Without TLS the socket is used directly: libcurl looks a connection up in its cache on each call.
 */
ssize_t smtp_connection_send(struct smtp_connection *connection, const char *bytes, size_t size)
{
    size_t sent = 0;
    CURLcode code;
    if (connection->is_plain) {
        ssize_t status = send(connection->fd, bytes, size, MSG_NOSIGNAL);
        if (status >= 0)
            return status;
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    code = curl_easy_send(connection->easy, bytes, size, &sent);
    if (code == CURLE_AGAIN)
        return 0;
    return code == CURLE_OK ? (ssize_t)sent : -1;
}

ssize_t smtp_connection_recv(struct smtp_connection *connection, char *bytes, size_t size)
{
    size_t got = 0;
    CURLcode code;
    if (connection->is_plain) {
        ssize_t status = recv(connection->fd, bytes, size, 0);
        if (status > 0)
            return status;
        return status < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    code = curl_easy_recv(connection->easy, bytes, size, &got);
    if (code == CURLE_AGAIN)
        return 0;
    return code == CURLE_OK && got > 0 ? (ssize_t)got : -1;
}
