/* HTTP on libmicrohttpd, whose epoll descriptor is watched by the loop. The only file that includes
 * it. Connections come from io/http_door, which keeps caps and deadlines: libmicrohttpd's own
 * time-out counts inactivity alone, and a client that sends a byte a second never meets it. */
#include "worker/io/http.h"

#include "worker/base/buf.h"
#include "worker/io/http_door.h"
#include "worker/io/http_head.h"
#include "worker/io/loop.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum {
    BODY_DRAIN_BYTES = 65536,  /* read and dropped past the limit, so that the 413 is heard */
    ANSWER_ROOM_BYTES = 2048,  /* libmicrohttpd writes an answer's headers into the same memory */
    CONNECTIONS_CLOSING = 512, /* shut down, and for a moment still libmicrohttpd's */
};

const struct setting http_settings[] = {
    {"web", "listen", SETTING_TEXT, "", 1, 400, "127.0.0.1:8025",
     "Addresses and ports to serve pages on, with commas: 127.0.0.1:8025, [::1]:8025.", false},
    {"web", "trusted_proxy", SETTING_TEXT, "", 0, 60, "",
     "Address of the proxy in front: of its requests, the last X-Forwarded-For hop is the client.",
     false},
    {"web", "connections", SETTING_INTEGER, "", 10, 20000, "500", "Connections at a time.", false},
    {"web", "connections_per_client", SETTING_INTEGER, "", 1, 20000, "20",
     "Connections at a time of one client: an IPv4 address, or an IPv6 network of 64 bits.", false},
    {"web", "request_timeout", SETTING_INTEGER, "s", 1, 300, "15",
     "A request must have come, and its answer be taken, within this, however busy the line.",
     false},
    {"web", "header_bytes", SETTING_INTEGER, "bytes", 4096, 65536, "16384",
     "Request line and headers together.", false},
    {"web", "url_bytes", SETTING_INTEGER, "bytes", 128, 8192, "2048", "The URL.", false},
    {"web", "body_bytes", SETTING_INTEGER, "bytes", 256, 1048576, "8192", "The body.", false},
    {NULL, NULL, SETTING_TEXT, "", 0, 0, NULL, NULL, false},
};

struct http_request {
    struct http_connection *connection;
    struct http_server *server;
    struct MHD_Connection *mhd;
    const char *uri; /* as sent; libmicrohttpd's memory, like the texts of `head` */
    size_t uri_bytes;
    unsigned uri_status;
    struct http_head head;
    struct buf body;
    size_t body_seen_bytes;
    struct MHD_Response *response;
    unsigned status;
    void *context;
    struct loop_defer hand_over;
    bool is_begun;
    bool is_handed_over;
};

struct http_server {
    struct loop *loop;
    struct MHD_Daemon *daemon;
    struct loop_poll *poll;
    struct loop_defer run;
    struct http_door door;
    struct http_connection *arriving; /* on its way through MHD_add_connection */
    struct http_head_limits limits;
    uint64_t requests;
    uint64_t malformed;
    bool is_stopping;
    struct loop_defer stopped;
    void (*on_request)(void *context, struct http_request *request);
    void *context;
};

/* --- requests, as libmicrohttpd meets them --- */

/* The request line was read. `uri` is still as sent. */
static void *mhd_saw_uri(void *context, const char *uri, struct MHD_Connection *mhd)
{
    struct http_server *server = context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_request *request = calloc(1, sizeof *request);
    if (request == NULL || info == NULL || info->socket_context == NULL) {
        free(request);
        return NULL;
    }
    request->server = server;
    request->mhd = mhd;
    request->connection = info->socket_context;
    request->connection->request = request;
    request->uri = uri == NULL ? "" : uri;
    request->uri_bytes = strlen(request->uri);
    /* Now: libmicrohttpd is about to cut the query into pieces, in place. */
    request->uri_status = http_head_judge_uri(request->uri, request->uri_bytes, &server->limits);
    buf_init(&request->body, server->limits.body_bytes);
    return request;
}

/* Nothing is decoded: no path of ours needs it, and what is not decoded cannot be decoded twice. */
static size_t mhd_would_unescape(void *context, struct MHD_Connection *mhd, char *text)
{
    (void)context;
    (void)mhd;
    return strlen(text);
}

static enum MHD_Result mhd_visit_header(void *context, enum MHD_ValueKind kind, const char *name,
                                        const char *value)
{
    (void)kind;
    http_head_add(context, name, value == NULL ? "" : value);
    return MHD_YES;
}

/* A refusal before the body: the connection ends with it, so that no left-over can be taken for
 * the next request. */
static enum MHD_Result request_refuse(struct MHD_Connection *mhd, unsigned status)
{
    const char *text = http_head_refusal(status);
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Connection", "close");
    enum MHD_Result result = MHD_queue_response(mhd, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result request_begin(struct http_request *request, struct MHD_Connection *mhd,
                                     const char *url, const char *method, const char *version)
{
    struct http_server *server = request->server;
    request->is_begun = true;
    request->head.method = method;
    request->head.path = url;
    /* A NUL cuts the text that we are given. Version and URL lie in one line of memory, with one
     * blank between them; where they lie further apart, something was cut. */
    size_t apart = (uintptr_t)version - (uintptr_t)request->uri;
    request->head.has_nul = (uintptr_t)version > (uintptr_t)request->uri &&
                            apart <= server->limits.head_bytes && apart != request->uri_bytes + 1;
    MHD_get_connection_values(mhd, MHD_HEADER_KIND, mhd_visit_header, &request->head);
    unsigned status = request->uri_status != 0 ? request->uri_status
                                               : http_head_judge(&request->head, &server->limits);
    if (status == 0)
        return http_connection_name_client(request->connection, request->head.forwarded)
                   ? MHD_YES
                   : request_refuse(mhd, 503);
    server->malformed++;
    return request_refuse(mhd, status);
}

static void request_hand_over(void *context)
{
    struct http_request *request = context;
    struct http_server *server = request->server;
    server->requests++;
    server->on_request(server->context, request);
}

static enum MHD_Result request_complete(struct http_request *request, struct MHD_Connection *mhd)
{
    struct http_server *server = request->server;
    if (request->body_seen_bytes > server->limits.body_bytes) {
        server->malformed++;
        return request_refuse(mhd, 413);
    }
    if (request->body.is_out_of_memory) /* a part is missing: that is no fault of the client's */
        return request_refuse(mhd, 503);
    request->is_handed_over = true;
    http_connection_enter(request->connection, &server->door.busy);
    MHD_suspend_connection(mhd);
    request->hand_over.run = request_hand_over;
    request->hand_over.context = request;
    loop_defer(server->loop, &request->hand_over);
    return MHD_YES;
}

/* Called for the headers, for each piece of the body, at its end, and once more after the answer
 * was given. */
static enum MHD_Result mhd_request(void *context, struct MHD_Connection *mhd, const char *url,
                                   const char *method, const char *version, const char *upload,
                                   size_t *upload_bytes, void **request_context)
{
    struct http_request *request = *request_context;
    (void)context;
    if (request == NULL)
        return MHD_NO;
    if (!request->is_begun)
        return request_begin(request, mhd, url, method, version);
    if (*upload_bytes > 0) {
        (void)buf_append(&request->body, upload, *upload_bytes);
        request->body_seen_bytes += *upload_bytes;
        *upload_bytes = 0;
        return request->body_seen_bytes <= BODY_DRAIN_BYTES + request->body.ceiling ? MHD_YES
                                                                                    : MHD_NO;
    }
    if (!request->is_handed_over)
        return request_complete(request, mhd);
    if (request->response == NULL)
        return MHD_NO;
    return MHD_queue_response(mhd, request->status, request->response);
}

static void request_free(struct http_request *request)
{
    loop_defer_cancel(&request->hand_over);
    if (request->response != NULL)
        MHD_destroy_response(request->response);
    buf_free(&request->body);
    free(request);
}

static void mhd_completed(void *context, struct MHD_Connection *mhd, void **request_context,
                          enum MHD_RequestTerminationCode code)
{
    struct http_request *request = *request_context;
    struct http_server *server = context;
    (void)mhd;
    if (request == NULL)
        return;
    if (!request->is_begun && code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
        server->malformed++;
    request->connection->request = NULL;
    if (request->connection->link.list != &server->door.closing)
        http_connection_rest(request->connection);
    request_free(request);
    *request_context = NULL;
}

static void mhd_connection(void *context, struct MHD_Connection *mhd, void **socket_context,
                           enum MHD_ConnectionNotificationCode code)
{
    struct http_server *server = context;
    (void)mhd;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *socket_context = server->arriving;
        server->arriving = NULL;
        return;
    }
    if (*socket_context != NULL)
        http_connection_let_go(*socket_context);
    *socket_context = NULL;
    if (server->is_stopping && http_door_is_empty(&server->door))
        loop_defer(server->loop, &server->stopped);
}

/* --- the server --- */

static void server_run(void *context)
{
    struct http_server *server = context;
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    (void)MHD_run(server->daemon);
    /* Its sockets are edge-triggered: what it left unread it tells by this alone. */
    if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES && timeout_ms == 0)
        loop_defer(server->loop, &server->run);
}

static void server_ready(void *context, unsigned events)
{
    (void)events;
    server_run(context);
}

static void server_take(void *context, struct http_connection *connection,
                        const struct sockaddr *peer, socklen_t peer_bytes)
{
    struct http_server *server = context;
    server->arriving = connection;
    /* On a failure it has closed the descriptor, and told mhd_connection where it had begun. */
    if (MHD_add_connection(server->daemon, connection->fd, peer, peer_bytes) != MHD_YES &&
        server->arriving != NULL)
        http_connection_let_go(connection);
    server->arriving = NULL;
    loop_defer(server->loop, &server->run);
}

static void server_should_run(void *context)
{
    struct http_server *server = context;
    loop_defer(server->loop, &server->run);
}

static bool server_start(struct http_server *server, struct error *error)
{
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        mhd_request, server, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)server->door.connections_maximum + CONNECTIONS_CLOSING,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, server->limits.head_bytes + ANSWER_ROOM_BYTES,
        MHD_OPTION_CONNECTION_TIMEOUT, 0U, MHD_OPTION_URI_LOG_CALLBACK, mhd_saw_uri, server,
        MHD_OPTION_UNESCAPE_CALLBACK, mhd_would_unescape, NULL, MHD_OPTION_NOTIFY_COMPLETED,
        mhd_completed, server, MHD_OPTION_NOTIFY_CONNECTION, mhd_connection, server,
        MHD_OPTION_END);
    if (server->daemon == NULL)
        return error_set(error, EX_OSERR, "pages: libmicrohttpd does not start");
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL || info->epoll_fd < 0)
        return error_set(error, EX_OSERR, "pages: libmicrohttpd has no epoll");
    server->poll = loop_poll_new(server->loop, info->epoll_fd, server_ready, server, error);
    if (server->poll == NULL)
        return false;
    loop_poll_set(server->poll, LOOP_READABLE);
    return true;
}

struct http_server *http_server_new(struct loop *loop, const struct config *config,
                                    void (*on_request)(void *context, struct http_request *request),
                                    void *context, struct error *error)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        error_set(error, EX_OSERR, "pages: no memory");
        return NULL;
    }
    server->loop = loop;
    server->on_request = on_request;
    server->context = context;
    server->run.run = server_run;
    server->run.context = server;
    server->door.on_take = server_take;
    server->door.on_shut = server_should_run;
    server->door.context = server;
    server->limits.head_bytes = (size_t)config_integer(config, "web", "header_bytes");
    server->limits.uri_bytes = (size_t)config_integer(config, "web", "url_bytes");
    server->limits.body_bytes = (size_t)config_integer(config, "web", "body_bytes");
    if (http_door_configure(&server->door, loop, config, error) &&
        http_descriptors_reserve(server->door.connections_maximum + CONNECTIONS_CLOSING, error) &&
        server_start(server, error) &&
        http_door_open(&server->door, config_text(config, "web", "listen"), error))
        return server;
    http_server_free(server);
    return NULL;
}

void http_server_stop(struct http_server *server, void (*on_stopped)(void *context), void *context)
{
    server->is_stopping = true;
    server->stopped.run = on_stopped;
    server->stopped.context = context;
    http_door_close(&server->door);
    if (http_door_is_empty(&server->door))
        loop_defer(server->loop, &server->stopped);
}

void http_server_free(struct http_server *server)
{
    if (server == NULL)
        return;
    server->is_stopping = false;
    /* It aborts on a suspended connection. */
    LIST_EACH(link, &server->door.busy)
    {
        struct http_connection *one = LIST_OBJECT(link, struct http_connection, link);
        if (one->request != NULL && one->request->response == NULL)
            MHD_resume_connection(one->request->mhd);
    }
    loop_poll_free(server->poll);
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    http_door_free(&server->door);
    loop_defer_cancel(&server->run);
    loop_defer_cancel(&server->stopped);
    free(server);
}

void http_server_count(const struct http_server *server, struct http_counts *counts)
{
    counts->connections = server->door.taken;
    counts->crowded_out = server->door.crowded_out;
    counts->overdue = server->door.overdue;
    counts->requests = server->requests;
    counts->malformed = server->malformed;
}

/* --- requests, as the caller sees them --- */

const char *http_request_method(const struct http_request *request)
{
    return request->head.method;
}

const char *http_request_path(const struct http_request *request)
{
    return request->head.path;
}

const char *http_request_host(const struct http_request *request)
{
    return request->head.host;
}

const char *http_request_content_type(const struct http_request *request)
{
    return request->head.content_type == NULL ? "" : request->head.content_type;
}

const char *http_request_body(const struct http_request *request, size_t *size_bytes)
{
    *size_bytes = request->body.size;
    return request->body.size == 0 ? "" : request->body.data;
}

void http_request_set_context(struct http_request *request, void *context)
{
    request->context = context;
}

void *http_request_context(const struct http_request *request)
{
    return request->context;
}

void http_request_answer(struct http_request *request, const struct http_answer *answer)
{
    struct http_server *server = request->server;
    request->status = answer->status;
    /* Copied: it never writes through this pointer. */
    request->response = MHD_create_response_from_buffer(
        answer->body_bytes, (void *)(uintptr_t)answer->body, MHD_RESPMEM_MUST_COPY);
    bool is_whole = request->response != NULL;
    for (const struct http_header *header = answer->headers; is_whole && header->name != NULL;
         header++)
        is_whole =
            MHD_add_response_header(request->response, header->name, header->value) == MHD_YES;
    if (is_whole && server->is_stopping)
        is_whole = MHD_add_response_header(request->response, "Connection", "close") == MHD_YES;
    if (!is_whole && request->response != NULL) {
        MHD_destroy_response(request->response);
        request->response = NULL;
    }
    /* Without a response the connection is closed: mhd_request says no. */
    MHD_resume_connection(request->mhd);
    loop_defer(server->loop, &server->run);
}
