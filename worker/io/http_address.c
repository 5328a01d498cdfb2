/* Parses addresses, opens listening sockets, and says which client a peer is. Must not know HTTP.
 */
#include "worker/io/http_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

/* Accepted sockets inherit the buffers: what a client does not read, or sends ahead, stays small.
 */
enum { LISTEN_BACKLOG = 512, DESCRIPTORS_BESIDE = 64, BUFFER_BYTES = 64 * 1024 };

static bool port_parse(const char *text, in_port_t *port)
{
    char *end = NULL;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long number = strtoul(text, &end, 10);
    if (*end != '\0' || number > 65535)
        return false;
    *port = htons((uint16_t)number);
    return true;
}

/* Fills `host` with what stands before the last colon, without brackets. */
static bool host_split(const char *text, char host[HTTP_ADDRESS_TEXT_BYTES], const char **port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text)
        return false;
    const char *start = text;
    size_t size = (size_t)(colon - text);
    if (text[0] == '[') {
        if (size < 2 || text[size - 1] != ']')
            return false;
        start++;
        size -= 2;
    }
    if (size == 0 || size >= HTTP_ADDRESS_TEXT_BYTES)
        return false;
    memcpy(host, start, size);
    host[size] = '\0';
    *port = colon + 1;
    return true;
}

bool http_address_parse(const char *text, struct http_address *address, struct error *error)
{
    char host[HTTP_ADDRESS_TEXT_BYTES];
    const char *port = NULL;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address->storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->storage;
    memset(address, 0, sizeof *address);
    if (host_split(text, host, &port)) {
        if (text[0] != '[' && inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
            v4->sin_family = AF_INET;
            address->size_bytes = sizeof *v4;
            if (port_parse(port, &v4->sin_port))
                return true;
        } else if (text[0] == '[' && inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
            v6->sin6_family = AF_INET6;
            address->size_bytes = sizeof *v6;
            if (port_parse(port, &v6->sin6_port))
                return true;
        }
    }
    return error_set(error, EX_CONFIG,
                     "\"%.80s\" is no address and port, like 127.0.0.1:8025 or [::1]:8025", text);
}

static struct http_client client_of_v4(const struct in_addr *address)
{
    struct http_client client = {.bytes = {[10] = 0xff, [11] = 0xff}};
    memcpy(client.bytes + 12, address, 4);
    return client;
}

static struct http_client client_of_v6(const struct in6_addr *address)
{
    struct http_client client = {.bytes = {0}};
    memcpy(client.bytes, address, IN6_IS_ADDR_V4MAPPED(address) ? 16 : 8);
    return client;
}

bool http_client_parse(const char *text, struct http_client *client)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, text, &v4) == 1)
        *client = client_of_v4(&v4);
    else if (inet_pton(AF_INET6, text, &v6) == 1)
        *client = client_of_v6(&v6);
    else
        return false;
    return true;
}

struct http_client http_client_of(const struct sockaddr *peer)
{
    if (peer->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, peer, sizeof v4);
        return client_of_v4(&v4.sin_addr);
    }
    if (peer->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, peer, sizeof v6);
        return client_of_v6(&v6.sin6_addr);
    }
    return (struct http_client){.bytes = {0}};
}

bool http_client_is_same(const struct http_client *a, const struct http_client *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool http_client_forwarded(const char *header, struct http_client *client)
{
    char text[HTTP_ADDRESS_TEXT_BYTES];
    const char *comma = strrchr(header, ',');
    const char *start = comma == NULL ? header : comma + 1;
    start += strspn(start, " \t");
    size_t size = strcspn(start, " \t");
    if (size == 0 || size >= sizeof text || start[size + strspn(start + size, " \t")] != '\0')
        return false;
    memcpy(text, start, size);
    text[size] = '\0';
    return http_client_parse(text, client);
}

static int listen_fail(int fd, const char *text, struct error *error)
{
    error_set(error, errno == EACCES ? EX_NOPERM : EX_UNAVAILABLE, "listening on %s: %s", text,
              strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

int http_address_listen(const char *text, struct error *error)
{
    const int yes = 1;
    const int buffer_bytes = BUFFER_BYTES;
    struct http_address address;
    if (!http_address_parse(text, &address, error))
        return -1;
    int family = address.storage.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return listen_fail(fd, text, error);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0)
        return listen_fail(fd, text, error);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes) != 0)
        return listen_fail(fd, text, error);
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes) != 0)
        return listen_fail(fd, text, error);
    if (bind(fd, (const struct sockaddr *)&address.storage, address.size_bytes) != 0)
        return listen_fail(fd, text, error);
    if (listen(fd, LISTEN_BACKLOG) != 0)
        return listen_fail(fd, text, error);
    return fd;
}

void http_address_write(int fd, char text[HTTP_ADDRESS_TEXT_BYTES])
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    char host[INET6_ADDRSTRLEN];
    socklen_t size = sizeof storage;
    text[0] = '\0';
    if (getsockname(fd, (struct sockaddr *)&storage, &size) != 0)
        return;
    if (storage.ss_family == AF_INET) {
        memcpy(&v4, &storage, sizeof v4);
        if (inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host) != NULL)
            (void)snprintf(text, HTTP_ADDRESS_TEXT_BYTES, "%s:%u", host, ntohs(v4.sin_port));
    } else if (storage.ss_family == AF_INET6) {
        memcpy(&v6, &storage, sizeof v6);
        if (inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host) != NULL)
            (void)snprintf(text, HTTP_ADDRESS_TEXT_BYTES, "[%s]:%u", host, ntohs(v6.sin6_port));
    }
}

bool http_descriptors_reserve(size_t connections, struct error *error)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections + DESCRIPTORS_BESIDE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return error_set(error, EX_OSERR, "limit of open files: %s", strerror(errno));
    if (limit.rlim_cur >= wanted)
        return true;
    if (limit.rlim_max < wanted)
        return error_set(error, EX_OSERR,
                         "%zu connections need %llu open files, and the limit is %llu", connections,
                         (unsigned long long)wanted, (unsigned long long)limit.rlim_max);
    limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return error_set(error, EX_OSERR, "limit of open files: %s", strerror(errno));
    return true;
}
