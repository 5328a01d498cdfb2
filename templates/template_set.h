/* All templates of a directory, loaded whole or not at all, in every language, and what tenants
 * have put in their place.
 *
 *   DIRECTORY/KIND/subject.mustache, text.mustache, html.mustache, fields, words.LANGUAGE
 *   DIRECTORY/partials/NAME.mustache (reached from any kind as {{>NAME}} or {{<NAME}}), fields,
 *   words.LANGUAGE
 *
 * `partials/fields` declares what every kind has; KIND/fields what that kind has besides. Names are
 * a-z, 0-9 and '_'. {{words.NAME}} stands for what the mail's language calls it: the kind's word
 * first, then the partials' (template_words.h). A kind has the languages that it has words files
 * for, en-GB always among them; one without any is in en-GB, with its text in the templates.
 * Anything else in DIRECTORY that is no folder is left alone, and so are DIRECTORY/pages and
 * DIRECTORY/samples.
 *
 * A tenant's own lie in OVERRIDES/SLUG, in folders and files of the same names: each file stands in
 * the place of the shipped one, each word in the place of the shipped word. `fields` stay the
 * shipped ones; a folder, file or language that has no shipped counterpart is a mistake, and so is
 * a word that no template in force names. What a tenant does not override is shared, not copied.
 *
 * A mistake in a tenant's own files stops nobody else. The set is loaded, that tenant has the
 * shipped templates alone (a mixture of old and new might say half of what was meant), and the
 * mistake is kept as a problem. It is for the caller to weigh: a worker that starts logs it and
 * sends, because a notice in the shipped words is better than none; a reload is refused as for any
 * other mistake, because what was loaded before is better still; `handbell check` fails. */
#ifndef HANDBELL_TEMPLATES_TEMPLATE_SET_H
#define HANDBELL_TEMPLATES_TEMPLATE_SET_H

#include "templates/template.h"
#include "worker/base/config.h"

/* [templates] dir and overrides; ended by a row whose section is NULL. */
extern const struct setting template_settings[];

/* Past a limit is a mistake. All files of DIRECTORY, and all of a tenant, may also hold only so
 * many bytes together. */
enum {
    TEMPLATE_SET_BYTES = 8 * 1024 * 1024,
    TEMPLATE_TENANT_BYTES = 1024 * 1024,
    TEMPLATE_KINDS_MAXIMUM = 128,
    TEMPLATE_PARTIALS_MAXIMUM = 128,
    TEMPLATE_LANGUAGES_MAXIMUM = 16,
    TEMPLATE_TENANTS_MAXIMUM = 10000,
};

/* The language that is left when a mail's others are not there. */
#define TEMPLATE_LAST_LANGUAGE "en-GB"

/* A kind in one language. */
struct template_kind {
    const char *name;
    const char *language;           /* BCP 47, as its words file is called: what lang= says */
    const struct template *subject; /* render with TEMPLATE_ESCAPE_HEADER */
    const struct template *text;    /* TEMPLATE_ESCAPE_TEXT */
    const struct template *html;    /* TEMPLATE_ESCAPE_HTML */
};

struct template_set;

/* `overrides` "" or NULL: no tenant has any. NULL with `error` (EX_CONFIG, EX_NOINPUT, EX_OSERR)
 * naming file and line. Ended by template_set_free. */
struct template_set *template_set_load(const char *directory, const char *overrides,
                                       struct error *error);
void template_set_free(struct template_set *set);

/* The kind's templates for a mail of that tenant, borrowed until the set is freed; NULL where there
 * is no such kind. The first of `languages` (BCP 47, in the order of preference; "" and NULL are
 * passed over) that the kind has decides: as it is written, then shortened from the end as RFC 4647
 * section 3.4 says ("cy-GB" is served by "cy"), then by any other of the same first subtag ("en-US"
 * by "en-GB"). Where the kind has none of them, en-GB. What was chosen is in `language`. */
const struct template_kind *template_set_find(const struct template_set *set,
                                              const char *tenant_slug, const char *kind,
                                              const char *const *languages, size_t language_count);

/* Whether the kind has words in just that language (letters' case aside). */
bool template_set_has_language(const struct template_set *set, const char *kind,
                               const char *language);

/* The kinds' names, and the languages of all of them, in alphabetical order; `index` is below the
 * count. */
size_t template_set_kind_count(const struct template_set *set);
const char *template_set_kind_at(const struct template_set *set, size_t index);
size_t template_set_language_count(const struct template_set *set);
const char *template_set_language_at(const struct template_set *set, size_t index);

/* How many tenants have templates of their own in force. */
size_t template_set_tenant_count(const struct template_set *set);
/* One for each tenant whose own files are not in force: file, line and what is wrong. */
size_t template_set_problem_count(const struct template_set *set);
const char *template_set_problem_at(const struct template_set *set, size_t index);

#endif
