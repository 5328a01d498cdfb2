/* A folder of templates made for one test: a kind, two partials and their fields. */
#ifndef HANDBELL_TESTS_TEMPLATES_FOLDER_H
#define HANDBELL_TESTS_TEMPLATES_FOLDER_H

#include "templates/template_set.h"

#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* `path` is the product's folder; tenants' own lie in `overrides`. */
struct folder {
    char root[64];
    char path[80];
    char overrides[80];
};

static inline void put(const struct folder *folder, const char *name, const char *text)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", folder->path, name);
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static inline void take(const struct folder *folder, const char *name)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", folder->path, name);
    assert_int_equal(remove(path), 0);
}

static inline int folder_make(void **state)
{
    struct folder *folder = calloc(1, sizeof(*folder));
    assert_non_null(folder);
    strcpy(folder->root, "/tmp/handbell-templates-XXXXXX");
    assert_non_null(mkdtemp(folder->root));
    (void)snprintf(folder->path, sizeof(folder->path), "%s/shipped", folder->root);
    (void)snprintf(folder->overrides, sizeof(folder->overrides), "%s/tenants", folder->root);
    put(folder, "partials/fields", "# all\nname\ntenant.name\n");
    put(folder, "partials/page.mustache", "<{{$body}}{{/body}}{{>foot}}>");
    put(folder, "partials/foot.mustache", " by {{tenant.name}}");
    put(folder, "alert/fields", "\ncourses.title\n");
    put(folder, "alert/subject.mustache", "For {{name}}\n");
    put(folder, "alert/text.mustache", "{{#courses}}{{title}} {{/courses}}");
    put(folder, "alert/html.mustache", "{{<page}}{{$body}}{{name}}{{/body}}{{/page}}");
    put(folder, "README", "no folder: left alone");
    *state = folder;
    return 0;
}

/* The same with words in two languages and a second kind; no tenant has its own yet. */
static inline int folder_make_with_words(void **state)
{
    folder_make(state);
    const struct folder *folder = *state;
    put(folder, "partials/foot.mustache", " {{words.by}} {{tenant.name}}");
    put(folder, "partials/words.en-GB", "by = by\nbye = So long\n");
    put(folder, "partials/words.cy", "by = gan\nbye = Hwyl\n");
    put(folder, "alert/text.mustache", "{{words.hello}}\n{{words.bye}}\n");
    put(folder, "alert/words.en-GB", "hello = You're here & <{{name}}>\n");
    put(folder, "alert/words.cy", "hello = Shwmae <{{name}}>\n");
    put(folder, "notice/fields", "");
    put(folder, "notice/subject.mustache", "{{words.title}}");
    put(folder, "notice/text.mustache", "{{words.title}}: {{words.bye}}");
    put(folder, "notice/html.mustache", "{{<page}}{{$body}}{{words.title}}{{/body}}{{/page}}");
    put(folder, "notice/words.en-GB", "title = Notice\n");
    put(folder, "notice/words.cy", "title = Hysbysiad\n");
    put(folder, "../tenants/README", "no folder: left alone");
    return 0;
}

static inline int visit(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static inline int folder_remove(void **state)
{
    struct folder *folder = *state;
    assert_int_equal(nftw(folder->root, visit, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(folder);
    return 0;
}

static inline void render(const struct template *template, enum template_escape escape,
                          const char *expected)
{
    static const char facts[] =
        "{\"name\":\"<A>\",\"tenant\":{\"name\":\"T\"},\"courses\":[{\"title\":\"x\"},"
        "{\"title\":\"y\"}]}";
    struct json *json = json_parse(facts, strlen(facts), NULL);
    const struct json *stack[] = {json};
    struct buf out;
    buf_init(&out, 1000);
    assert_true(template_render(template, stack, 1, escape, &out));
    assert_string_equal(out.data, expected);
    buf_free(&out);
    json_free(json);
}

#endif
