/* Asking the DNS for TXT records, by glibc's resolver (named in dns.c alone), for programs that may
 * wait: a question is asked and its answer read in a process of its own, which ends with the time
 * limit, whatever the name server does. Not for the loop. */
#ifndef HANDBELL_IO_DNS_H
#define HANDBELL_IO_DNS_H

#include "worker/base/config.h"
#include "worker/base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    DNS_TEXTS_MAXIMUM = 64,        /* records of one name; more are left out */
    DNS_TEXT_BYTES = 4096,         /* of one record; what is longer is cut */
    DNS_ANSWER_BYTES = 128 * 1024, /* of all */
    DNS_REASON_BYTES = 80,
};

/* The rows of section [dns]. */
extern const struct setting dns_settings[];

/* `address` is "" for the system's own name servers (/etc/resolv.conf). */
struct dns_options {
    char address[64];
    uint16_t port;
    uint32_t timeout_ms; /* for a whole question, all tries and servers together */
};

/* False with `error` (EX_CONFIG) naming the setting. */
bool dns_options_from_config(const struct config *config, struct dns_options *options,
                             struct error *error);

enum dns_kind {
    DNS_FOUND,      /* at least one text */
    DNS_NONE,       /* the name, or a TXT record of it, does not exist */
    DNS_UNANSWERED, /* no answer in time, or the server could not find one out */
    DNS_MALFORMED,  /* an answer that is none, or a name that cannot be asked for */
};

/* Each text is a record's strings joined (RFC 6376 section 3.6.2.2, RFC 7208 section 3.3),
 * printable ASCII and tabs: any other byte is a '?'. `reason` says why there is none. */
struct dns_texts {
    enum dns_kind kind;
    char reason[DNS_REASON_BYTES];
    size_t count;
    const char *texts[DNS_TEXTS_MAXIMUM];
    char *memory;
};

/* Asks for the TXT records of `name`, and waits. Ended by dns_texts_free. */
void dns_query_txt(const struct dns_options *options, const char *name, struct dns_texts *texts);
void dns_texts_free(struct dns_texts *texts);

#endif
