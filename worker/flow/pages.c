/* Loads, links and fills the pages. Must not know routes, tokens or the database. */
#include "worker/flow/pages.h"

#include "templates/template.h"
#include "templates/template_fields.h"
#include "worker/base/crypto.h"
#include "worker/base/file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum {
    PAGES_ARENA_BYTES = 16 * 1024 * 1024,
    PAGES_COUNT = 8,
    HASH_TEXT_BYTES = 48,
    POLICY_BYTES = 256,
    STYLE_BYTES = 64 * 1024,
};

/* The first four in the order of enum page. */
static const char *const names[PAGES_COUNT] = {"ask",    "stopped", "restored", "problem",
                                               "layout", "style",   "who",      "goes_on"};
enum { NAME_OF_STYLE = 5 };

struct pages {
    struct arena arena;
    struct template *templates[PAGES_COUNT];
    char policy[POLICY_BYTES];
};

static bool page_compile(struct pages *pages, size_t index, const char *directory,
                         struct error *error)
{
    char path[PATH_MAX];
    struct buf source;
    (void)snprintf(path, sizeof path, "%.3900s/pages/%s.mustache", directory, names[index]);
    buf_init(&source, TEMPLATE_SOURCE_BYTES);
    if (file_read(path, &source, error))
        pages->templates[index] =
            template_compile(&pages->arena, path, source.data, source.size, error);
    buf_free(&source);
    return pages->templates[index] != NULL;
}

static const struct template *page_find(void *context, const char *name)
{
    const struct pages *pages = context;
    for (size_t i = 0; i < PAGES_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return pages->templates[i];
    return NULL;
}

static bool fields_read(struct pages *pages, const char *directory, struct template_fields *fields,
                        struct error *error)
{
    char path[PATH_MAX];
    struct buf text;
    (void)snprintf(path, sizeof path, "%.3900s/pages/fields", directory);
    buf_init(&text, TEMPLATE_SOURCE_BYTES);
    bool is_read = file_read(path, &text, error) &&
                   template_fields_parse(fields, &pages->arena, path, text.data, text.size, error);
    buf_free(&text);
    return is_read;
}

/* RFC 4648 section 4. */
static void base64_write(const uint8_t *bytes, size_t size, char text[HASH_TEXT_BYTES])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t at = 0;
    for (size_t i = 0; i < size; i += 3) {
        unsigned left = (unsigned)(size - i);
        unsigned bits = (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                        (left > 2 ? bytes[i + 2] : 0);
        text[at++] = alphabet[bits >> 18 & 63];
        text[at++] = alphabet[bits >> 12 & 63];
        text[at++] = left > 1 ? alphabet[bits >> 6 & 63] : '=';
        text[at++] = left > 2 ? alphabet[bits & 63] : '=';
    }
    text[at] = '\0';
}

/* The style sheet stands in each page as the template renders, so its hash is the rendering's. */
static bool policy_write(struct pages *pages, struct error *error)
{
    uint8_t digest[CRYPTO_DIGEST_BYTES];
    char hash[HASH_TEXT_BYTES];
    struct buf style;
    buf_init(&style, STYLE_BYTES);
    bool is_hashed =
        template_render(pages->templates[NAME_OF_STYLE], NULL, 0, TEMPLATE_ESCAPE_HTML, &style) &&
        crypto_sha256(style.data, style.size, digest);
    buf_free(&style);
    if (!is_hashed)
        return error_set(error, EX_CONFIG, "pages: the style sheet cannot be hashed");
    base64_write(digest, sizeof digest, hash);
    (void)snprintf(pages->policy, sizeof pages->policy,
                   "default-src 'none'; style-src 'sha256-%s'; form-action 'self'; "
                   "base-uri 'none'; frame-ancestors 'none'",
                   hash);
    return true;
}

static bool pages_fill(struct pages *pages, const char *directory, struct error *error)
{
    struct template_fields fields = {.count = 0};
    if (!fields_read(pages, directory, &fields, error))
        return false;
    for (size_t i = 0; i < PAGES_COUNT; i++)
        if (!page_compile(pages, i, directory, error))
            return false;
    for (size_t i = 0; i < PAGES_COUNT; i++)
        if (!template_link(pages->templates[i], page_find, pages, true, error))
            return false;
    for (size_t i = PAGE_ASK; i <= PAGE_PROBLEM; i++)
        if (!template_fields_check(&fields, pages->templates[i], error))
            return false;
    return policy_write(pages, error);
}

struct pages *pages_load(const char *directory, struct error *error)
{
    struct pages *pages = calloc(1, sizeof *pages);
    if (pages == NULL) {
        error_set(error, EX_OSERR, "pages: no memory");
        return NULL;
    }
    arena_init(&pages->arena, PAGES_ARENA_BYTES);
    /* What fails without a word of its own has found no memory. */
    struct error problem = {.exit_status = EX_OSERR, .text = "pages: no memory"};
    if (pages_fill(pages, directory, &problem))
        return pages;
    if (error != NULL)
        *error = problem;
    pages_free(pages);
    return NULL;
}

void pages_free(struct pages *pages)
{
    if (pages == NULL)
        return;
    arena_free(&pages->arena);
    free(pages);
}

bool pages_render(const struct pages *pages, enum page page, const struct json *data,
                  struct buf *out)
{
    const struct json *const stack[] = {data};
    return template_render(pages->templates[page], stack, 1, TEMPLATE_ESCAPE_HTML, out);
}

const char *pages_policy(const struct pages *pages)
{
    return pages->policy;
}
