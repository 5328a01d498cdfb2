/* Is the head of a request one that we take? Pure rules of RFC 9112, without a socket. Private to
 * io/http. */
#ifndef HANDBELL_IO_HTTP_HEAD_H
#define HANDBELL_IO_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>

/* `head_bytes` bounds request line and headers together, `uri_bytes` path and query. */
struct http_head_limits {
    size_t head_bytes;
    size_t uri_bytes;
    size_t body_bytes;
};

/* Borrowed texts. Zeroed: nothing seen yet. */
struct http_head {
    const char *method;
    const char *path;
    const char *host;
    const char *content_type;
    const char *forwarded; /* the last X-Forwarded-For */
    const char *length;
    const char *encoding;
    unsigned host_count;
    unsigned length_count;
    unsigned encoding_count;
    unsigned type_count;
    bool has_nul; /* in the request line */
};

/* Notes one header, in the order they came. */
void http_head_add(struct http_head *head, const char *name, const char *value);

/* 0: take it. 400: no Host, two, or one that is none (RFC 9112 section 3.2); Content-Length beside
 * Transfer-Encoding, or two of either, or another coding than chunked (section 6: the ways to
 * smuggle a request); two Content-Types. 413: the body is past the limit. */
unsigned http_head_judge(const struct http_head *head, const struct http_head_limits *limits);

/* Of path and query as sent. 0: take it. 414: past the limit. 400: it does not start with '/', or
 * holds a control, a blank or a byte beyond ASCII, or a '%' in its path, since no path here needs
 * one and "..%2f" has only one use. */
unsigned http_head_judge_uri(const char *uri, size_t uri_bytes,
                             const struct http_head_limits *limits);

/* A line of plain text for one of these, and 503. Static. */
const char *http_head_refusal(unsigned status);

#endif
