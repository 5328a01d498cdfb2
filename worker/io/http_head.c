/* Judges the head of a request by RFC 9112. Must not know sockets or routes. */
#include "worker/io/http_head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HOST_BYTES = 261 }; /* a domain name, a colon and a port */

void http_head_add(struct http_head *head, const char *name, const char *value)
{
    if (strcasecmp(name, "Host") == 0) {
        head->host = value;
        head->host_count++;
    } else if (strcasecmp(name, "Content-Length") == 0) {
        head->length = value;
        head->length_count++;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        head->encoding = value;
        head->encoding_count++;
    } else if (strcasecmp(name, "Content-Type") == 0) {
        head->content_type = value;
        head->type_count++;
    } else if (strcasecmp(name, "X-Forwarded-For") == 0) {
        head->forwarded = value;
    }
}

unsigned http_head_judge_uri(const char *uri, size_t uri_bytes,
                             const struct http_head_limits *limits)
{
    bool is_query = false;
    if (uri_bytes > limits->uri_bytes)
        return 414;
    if (uri_bytes == 0 || uri[0] != '/')
        return 400;
    for (size_t i = 0; i < uri_bytes; i++) {
        if (uri[i] <= ' ' || uri[i] > '~' || (uri[i] == '%' && !is_query))
            return 400;
        is_query |= uri[i] == '?';
    }
    return 0;
}

/* A name or address, and perhaps a port (RFC 3986 section 3.2, as far as hosts of pages go). */
static bool is_host(const char *host)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]";
    size_t size = strlen(host);
    return size > 0 && size <= HOST_BYTES && strspn(host, allowed) == size;
}

static bool is_framed_well(const struct http_head *head)
{
    if (head->length_count + head->encoding_count > 1)
        return false;
    return head->encoding_count == 0 || strcasecmp(head->encoding, "chunked") == 0;
}

unsigned http_head_judge(const struct http_head *head, const struct http_head_limits *limits)
{
    if (head->has_nul || !is_framed_well(head))
        return 400;
    if (head->host_count != 1 || !is_host(head->host) || head->type_count > 1)
        return 400;
    if (head->length_count == 1 && strtoull(head->length, NULL, 10) > limits->body_bytes)
        return 413;
    return 0;
}

const char *http_head_refusal(unsigned status)
{
    switch (status) {
    case 413:
        return "This request is too long.\n";
    case 414:
        return "This address is too long.\n";
    case 503:
        return "There are too many requests at the moment. Please try again in a minute.\n";
    default:
        return "This request is not well formed.\n";
    }
}
