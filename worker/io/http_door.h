/* The door of the page server: listens, accepts, and holds connections to their caps and deadlines.
 * Private to io/http; it reads and writes no byte of HTTP but a bare 503. */
#ifndef HANDBELL_IO_HTTP_DOOR_H
#define HANDBELL_IO_HTTP_DOOR_H

#include "worker/base/config.h"
#include "worker/base/list.h"
#include "worker/io/http_address.h"

#include <stddef.h>
#include <stdint.h>

struct http_door;
struct http_request;
struct loop;
struct loop_poll;
struct loop_timer;

/* In exactly one of its door's lists: `waiting` for a whole request, `busy` with one that was
 * handed over, or `closing`: shut down, and soon to be let go. */
struct http_connection {
    struct list_link link;
    struct http_door *door;
    struct http_request *request; /* the one that has begun */
    struct http_client client;
    uint64_t since_ms; /* in this list */
    uint64_t deadline_ms;
    int fd;
    bool is_proxy;
    bool has_served;
};

struct http_listener {
    struct http_door *door;
    struct loop_poll *poll;
    int fd;
};

/* `on_take` is to take the connection, and in the end calls http_connection_let_go: it owns the
 * descriptor. `on_shut`: some were shut down. Both fire from the loop, or inside the calls below.
 */
struct http_door {
    struct loop *loop;
    struct loop_timer *tick;
    struct http_listener listeners[HTTP_ADDRESSES_MAXIMUM];
    size_t listener_count;
    struct list waiting;
    struct list busy;
    struct list closing;
    size_t connections_maximum;
    size_t per_client_maximum;
    uint64_t request_timeout_ms;
    struct http_client proxy;
    bool has_proxy;
    uint64_t taken;
    uint64_t crowded_out;
    uint64_t overdue;
    void (*on_take)(void *context, struct http_connection *connection, const struct sockaddr *peer,
                    socklen_t peer_bytes);
    void (*on_shut)(void *context);
    void *context;
};

/* Fills the settings in; listens from http_door_open on. False with `error`. */
bool http_door_configure(struct http_door *door, struct loop *loop, const struct config *config,
                         struct error *error);
bool http_door_open(struct http_door *door, const char *addresses, struct error *error);
/* Listens no more, and shuts each connection on which no request has begun. */
void http_door_close(struct http_door *door);
/* Gives back what open took; connections must have been let go. */
void http_door_free(struct http_door *door);
bool http_door_is_empty(const struct http_door *door);

void http_connection_enter(struct http_connection *connection, struct list *list);
/* What was written still goes out; whoever reads next finds the end. */
void http_connection_shut(struct http_connection *connection);
/* A request was answered: the connection waits for the next one, with a new deadline. */
void http_connection_rest(struct http_connection *connection);
/* Frees it; the descriptor is the caller's to close. */
void http_connection_let_go(struct http_connection *connection);
/* Behind the trusted proxy a client is known only once its headers are. False: past its cap. */
bool http_connection_name_client(struct http_connection *connection, const char *forwarded);

#endif
