/* All templates of a directory, loaded whole or not at all.
 *
 *   DIRECTORY/KIND/subject.mustache, text.mustache, html.mustache, fields
 *   DIRECTORY/partials/NAME.mustache (reached from any kind as {{>NAME}} or {{<NAME}}), fields
 *
 * `partials/fields` declares what every kind has; KIND/fields what that kind has besides. Names are
 * a-z, 0-9 and '_'. Anything else in DIRECTORY that is no folder is left alone, and so is
 * DIRECTORY/pages. */
#ifndef HANDBELL_TEMPLATES_TEMPLATE_SET_H
#define HANDBELL_TEMPLATES_TEMPLATE_SET_H

#include "templates/template.h"
#include "worker/base/config.h"

/* [templates] dir; ended by a row whose section is NULL. */
extern const struct setting template_settings[];

enum { TEMPLATE_KINDS_MAXIMUM = 128, TEMPLATE_PARTIALS_MAXIMUM = 128 };

struct template_kind {
    const char *name;
    const struct template *subject; /* render with TEMPLATE_ESCAPE_HEADER */
    const struct template *text;    /* TEMPLATE_ESCAPE_TEXT */
    const struct template *html;    /* TEMPLATE_ESCAPE_HTML */
};

struct template_set;

/* NULL with `error` (EX_CONFIG, EX_NOINPUT, EX_OSERR) naming file and line. Ended by
 * template_set_free. */
struct template_set *template_set_load(const char *directory, struct error *error);
void template_set_free(struct template_set *set);

/* Loads `directory` anew and puts it in the place of `*set`, whose templates are freed: no
 * rendering may be under way. On an error false, and `*set` stays what it was. */
bool template_set_reload(struct template_set **set, const char *directory, struct error *error);

/* The kind of that name, borrowed until the set is freed or reloaded; NULL where there is none. */
const struct template_kind *template_set_find(const struct template_set *set, const char *name);
size_t template_set_count(const struct template_set *set);
/* In alphabetical order; `index` is below template_set_count. */
const struct template_kind *template_set_at(const struct template_set *set, size_t index);

#endif
