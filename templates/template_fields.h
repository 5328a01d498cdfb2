/* What a kind's templates may name: read from its `fields` file and checked when templates are
 * loaded, so that a misspelt variable stops the start instead of leaving a gap in a mail. */
#ifndef HANDBELL_TEMPLATES_TEMPLATE_FIELDS_H
#define HANDBELL_TEMPLATES_TEMPLATE_FIELDS_H

#include "templates/template.h"

enum { TEMPLATE_FIELDS_MAXIMUM = 512 };

/* In alphabetical order. */
struct template_fields {
    const char *names[TEMPLATE_FIELDS_MAXIMUM];
    size_t count;
};

/* Adds the names of a `fields` file: one a line, dotted where it lies inside another
 * ("course.title", also when `course` is a list); blank lines and lines that start with '#' are
 * skipped. Copies into `arena`. False with `error` naming `name` and line for anything else than
 * letters, digits, '_' and single dots, and past the maximum. */
bool template_fields_parse(struct template_fields *fields, struct arena *arena, const char *name,
                           const char *text, size_t size, struct error *error);

/* Whether every variable and section in `template`, in the partials and parents it is linked to and
 * in the words it names, names a declared field from where it stands ({{title}} inside {{#course}}
 * is "course.title", or "title"), every word is there, and every overriding block is one of the
 * parent's. Otherwise false, with file, line and the nearest name in `error`; also where it nests
 * deeper than TEMPLATE_PARTIAL_DEPTH, as what includes itself does, and where it has, with all that
 * it includes, more than some ten thousand tags. What passes never fails by depth. */
bool template_fields_check(const struct template_fields *fields, const struct template *template,
                           struct error *error);

#endif
