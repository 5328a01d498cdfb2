/* A small HTTP/1.1 server on the event loop, by libmicrohttpd (named in http.c alone). It takes
 * connections, holds them to their limits, and hands over whole requests; what they mean it does
 * not know.
 *
 * What never reaches the caller: a request line, header or body past its limit (414, 431, 413), a
 * malformed one (400: no Host or two, Content-Length beside Transfer-Encoding, two lengths, another
 * coding than chunked, broken chunks, a character in the URL that may not stand there, NUL
 * included), one over a cap (503, or the connection is closed), and one that is not complete by its
 * deadline (closed). */
#ifndef HANDBELL_IO_HTTP_H
#define HANDBELL_IO_HTTP_H

#include "worker/base/config.h"
#include "worker/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct http_server;
struct http_request;

/* The settings of section [web] that bound what clients may do; ended by a row without section. */
extern const struct setting http_settings[];

/* What happened since the start. */
struct http_counts {
    uint64_t connections; /* taken */
    uint64_t crowded_out; /* refused by a cap, or closed while idle to make room */
    uint64_t requests;    /* handed over */
    uint64_t malformed;   /* refused before that */
    uint64_t overdue;     /* closed at a deadline */
};

/* Listens on the addresses of [web] listen. `on_request` fires in the loop once for each request,
 * which must then be answered exactly once. NULL with `error` (EX_CONFIG, EX_UNAVAILABLE,
 * EX_NOPERM, EX_OSERR). Ended by http_server_free. */
struct http_server *http_server_new(struct loop *loop, const struct config *config,
                                    void (*on_request)(void *context, struct http_request *request),
                                    void *context, struct error *error);
/* Listens no more, closes idle connections, and closes each other one after its answer.
 * `on_stopped` fires once, in a later turn, when none is left. */
void http_server_stop(struct http_server *server, void (*on_stopped)(void *context), void *context);
/* Closes everything at once. Requests that were handed over and not answered are dead from here:
 * answer none of them. NULL is fine. */
void http_server_free(struct http_server *server);
void http_server_count(const struct http_server *server, struct http_counts *counts);

/* Of a request, all borrowed until it is answered: the method as sent ("GET"), the path without its
 * query and as sent (nothing is decoded), the Host header, the Content-Type ("" where there is
 * none), the body. */
const char *http_request_method(const struct http_request *request);
const char *http_request_path(const struct http_request *request);
const char *http_request_host(const struct http_request *request);
const char *http_request_content_type(const struct http_request *request);
const char *http_request_body(const struct http_request *request, size_t *size_bytes);
/* Room for the caller's own pointer, NULL at first. */
void http_request_set_context(struct http_request *request, void *context);
void *http_request_context(const struct http_request *request);

struct http_header {
    const char *name;
    const char *value;
};

/* `headers` end with a NULL name. Content-Length is written by itself; a HEAD request gets the
 * headers alone. */
struct http_answer {
    unsigned status;
    const struct http_header *headers;
    const char *body;
    size_t body_bytes;
};

/* Copies the answer and sends it; the request is dead to the caller from here on. A client that has
 * gone meanwhile changes nothing for the caller. Without memory the connection is closed. */
void http_request_answer(struct http_request *request, const struct http_answer *answer);

#endif
