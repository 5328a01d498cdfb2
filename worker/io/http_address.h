/* Where pages are served and who asks for them: socket addresses for io/http. It knows no HTTP. */
#ifndef HANDBELL_IO_HTTP_ADDRESS_H
#define HANDBELL_IO_HTTP_ADDRESS_H

#include "worker/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { HTTP_ADDRESS_TEXT_BYTES = 64, HTTP_ADDRESSES_MAXIMUM = 8 };

struct http_address {
    struct sockaddr_storage storage;
    socklen_t size_bytes;
};

/* Whom a cap counts as one: an IPv4 address, or the 64 bits of an IPv6 address that name a network,
 * of which one household or host commonly has all the rest. */
struct http_client {
    uint8_t bytes[16];
};

/* "127.0.0.1:8025" or "[::1]:8025": an address and a port (0: any free one), no names. False with
 * `error` (EX_CONFIG). */
bool http_address_parse(const char *text, struct http_address *address, struct error *error);
/* The same without a port ("127.0.0.1", "::1"): whom an address in a setting or header means. */
bool http_client_parse(const char *text, struct http_client *client);
/* Of an accepted connection's peer. An IPv4 address mapped into IPv6 is that IPv4 address. */
struct http_client http_client_of(const struct sockaddr *peer);
bool http_client_is_same(const struct http_client *a, const struct http_client *b);
/* The last hop of an X-Forwarded-For header: the one that the nearest proxy saw itself; those
 * before it are whatever the client claimed. False where there is none. */
bool http_client_forwarded(const char *header, struct http_client *client);

/* A listening, non-blocking socket that the caller closes; -1 with `error` (EX_UNAVAILABLE, or
 * EX_NOPERM) naming `text`, which is the address as the setting has it. */
int http_address_listen(const char *text, struct error *error);
/* The address that a listening socket got, as http_address_parse reads it. "" when unknown. */
void http_address_write(int fd, char text[HTTP_ADDRESS_TEXT_BYTES]);
/* Raises the soft limit of open files so far that `connections` fit beside what else is open. False
 * with `error` (EX_OSERR) where the hard limit forbids it. */
bool http_descriptors_reserve(size_t connections, struct error *error);

#endif
