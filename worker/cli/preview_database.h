/* Facts to preview mails with, from the database. It reads alone. */
#ifndef HANDBELL_CLI_PREVIEW_DATABASE_H
#define HANDBELL_CLI_PREVIEW_DATABASE_H

#include "worker/base/json.h"
#include "worker/cli/cli.h"

/* What a mail of `kind` about `course` to `person` (the portal's refs) would be made of, in the
 * shape of preview_sample_read, "tenant_id" besides; `course` and `person` NULL: "tenant" and
 * "tenant_id" alone. The person's address is left out. The caller's, by json_free; NULL with
 * `error`. */
struct json *preview_database_read(const struct cli_arguments *arguments, const char *tenant,
                                   const char *kind, const char *course, const char *person,
                                   struct error *error);

#endif
