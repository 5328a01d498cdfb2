/* libpsl's adapter. */
#include "worker/io/public_suffix.h"

#include <libpsl.h>
#include <stddef.h>
#include <stdlib.h>

struct public_suffix {
    psl_ctx_t *context;
};

struct public_suffix *public_suffix_new(void)
{
    struct public_suffix *suffixes = calloc(1, sizeof *suffixes);
    if (suffixes == NULL)
        return NULL;
    suffixes->context = psl_latest(NULL);
    if (suffixes->context != NULL)
        return suffixes;
    free(suffixes);
    return NULL;
}

void public_suffix_free(struct public_suffix *suffixes)
{
    if (suffixes == NULL)
        return;
    psl_free(suffixes->context);
    free(suffixes);
}

const char *public_suffix_organisation(const struct public_suffix *suffixes, const char *domain)
{
    return suffixes != NULL ? psl_registrable_domain(suffixes->context, domain) : NULL;
}
