/* `handbell preview`: shows a mail as it would be sent, and sends nothing. */
#include "worker/cli/cli.h"
#include "worker/cli/preview_database.h"
#include "worker/cli/preview_mail.h"
#include "worker/cli/preview_samples.h"
#include "worker/cli/preview_sign.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { PREVIEW_BYTES = 16 * 1024 * 1024, LANGUAGE_BYTES = 35, NAMES_BYTES = 400 };

struct request {
    const struct cli_arguments *arguments;
    const char *templates;
    const char *kind;
    const char *tenant;   /* NULL: the sample's own */
    const char *language; /* NULL: as for the recipient */
    const char *sample;   /* NULL: the kind's first one */
    bool is_sample;
    enum preview_format format;
};

static bool format_read(const char *name, enum preview_format *format)
{
    static const char *const names[] = {
        [PREVIEW_EML] = "eml", [PREVIEW_TEXT] = "text", [PREVIEW_HTML] = "html"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            *format = (enum preview_format)i;
            return true;
        }
    }
    return false;
}

static bool is_language(const char *tag)
{
    static const char characters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    size_t size = strlen(tag);
    return size >= 2 && size <= LANGUAGE_BYTES && strspn(tag, characters) == size;
}

/* The options, and whether they belong together. */
static bool request_read(const struct cli_arguments *arguments, struct request *request,
                         struct error *error)
{
    bool has_course = cli_has_option(arguments, "course");
    bool has_person = cli_has_option(arguments, "person");
    *request = (struct request){
        .arguments = arguments,
        .templates = config_text(arguments->config, "templates", "dir"),
        .kind = cli_option_text(arguments, "kind", NULL),
        .tenant = cli_option_text(arguments, "tenant", NULL),
        .language = cli_option_text(arguments, "language", NULL),
        .sample = arguments->argc > 0 ? arguments->argv[0] : NULL,
        .is_sample = cli_has_option(arguments, "sample"),
    };
    if (request->kind == NULL)
        return error_set(error, EX_USAGE, "--kind is missing; --list names the kinds");
    if (!format_read(cli_option_text(arguments, "format", "eml"), &request->format))
        return error_set(error, EX_USAGE, "--format: must be eml, text or html");
    if (request->language != NULL && !is_language(request->language))
        return error_set(error, EX_USAGE, "--language: must be like en-GB or cy");
    if (request->is_sample && (has_course || has_person))
        return error_set(error, EX_USAGE, "--sample: goes without --course and --person");
    if (!request->is_sample && request->sample != NULL)
        return error_set(error, EX_USAGE, "a sample's name needs --sample before it");
    if (!request->is_sample && (!has_course || !has_person))
        return error_set(error, EX_USAGE, "say --course and --person, or --sample");
    if (!request->is_sample && request->tenant == NULL)
        return error_set(error, EX_USAGE, "--tenant is missing");
    return true;
}

/* `object` with `key` set to `value`, which it takes over; NULL without memory. */
static struct json *object_with(const struct json *object, const char *key, struct json *value)
{
    struct json *copy = json_new_object();
    bool is_whole = json_set_all(copy, object);
    if (json_set(copy, key, value) && is_whole)
        return copy;
    json_free(copy);
    return NULL;
}

/* The recipient's language, and the tenant's for an establishment that has none. */
static bool language_set(struct json *facts, const char *language, struct error *error)
{
    const struct json *message = json_find(facts, "message");
    const struct json *person = json_find(message, "person");
    struct json *tongue = json_new_text(language, strlen(language));
    bool is_set = json_set(facts, "tenant",
                           object_with(json_find(facts, "tenant"), "language", json_hold(tongue)));
    if (is_set && json_kind_of(person) == JSON_KIND_OBJECT)
        is_set = json_set(
            facts, "message",
            object_with(message, "person", object_with(person, "language", json_hold(tongue))));
    json_free(tongue);
    return is_set || error_set(error, EX_OSERR, "no memory");
}

/* The sample, as the tenant of the database would have it sent. Where that tenant cannot be asked
 * for, because there is no database here, or because it is the made-up one, the sample's own is
 * shown under its name, with what the templates' folder has of it, and a line says so. */
static bool sample_tenant_set(const struct request *request, struct json *facts,
                              struct error *error)
{
    const struct json *own = json_find(facts, "tenant");
    bool is_own = strcmp(request->tenant, json_find_text(own, "slug")) == 0;
    struct error problem = {0};
    struct json *asked = preview_database_read(request->arguments, request->tenant, request->kind,
                                               NULL, NULL, &problem);
    struct json *tenant = NULL;
    if (asked != NULL) {
        tenant = json_hold(json_find(asked, "tenant"));
        json_set(facts, "tenant_id", json_hold(json_find(asked, "tenant_id")));
    } else if (is_own || problem.exit_status == EX_UNAVAILABLE) {
        (void)fprintf(stderr, "handbell preview: shown with the sample's own tenant: %s\n",
                      problem.text);
        tenant = object_with(own, "slug", json_new_text(request->tenant, strlen(request->tenant)));
    } else {
        *error = problem;
        return false;
    }
    json_free(asked);
    return json_set(facts, "tenant", tenant) || error_set(error, EX_OSERR, "no memory");
}

static struct json *facts_ask(const struct request *request, struct error *error)
{
    struct json *facts = NULL;
    if (!request->is_sample)
        return preview_database_read(request->arguments, request->tenant, request->kind,
                                     cli_option_text(request->arguments, "course", NULL),
                                     cli_option_text(request->arguments, "person", NULL), error);
    facts = preview_sample_read(request->templates, request->kind, request->sample, error);
    if (facts == NULL || request->tenant == NULL || sample_tenant_set(request, facts, error))
        return facts;
    json_free(facts);
    return NULL;
}

static struct json *facts_find(const struct request *request, struct error *error)
{
    struct json *facts = facts_ask(request, error);
    if (facts == NULL || request->language == NULL || language_set(facts, request->language, error))
        return facts;
    json_free(facts);
    return NULL;
}

/* A mail may name people: what is written to a file is for its owner's eyes. */
static bool output_write(const char *path, const struct buf *out, struct error *error)
{
    int file = path != NULL ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (path == NULL) {
        (void)fwrite(out->data, 1, out->size, stdout); /* cli_main looks at how that went */
        return true;
    }
    if (file < 0)
        return error_set(error, EX_CANTCREAT, "%s: %s", path, strerror(errno));
    size_t done = 0;
    while (done < out->size) {
        ssize_t written = write(file, out->data + done, out->size - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            break;
        done += (size_t)written;
    }
    int problem = done < out->size ? errno : 0;
    if (close(file) != 0 && problem == 0)
        problem = errno;
    return problem == 0 || error_set(error, EX_IOERR, "%s: %s", path, strerror(problem));
}

/* Whoever looks at a tenant's mail must not be shown the shipped one for a mistake in its own. */
static bool tenant_check(const struct template_set *templates, const char *overrides,
                         const char *slug, struct error *error)
{
    char folder[PATH_MAX];
    int size = snprintf(folder, sizeof folder, "%s/%s/", overrides, slug);
    for (size_t i = 0; i < template_set_problem_count(templates); i++) {
        const char *problem = template_set_problem_at(templates, i);
        if (size > 0 && strncmp(problem, folder, (size_t)size) == 0)
            return error_set(error, EX_CONFIG, "%s", problem);
    }
    return true;
}

static bool kind_check(const struct template_set *templates, const char *kind, struct error *error)
{
    char names[NAMES_BYTES] = "";
    size_t size = 0;
    for (size_t i = 0; i < template_set_kind_count(templates); i++) {
        const char *name = template_set_kind_at(templates, i);
        if (strcmp(name, kind) == 0)
            return true;
        if (size < sizeof names)
            size += (size_t)snprintf(names + size, sizeof names - size, "%s%s", i > 0 ? ", " : "",
                                     name);
    }
    return error_set(error, EX_USAGE, "--kind: there is none of that name; there are: %s", names);
}

static bool language_check(const struct template_set *templates, const struct request *request,
                           struct error *error)
{
    char names[NAMES_BYTES] = "";
    size_t size = 0;
    if (request->language == NULL ||
        template_set_has_language(templates, request->kind, request->language))
        return true;
    for (size_t i = 0; i < template_set_language_count(templates); i++) {
        const char *name = template_set_language_at(templates, i);
        if (size < sizeof names && template_set_has_language(templates, request->kind, name))
            size += (size_t)snprintf(names + size, sizeof names - size, "%s%s",
                                     size > 0 ? ", " : "", name);
    }
    return error_set(error, EX_USAGE, "--language: %s is not in that language; it is in: %s",
                     request->kind, names);
}

static bool preview_show(const struct request *request, const struct template_set *templates,
                         struct error *error)
{
    const char *overrides = config_text(request->arguments->config, "templates", "overrides");
    struct buf out;
    if (!kind_check(templates, request->kind, error) || !language_check(templates, request, error))
        return false;
    struct json *facts = facts_find(request, error);
    buf_init(&out, PREVIEW_BYTES);
    bool is_done =
        facts != NULL &&
        tenant_check(templates, overrides, json_find_text(json_find(facts, "tenant"), "slug"),
                     error) &&
        preview_mail_write(templates, facts, request->format, &out, error) &&
        (request->format != PREVIEW_EML ||
         preview_sign(request->arguments->config, json_find(facts, "tenant"), &out, error)) &&
        output_write(cli_option_text(request->arguments, "output", NULL), &out, error);
    buf_free(&out);
    json_free(facts);
    return is_done;
}

static bool preview_write(const struct request *request, struct error *error)
{
    const char *overrides = config_text(request->arguments->config, "templates", "overrides");
    struct template_set *templates = template_set_load(request->templates, overrides, error);
    bool is_done = templates != NULL && preview_show(request, templates, error);
    template_set_free(templates);
    return is_done;
}

int cli_run_preview(const struct cli_arguments *arguments)
{
    struct error error = {0};
    struct request request;
    bool is_done = false;
    if (cli_has_option(arguments, "list"))
        is_done = preview_sample_list(config_text(arguments->config, "templates", "dir"),
                                      cli_option_text(arguments, "kind", NULL), stdout, &error);
    else
        is_done = request_read(arguments, &request, &error) && preview_write(&request, &error);
    return is_done ? EX_OK : cli_fail(arguments, &error);
}
