/* Accepts connections and keeps them within their caps and deadlines. Must not know HTTP. */
#include "worker/io/http_door.h"

#include "worker/base/log.h"
#include "worker/io/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    TICK_MS = 200,             /* how often deadlines are looked at */
    ACCEPT_BATCH = 32,         /* connections taken in one turn */
    EVICTABLE_AFTER_MS = 1000, /* a younger one may have its request still on the way */
};

void http_connection_enter(struct http_connection *connection, struct list *list)
{
    list_join(list, &connection->link);
    connection->since_ms = loop_now_ms(connection->door->loop);
}

void http_connection_shut(struct http_connection *connection)
{
    struct http_door *door = connection->door;
    (void)shutdown(connection->fd, SHUT_RDWR);
    if (connection->link.list == &door->waiting)
        http_connection_enter(connection, &door->closing);
    door->on_shut(door->context);
}

void http_connection_rest(struct http_connection *connection)
{
    struct http_door *door = connection->door;
    connection->has_served = true;
    connection->deadline_ms = loop_now_ms(door->loop) + door->request_timeout_ms;
    http_connection_enter(connection, &door->waiting);
    if (door->listener_count == 0)
        http_connection_shut(connection);
}

void http_connection_let_go(struct http_connection *connection)
{
    list_leave(&connection->link);
    free(connection);
}

static size_t count_in(const struct list *list, const struct http_client *client)
{
    size_t count = 0;
    LIST_EACH(link, list)
    {
        const struct http_connection *one = LIST_OBJECT(link, struct http_connection, link);
        count += http_client_is_same(&one->client, client) ? 1 : 0;
    }
    return count;
}

static size_t count_of_client(const struct http_door *door, const struct http_client *client)
{
    return count_in(&door->waiting, client) + count_in(&door->busy, client);
}

bool http_connection_name_client(struct http_connection *connection, const char *forwarded)
{
    struct http_door *door = connection->door;
    struct http_client client;
    if (!connection->is_proxy || !http_client_forwarded(forwarded, &client))
        return true;
    connection->client = door->proxy;
    if (count_of_client(door, &client) >= door->per_client_maximum) {
        door->crowded_out++;
        return false;
    }
    connection->client = client;
    return true;
}

/* Closes the longest waiting one of `client` (NULL: of all), if it has waited long enough. */
static bool door_make_room(struct http_door *door, const struct http_client *client)
{
    uint64_t now_ms = loop_now_ms(door->loop);
    LIST_EACH(link, &door->waiting)
    {
        struct http_connection *one = LIST_OBJECT(link, struct http_connection, link);
        if (client != NULL && !http_client_is_same(&one->client, client))
            continue;
        if (now_ms - one->since_ms < EVICTABLE_AFTER_MS)
            return false;
        door->crowded_out++;
        http_connection_shut(one);
        return true;
    }
    return false;
}

static bool door_has_room(struct http_door *door, const struct http_connection *arriving)
{
    if (!arriving->is_proxy && count_of_client(door, &arriving->client) >= door->per_client_maximum)
        return door_make_room(door, &arriving->client);
    return door->waiting.count + door->busy.count < door->connections_maximum ||
           door_make_room(door, NULL);
}

/* Says 503 as far as that goes without waiting. */
static void socket_refuse(int fd)
{
    static const char words[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n"
                                "Connection: close\r\nContent-Length: 0\r\n\r\n";
    char unread[1024];
    (void)send(fd, words, sizeof words - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(fd, SHUT_WR);
    (void)recv(fd, unread, sizeof unread, MSG_DONTWAIT);
    (void)close(fd);
}

static void door_take(struct http_door *door, int fd, const struct sockaddr *peer,
                      socklen_t peer_bytes)
{
    struct http_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        (void)close(fd);
        return;
    }
    connection->door = door;
    connection->fd = fd;
    connection->client = http_client_of(peer);
    connection->is_proxy =
        door->has_proxy && http_client_is_same(&connection->client, &door->proxy);
    connection->deadline_ms = loop_now_ms(door->loop) + door->request_timeout_ms;
    if (!door_has_room(door, connection)) {
        door->crowded_out++;
        socket_refuse(fd);
        free(connection);
        return;
    }
    door->taken++;
    http_connection_enter(connection, &door->waiting);
    door->on_take(door->context, connection, peer, peer_bytes);
}

static void listener_ready(void *context, unsigned events)
{
    struct http_listener *listener = context;
    (void)events;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t peer_bytes = sizeof peer;
        int fd = accept4(listener->fd, (struct sockaddr *)&peer, &peer_bytes,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            door_take(listener->door, fd, (const struct sockaddr *)&peer, peer_bytes);
            continue;
        }
        /* No descriptor or memory left: the next tick tries again. */
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            loop_poll_set(listener->poll, 0);
        return;
    }
}

static void door_look_at_deadlines(struct http_door *door, const struct list *list)
{
    uint64_t now_ms = loop_now_ms(door->loop);
    LIST_EACH(link, list)
    {
        struct http_connection *one = LIST_OBJECT(link, struct http_connection, link);
        if (now_ms < one->deadline_ms)
            continue;
        door->overdue += one->request != NULL || !one->has_served ? 1 : 0;
        one->deadline_ms = UINT64_MAX;
        http_connection_shut(one);
    }
}

static void door_ticked(void *context)
{
    struct http_door *door = context;
    door_look_at_deadlines(door, &door->waiting);
    door_look_at_deadlines(door, &door->busy);
    for (size_t i = 0; i < door->listener_count; i++)
        loop_poll_set(door->listeners[i].poll, LOOP_READABLE);
    loop_timer_start(door->tick, TICK_MS);
}

bool http_door_configure(struct http_door *door, struct loop *loop, const struct config *config,
                         struct error *error)
{
    const char *proxy = config_text(config, "web", "trusted_proxy");
    door->loop = loop;
    door->connections_maximum = (size_t)config_integer(config, "web", "connections");
    door->per_client_maximum = (size_t)config_integer(config, "web", "connections_per_client");
    door->request_timeout_ms = (uint64_t)config_integer(config, "web", "request_timeout") * 1000;
    door->has_proxy = http_client_parse(proxy, &door->proxy);
    if (*proxy != '\0' && !door->has_proxy)
        return error_set(error, EX_CONFIG, "[web] trusted_proxy: not an address");
    return true;
}

static bool door_listen_at(struct http_door *door, const char *address, struct error *error)
{
    char bound[HTTP_ADDRESS_TEXT_BYTES];
    if (door->listener_count == HTTP_ADDRESSES_MAXIMUM)
        return error_set(error, EX_CONFIG, "more than %d addresses", HTTP_ADDRESSES_MAXIMUM);
    struct http_listener *listener = &door->listeners[door->listener_count];
    listener->door = door;
    listener->fd = http_address_listen(address, error);
    if (listener->fd < 0)
        return false;
    door->listener_count++;
    listener->poll = loop_poll_new(door->loop, listener->fd, listener_ready, listener, error);
    if (listener->poll == NULL)
        return false;
    loop_poll_set(listener->poll, LOOP_READABLE);
    http_address_write(listener->fd, bound);
    LOG(LOG_LEVEL_INFO, "web_listened", log_text("address", bound));
    return true;
}

bool http_door_open(struct http_door *door, const char *addresses, struct error *error)
{
    char one[HTTP_ADDRESS_TEXT_BYTES];
    door->tick = loop_timer_new(door->loop, door_ticked, door);
    if (door->tick == NULL)
        return error_set(error, EX_OSERR, "pages: no memory");
    loop_timer_start(door->tick, TICK_MS);
    for (const char *rest = addresses; rest != NULL;) {
        rest += strspn(rest, " \t");
        size_t size = strcspn(rest, ", \t");
        if (size >= sizeof one)
            size = sizeof one - 1;
        memcpy(one, rest, size);
        one[size] = '\0';
        if (!door_listen_at(door, one, error))
            return error_prefix(error, "[web] listen");
        rest = strchr(rest, ',');
        rest = rest == NULL ? NULL : rest + 1;
    }
    return true;
}

/* Whether bytes have come that nobody has read: a request that must not be dropped. */
static bool has_unread(const struct http_connection *connection)
{
    char byte;
    return recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void listeners_close(struct http_door *door)
{
    for (size_t i = 0; i < door->listener_count; i++) {
        loop_poll_free(door->listeners[i].poll);
        (void)close(door->listeners[i].fd);
    }
    door->listener_count = 0;
}

void http_door_close(struct http_door *door)
{
    listeners_close(door);
    LIST_EACH(link, &door->waiting)
    {
        struct http_connection *one = LIST_OBJECT(link, struct http_connection, link);
        if (one->request == NULL && !has_unread(one))
            http_connection_shut(one);
    }
}

void http_door_free(struct http_door *door)
{
    listeners_close(door);
    loop_timer_free(door->tick);
    door->tick = NULL;
}

bool http_door_is_empty(const struct http_door *door)
{
    return list_is_empty(&door->waiting) && list_is_empty(&door->busy) &&
           list_is_empty(&door->closing);
}
