/* Any bytes as the parts of a mail (split at 0xFE), and as facts: refused by field, or a mail whose
 * headers are only those that we wrote, each line short and of ASCII. */
#include "worker/mail/compose.h"
#include "worker/mail/context.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PART_COUNT = 8, HEADER_CHARACTERS = 998, BODY_CHARACTERS = 76 };

static const char *const header_names[] = {
    "Date:",
    "From:",
    "To:",
    "Reply-To:",
    "Subject:",
    "Message-ID:",
    "MIME-Version:",
    "Content-Type:",
    "Content-Transfer-Encoding:",
    "List-Unsubscribe:",
    "List-Unsubscribe-Post:",
};

static bool is_ours(const char *line)
{
    if (line[0] == ' ')
        return true;
    for (size_t i = 0; i < sizeof(header_names) / sizeof(header_names[0]); i++)
        if (strncmp(line, header_names[i], strlen(header_names[i])) == 0)
            return true;
    return false;
}

/* Addresses may be UTF-8; all else is ASCII. */
static void check_mail(const struct buf *out)
{
    bool is_header = true;
    for (size_t i = 0; i < out->size;) {
        const char *line = out->data + i;
        const char *end = memchr(line, '\n', out->size - i);
        if (end == NULL || end == line || end[-1] != '\r')
            abort();
        size_t size = (size_t)(end - line) - 1;
        if (memchr(line, '\r', size) != NULL || memchr(line, '\0', size) != NULL)
            abort();
        if (size == 0)
            is_header = false;
        else if (is_header && !is_ours(line))
            abort();
        if (size > (is_header ? HEADER_CHARACTERS : BODY_CHARACTERS))
            abort();
        i += size + 2;
    }
}

static void compose(char *parts[PART_COUNT])
{
    const struct mail mail = {
        .from = {parts[0], "courses@example.org"},
        .to = {parts[1], parts[2][0] != '\0' ? parts[2] : "ann@example.net"},
        .reply_to = {parts[1], parts[3]},
        .subject = parts[4],
        .message_id = "1@example.org",
        .unsubscribe_url = parts[5],
        .text = parts[6][0] != '\0' ? parts[6] : "x",
        .html = NULL,
    };
    struct error error = {0};
    struct buf out;
    buf_init(&out, 4 << 20);
    if (mail_compose(&mail, &out, &error))
        check_mail(&out);
    else if (error.text[0] == '\0' || out.size != 0)
        abort();
    buf_free(&out);
}

static void build_contexts(const char *text, size_t size)
{
    struct json *facts = json_parse(text, size, NULL);
    struct brand_logo logo;
    if (!brand_logo_read(facts, &logo))
        abort();
    struct json *tenant = mail_context_tenant(facts, &logo);
    struct json *courses = mail_context_by_id(json_find(facts, "courses"));
    enum language language = size % 2 == 0 ? LANGUAGE_EN_GB : LANGUAGE_CY;
    struct json *views = mail_context_courses(courses, language);
    const struct mail_context_input input = {
        .language = language,
        .tenant_view = tenant,
        .courses = courses,
        .course_views = views,
        .categories = json_find(facts, "categories"),
        .message = facts,
        .opt_out_url = "https://example.org/u/x",
    };
    struct json *context = mail_context_message(&input);
    if (tenant == NULL || courses == NULL || views == NULL || context == NULL)
        abort();
    json_free(context);
    json_free(views);
    json_free(courses);
    json_free(tenant);
    json_free(facts);
    brand_logo_free(&logo);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    char *parts[PART_COUNT];
    if (copy == NULL)
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    char *at = copy;
    for (size_t i = 0; i < PART_COUNT; i++) {
        char *end = memchr(at, 0xfe, (size_t)(copy + size - at));
        parts[i] = at;
        at = end != NULL ? end + 1 : copy + size;
        if (end != NULL)
            *end = '\0';
    }
    compose(parts);
    build_contexts((const char *)data, size);
    free(copy);
    return 0;
}
