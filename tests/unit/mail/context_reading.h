/* For tests of contexts: facts from a text, and a look into what became of them. */
#ifndef HANDBELL_TESTS_UNIT_MAIL_CONTEXT_READING_H
#define HANDBELL_TESTS_UNIT_MAIL_CONTEXT_READING_H

#include "worker/mail/context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline struct json *parse(const char *text)
{
    struct error error = {0};
    struct json *json = json_parse(text, strlen(text), &error);
    if (json == NULL)
        fail_msg("%s", error.text);
    return json;
}

/* The value at "courses.0.course.title". */
static inline const struct json *value_at(const struct json *json, const char *path)
{
    for (;;) {
        char key[64];
        size_t size = strcspn(path, ".");
        memcpy(key, path, size);
        key[size] = '\0';
        bool is_index = key[0] >= '0' && key[0] <= '9';
        json = is_index ? json_array_at(json, strtoul(key, NULL, 10)) : json_find(json, key);
        if (path[size] == '\0')
            return json;
        path += size + 1;
    }
}

static inline const char *text_at(const struct json *json, const char *path)
{
    return json_text(value_at(json, path), NULL);
}

static inline bool is_true_at(const struct json *json, const char *path)
{
    return json_kind_of(value_at(json, path)) == JSON_KIND_TRUE;
}

/* The context of a message, all given as JSON; the caller frees it. */
static inline struct json *context_make(enum language language, const char *message,
                                        const char *courses, const char *categories)
{
    struct json *course_facts = parse(courses);
    struct json *message_facts = parse(message);
    struct json *category_facts = parse(categories);
    struct json *by_id = mail_context_by_id(course_facts);
    struct json *views = mail_context_courses(by_id, language);
    const struct mail_context_input input = {.language = language,
                                             .courses = by_id,
                                             .course_views = views,
                                             .categories = category_facts,
                                             .message = message_facts};
    struct json *context = mail_context_message(&input);
    assert_non_null(context);
    json_free(course_facts);
    json_free(message_facts);
    json_free(category_facts);
    json_free(by_id);
    json_free(views);
    return context;
}

#endif
