/* Made-up facts to preview mails with: the files beside the templates (samples/KIND.json and
 * samples/shared.json), put together to what a claim gives. Knows no template and no database.
 *
 *   shared.json  {"tenants":{NAME:{}}, "people":{NAME:{}}, "courses":[{}], "categories":{}}
 *   KIND.json    {"lane":N, "link_topic":TOPIC or null,
 *                 "samples":{NAME:{"about", "tenant":NAME, "person":NAME, "now_unix":N,
 * "message":{}}}}
 *
 * Names are a-z, 0-9 and '_'. */
#ifndef HANDBELL_CLI_PREVIEW_SAMPLES_H
#define HANDBELL_CLI_PREVIEW_SAMPLES_H

#include "worker/base/error.h"
#include "worker/base/json.h"

#include <stdio.h>

enum { PREVIEW_SAMPLE_FILE_BYTES = 1024 * 1024 };

/* The facts of sample `name` of `kind`, NULL for the first: {"tenant", "courses":[], "categories",
 * "message", "lane", "now_unix"}, with the courses that the message names. `templates` is the
 * templates' folder. The caller's, by json_free; NULL with `error` that names the file or option.
 */
struct json *preview_sample_read(const char *templates, const char *kind, const char *name,
                                 struct error *error);

/* Writes a line a sample: its kind, its name, what it shows. `kind` NULL: of all kinds. */
bool preview_sample_list(const char *templates, const char *kind, FILE *stream,
                         struct error *error);

#endif
