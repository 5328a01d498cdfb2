/* SPF records (RFC 7208) as text: whether one is well formed, and what it asks of the DNS. It asks
 * nothing itself. */
#ifndef HANDBELL_MODEL_SPF_H
#define HANDBELL_MODEL_SPF_H

#include <stdbool.h>
#include <stddef.h>

enum {
    SPF_LOOKUPS_MAXIMUM = 10, /* section 4.6.4 */
    SPF_TERMS_MAXIMUM = 128,
    SPF_DOMAIN_BYTES = 256,
    SPF_PROBLEM_BYTES = 160,
};

enum spf_kind {
    SPF_ALL,
    SPF_INCLUDE,
    SPF_A,
    SPF_MX,
    SPF_PTR,
    SPF_IP4,
    SPF_IP6,
    SPF_EXISTS,
    SPF_REDIRECT,
    SPF_EXPLANATION,
    SPF_OTHER, /* a modifier that this does not know, which is fine (section 6) */
};

/* `domain` is "" where none stands; `has_macro`: it is known only when a mail comes (section 7). */
struct spf_term {
    enum spf_kind kind;
    char qualifier; /* '+', '-', '~', '?' */
    bool has_macro;
    char domain[SPF_DOMAIN_BYTES];
};

struct spf {
    size_t count;
    struct spf_term terms[SPF_TERMS_MAXIMUM];
};

/* Whether a TXT record is one of SPF version 1 (section 4.5). */
bool spf_is_record(const char *text);
/* Takes such a record apart. False, with what is wrong in `problem`, for one that receivers answer
 * with "permerror". */
bool spf_parse(const char *text, struct spf *spf, char problem[SPF_PROBLEM_BYTES]);
/* Whether the term counts as a lookup (section 4.6.4). */
bool spf_term_asks(const struct spf_term *term);
/* The term of that kind that counts (the first), or NULL. */
const struct spf_term *spf_find(const struct spf *spf, enum spf_kind kind);

#endif
