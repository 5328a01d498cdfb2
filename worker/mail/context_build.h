/* Small helps for building contexts: values that a section can test, lists in words. For the files
 * of this folder alone. */
#ifndef HANDBELL_MAIL_CONTEXT_BUILD_H
#define HANDBELL_MAIL_CONTEXT_BUILD_H

#include "worker/base/buf.h"
#include "worker/base/json.h"
#include "worker/model/language.h"

/* An object under construction. After `has_failed` (no memory) nothing more is added. */
struct context_builder {
    struct json *object;
    bool has_failed;
};

void context_build_start(struct context_builder *builder);
/* The object, the caller's from now on; NULL when anything failed. */
struct json *context_build_end(struct context_builder *builder);

void context_build_text(struct context_builder *builder, const char *key, const char *text);
/* As context_build_text; failed when the buffer found no memory: a text that is cut must not pass
 * for a whole one. One that met its ceiling is shown as far as it came. */
void context_build_buf(struct context_builder *builder, const char *key, const struct buf *text);
void context_build_bool(struct context_builder *builder, const char *key, bool value);
void context_build_integer(struct context_builder *builder, const char *key, int64_t value);
/* Takes over `value`; NULL counts as failed. */
void context_build_value(struct context_builder *builder, const char *key, struct json *value);

/* Copies facts[key] (which is always set: "" where the fact is no text, so that no section around
 * it lends its own). */
void context_build_fact(struct context_builder *builder, const struct json *facts, const char *key);
/* As above, and "KEY_lines": its lines in a list, for HTML. */
void context_build_fact_lines(struct context_builder *builder, const struct json *facts,
                              const char *key);
/* As context_build_fact, "" unless it is an http or https address without blanks or controls: a
 * link of any other scheme runs in the reader's mail program. */
void context_build_fact_url(struct context_builder *builder, const struct json *facts,
                            const char *key);

/* "Maths", "Maths and Music", "Maths, Music and Art"; in Welsh "Maths, Cerdd ac Addysg". Where a
 * text has an "and" of its own a comma stands before the last: "Staff, and Heads and deputies".
 * `texts` are text values (anything else is ""); `hidden` others are counted: "and 2 more", "a 2
 * arall". */
void context_build_list(struct context_builder *builder, const char *key,
                        const struct json *const *texts, size_t count, size_t hidden,
                        enum language language);

/* {"other":true}: the one that holds of CLDR's categories for `count`. */
void context_build_plural(struct context_builder *builder, const char *key, size_t count,
                          enum language language);

#endif
