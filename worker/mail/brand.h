/* How a tenant shows itself: name, colour, logo. It knows the facts' names, no template and no
 * MIME. */
#ifndef HANDBELL_MAIL_BRAND_H
#define HANDBELL_MAIL_BRAND_H

#include "worker/base/json.h"

enum { BRAND_LOGO_BYTES = 60000, BRAND_CONTENT_ID_BYTES = 320, BRAND_SIDE_MAXIMUM_PX = 2000 };

/* A picture, decoded. `size` 0: there is none. */
struct brand_logo {
    char *bytes;
    size_t size;
    const char *type; /* "image/png", "image/jpeg" or "image/gif"; static */
    /* "logo.DIGEST@domain of from_address": the same picture has the same, another has another
     * (RFC 2392 section 2). */
    char content_id[BRAND_CONTENT_ID_BYTES];
};

/* Reads tenant.brand.logo: {"type","base64"}. What is no such picture (another type, other first
 * bytes, no base64, larger than BRAND_LOGO_BYTES) counts as none: a mail without its logo says what
 * it has to say. False only without memory. Ended by brand_logo_free. */
bool brand_logo_read(const struct json *tenant, struct brand_logo *logo);
void brand_logo_free(struct brand_logo *logo);

/* What templates see of it (context.h: brand). `logo` may be NULL. The caller frees with json_free;
 * NULL without memory. */
struct json *brand_view(const struct json *tenant, const struct brand_logo *logo);

#endif
