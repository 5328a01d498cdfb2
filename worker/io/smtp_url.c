/* The relay's address, taken apart. Strict: what is not understood is refused, for a misread url
 * could mean sending in the clear. */
#include "worker/io/smtp.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

enum { SMTP_PORT = 25, SMTPS_PORT = 465 };

static bool refuse(struct error *error, const char *reason)
{
    return error_set(error, EX_CONFIG, "url: %s", reason);
}

static bool host_is_local(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &four) == 1)
        return (ntohl(four.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* Copies the host and returns what follows it, or NULL. */
static const char *take_host(const char *at, struct smtp_url *url, struct error *error)
{
    struct in6_addr six;
    bool is_bracketed = *at == '[';
    size_t size;
    at += is_bracketed;
    size = is_bracketed ? strcspn(at, "]") : strcspn(at, ":/?#");
    if (size == 0 || size >= sizeof url->host || (is_bracketed && at[size] != ']')) {
        refuse(error, "has no host, or one that is too long");
        return NULL;
    }
    memcpy(url->host, at, size);
    url->host[size] = '\0';
    if (is_bracketed && inet_pton(AF_INET6, url->host, &six) != 1) {
        refuse(error, "has brackets around something other than an IPv6 address");
        return NULL;
    }
    if (!is_bracketed &&
        url->host[strspn(url->host, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "abcdefghijklmnopqrstuvwxyz0123456789.-_")] != '\0') {
        refuse(error, "has a host with characters that no host name has");
        return NULL;
    }
    return at + size + is_bracketed;
}

static const char *take_port(const char *at, struct smtp_url *url, struct error *error)
{
    size_t digits;
    if (*at != ':')
        return at;
    at++;
    digits = strspn(at, "0123456789");
    url->port = digits >= 1 && digits <= 5 ? (unsigned)strtoul(at, NULL, 10) : 0;
    if (url->port < 1 || url->port > 65535) {
        refuse(error, "has a port that is no number from 1 to 65535");
        return NULL;
    }
    return at + digits;
}

bool smtp_url_parse(const char *text, struct smtp_url *url, struct error *error)
{
    const char *at;
    memset(url, 0, sizeof *url);
    if (strncmp(text, "smtp://", 7) == 0) {
        at = text + 7;
        url->port = SMTP_PORT;
    } else if (strncmp(text, "smtps://", 8) == 0) {
        at = text + 8;
        url->port = SMTPS_PORT;
        url->tls = SMTP_TLS_IMPLICIT;
    } else {
        return refuse(error, "must begin with smtp:// or smtps://");
    }
    if (strchr(at, '@') != NULL)
        return refuse(error, "must not hold a user name or password; see username");
    at = take_host(at, url, error);
    if (at != NULL)
        at = take_port(at, url, error);
    if (at == NULL)
        return false;
    url->is_this_host = host_is_local(url->host);
    if (url->tls != SMTP_TLS_IMPLICIT && !url->is_this_host)
        url->tls = SMTP_TLS_STARTTLS;
    at += *at == '/';
    if (*at == '\0')
        return true;
    if (url->tls == SMTP_TLS_IMPLICIT)
        return refuse(error, "has something behind host and port, which smtps:// has no use for");
    if (strcmp(at, "?tls=required") == 0)
        url->tls = SMTP_TLS_STARTTLS;
    else if (strcmp(at, "?tls=none") == 0)
        url->tls = SMTP_TLS_NONE;
    else
        return refuse(error, "may end in ?tls=required or ?tls=none and nothing else");
    return true;
}
