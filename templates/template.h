/* Mustache: a text with holes, compiled once and filled many times. It knows neither mail nor
 * database; what fills it is any JSON value.
 *
 * The language is the Mustache specification's core (variables, sections, inverted sections,
 * comments, partials, delimiters) and its inheritance (parents and blocks; what fills a block may
 * hold blocks in turn, which the same tags fill); no lambdas. One tag is ours: {{words.NAME}}
 * stands for what the mail's language says there (template_words.h). To lines it is a variable:
 * never alone in one, so that the line's end stays. */
#ifndef HANDBELL_TEMPLATES_TEMPLATE_H
#define HANDBELL_TEMPLATES_TEMPLATE_H

#include "worker/base/arena.h"
#include "worker/base/buf.h"
#include "worker/base/error.h"
#include "worker/base/json.h"

/* Limits. A template past the first three is refused at compiling, one past the last two fails at
 * rendering: partials, parents and blocks may call themselves, but not for ever. A step is a tag or
 * a line, 64 bytes of a value, an item of a list, a context that a name is looked for in, or a
 * block that another is compared with; all of them take a fraction of a second. The result's size
 * is the ceiling of the buffer that it is written to. */
enum {
    TEMPLATE_SOURCE_BYTES = 256 * 1024,
    TEMPLATE_NAME_BYTES = 128,
    TEMPLATE_SECTION_DEPTH = 32,
    TEMPLATE_PARTIAL_DEPTH = 16, /* partials, parents and blocks within each other */
    TEMPLATE_RENDER_STEPS = 1000000,
};

/* How {{values}} are written. {{{raw}}} values skip the escape of HTML, never that of a header. In
 * HTML, a text that begins the value of an href, src or action is a link: it is written as "#"
 * unless it starts with https://, http://, mailto:, tel: or cid:. */
enum template_escape {
    TEMPLATE_ESCAPE_HTML,   /* plain_text_append_html */
    TEMPLATE_ESCAPE_TEXT,   /* plain_text_append_body */
    TEMPLATE_ESCAPE_HEADER, /* the whole result is one line: plain_text_append_line */
};

struct template;

/* Compiles `size` bytes. `name` stands for the file in errors ("FILE: line N: ..."). Everything
 * lives in `arena` (name and source are copied). NULL with `error` (EX_CONFIG) set for a tag that
 * is not closed, a section that is not or wrongly closed, an empty or over-long name, and past the
 * limits. Partials are empty until template_link. */
struct template *template_compile(struct arena *arena, const char *name, const char *source,
                                  size_t size, struct error *error);

/* Resolves partials and parents by `find`, which answers NULL for a name it does not know: an error
 * that names file and line when `is_strict`, otherwise rendered as nothing (as the specification
 * says). What `find` answers must live as long as `template`. */
bool template_link(struct template *template,
                   const struct template *(*find)(void *context, const char *name), void *context,
                   bool is_strict, struct error *error);

/* Appends the filled template to `out`. `stack` holds `depth` contexts, the innermost last: a name
 * is looked for from there outwards. A name that is nowhere is empty. False when `out` met its
 * ceiling or found no memory (it says which), or past a rendering limit; `out` then holds what it
 * held before. */
bool template_render(const struct template *template, const struct json *const *stack, size_t depth,
                     enum template_escape escape, struct buf *out);

/* The name given to template_compile. */
const char *template_name(const struct template *template);

#endif
