/* The pages that people see, filled from templates. It knows their words and their looks, not why
 * one of them is shown. */
#ifndef HANDBELL_FLOW_PAGES_H
#define HANDBELL_FLOW_PAGES_H

#include "worker/base/buf.h"
#include "worker/base/error.h"
#include "worker/base/json.h"

#include <stdbool.h>

struct pages;

enum page {
    PAGE_ASK,      /* what would stop, and the button */
    PAGE_STOPPED,  /* it is stopped, and the way back */
    PAGE_RESTORED, /* the opt-out was undone */
    PAGE_PROBLEM,  /* a refusal: data says which */
};

/* Loads all pages of `directory` ([templates] dir): DIRECTORY/pages/NAME.mustache, their variables
 * checked against DIRECTORY/pages/fields. NULL with `error` naming file and line. Ended by
 * pages_free. */
struct pages *pages_load(const char *directory, struct error *error);
void pages_free(struct pages *pages); /* NULL is fine */

/* Appends the page, whole, as UTF-8 HTML. False when `out` met its ceiling. */
bool pages_render(const struct pages *pages, enum page page, const struct json *data,
                  struct buf *out);

/* The Content-Security-Policy under which these pages work and nothing else does: no script, no
 * picture, no font, no frame; this one style sheet, by its hash; forms post to this host alone. */
const char *pages_policy(const struct pages *pages);

#endif
