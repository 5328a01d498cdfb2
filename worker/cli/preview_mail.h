/* A mail from facts that are at hand, by the worker's own writer: what is shown is what would be
 * sent. It sends nothing, and no link in what it makes has any power. */
#ifndef HANDBELL_CLI_PREVIEW_MAIL_H
#define HANDBELL_CLI_PREVIEW_MAIL_H

#include "templates/template_set.h"
#include "worker/base/buf.h"
#include "worker/base/json.h"

enum preview_format { PREVIEW_EML, PREVIEW_TEXT, PREVIEW_HTML };

/* Where a person of the database would be written to: a preview names nobody's real address, and
 * nobody gets it by accident (RFC 2606: .invalid). */
#define PREVIEW_ADDRESS "preview@example.invalid"

/* Appends to `out` the mail of `facts` ({"tenant", "courses", "categories", "message", "lane",
 * "now_unix", "tenant_id"}, as preview_sample_read and the database give them): whole
 * (PREVIEW_EML), or one of its two bodies. In PREVIEW_HTML the logo stands in the page itself, so
 * that a browser shows it. False with `error` as mail_writer_write. */
bool preview_mail_write(const struct template_set *templates, const struct json *facts,
                        enum preview_format format, struct buf *out, struct error *error);

#endif
