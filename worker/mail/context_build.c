/* Builds JSON objects for templates. Knows no field by name. */
#include "worker/mail/context_build.h"

#include "worker/mail/context.h"

#include <stdio.h>
#include <string.h>

enum { URL_BYTES = 2000, WORDS_BYTES = 64 * 1024, KEY_BYTES = 64 };

void context_build_start(struct context_builder *builder)
{
    builder->object = json_new_object();
    builder->has_failed = builder->object == NULL;
}

struct json *context_build_end(struct context_builder *builder)
{
    struct json *object = builder->object;
    builder->object = NULL;
    if (builder->has_failed) {
        json_free(object);
        return NULL;
    }
    return object;
}

void context_build_value(struct context_builder *builder, const char *key, struct json *value)
{
    if (builder->has_failed)
        json_free(value);
    else if (!json_set(builder->object, key, value))
        builder->has_failed = true;
}

void context_build_text(struct context_builder *builder, const char *key, const char *text)
{
    context_build_value(builder, key, json_new_text(text, strlen(text)));
}

void context_build_buf(struct context_builder *builder, const char *key, const struct buf *text)
{
    if (text->is_out_of_memory)
        builder->has_failed = true;
    else
        context_build_value(builder, key, json_new_text(text->data, text->size));
}

void context_build_bool(struct context_builder *builder, const char *key, bool value)
{
    context_build_value(builder, key, json_new_bool(value));
}

void context_build_integer(struct context_builder *builder, const char *key, int64_t value)
{
    context_build_value(builder, key, json_new_integer(value));
}

void context_build_fact(struct context_builder *builder, const struct json *facts, const char *key)
{
    const struct json *fact = json_find(facts, key);
    if (json_kind_of(fact) == JSON_KIND_TEXT)
        context_build_value(builder, key, json_hold(fact));
    else
        context_build_text(builder, key, "");
}

/* The lines of `text`, without those that are empty at its end. */
static struct json *lines_of(const char *text, size_t size)
{
    struct json *lines = json_new_array();
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    for (size_t start = 0; start < size && lines != NULL;) {
        const char *end = memchr(text + start, '\n', size - start);
        size_t length = end == NULL ? size - start : (size_t)(end - (text + start));
        if (!json_append(lines, json_new_text(text + start, length))) {
            json_free(lines);
            lines = NULL;
        }
        start += length + 1;
    }
    return lines;
}

void context_build_fact_lines(struct context_builder *builder, const struct json *facts,
                              const char *key)
{
    static const char ending[] = "_lines";
    char lines_key[KEY_BYTES];
    size_t key_size = strlen(key);
    if (key_size + sizeof(ending) > sizeof(lines_key)) {
        builder->has_failed = true;
        return;
    }
    memcpy(lines_key, key, key_size);
    memcpy(lines_key + key_size, ending, sizeof(ending));
    size_t size = 0;
    const char *text = json_text(json_find(facts, key), &size);
    context_build_fact(builder, facts, key);
    context_build_value(builder, lines_key, lines_of(text, size));
}

static bool is_web_address(const char *text, size_t size)
{
    bool is_web = strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0;
    for (size_t i = 0; i < size && is_web; i++)
        is_web = (unsigned char)text[i] > ' ' && text[i] != '\x7f';
    return is_web && size <= URL_BYTES;
}

const char *mail_context_url(const struct json *facts, const char *key)
{
    size_t size = 0;
    const char *text = json_text(json_find(facts, key), &size);
    return is_web_address(text, size) ? text : "";
}

void context_build_fact_url(struct context_builder *builder, const struct json *facts,
                            const char *key)
{
    if (mail_context_url(facts, key)[0] != '\0')
        context_build_value(builder, key, json_hold(json_find(facts, key)));
    else
        context_build_text(builder, key, "");
}

/* What stands before the last of several. */
static const char *and_of(enum language language, const char *text, size_t size)
{
    if (language != LANGUAGE_CY)
        return " and ";
    return language_welsh_is_ac(text, size) ? " ac " : " a ";
}

/* "Teachers and Headteachers and leaders" would be three: a comma tells where the last one starts.
 */
static bool holds_and(const struct json *const *texts, size_t count, enum language language)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = json_text(texts[i], NULL);
        if (language == LANGUAGE_CY ? strstr(text, " a ") != NULL || strstr(text, " ac ") != NULL
                                    : strstr(text, " and ") != NULL)
            return true;
    }
    return false;
}

static void append_more(struct buf *words, size_t hidden, bool is_first, enum language language)
{
    char number[24];
    int size = snprintf(number, sizeof(number), "%zu", hidden);
    if (!is_first)
        buf_append_text(words, and_of(language, number, (size_t)size));
    buf_printf(words, language == LANGUAGE_CY ? "%s arall" : "%s more", number);
}

void context_build_list(struct context_builder *builder, const char *key,
                        const struct json *const *texts, size_t count, size_t hidden,
                        enum language language)
{
    struct buf words;
    bool has_comma = holds_and(texts, count, language);
    buf_init(&words, WORDS_BYTES);
    for (size_t i = 0; i < count; i++) {
        size_t size = 0;
        const char *text = json_text(texts[i], &size);
        bool is_last = i + 1 == count && hidden == 0;
        if (i > 0 && is_last && has_comma)
            buf_append_char(&words, ',');
        if (i > 0)
            buf_append_text(&words, is_last ? and_of(language, text, size) : ", ");
        buf_append(&words, text, size);
    }
    if (hidden > 0)
        append_more(&words, hidden, count == 0, language);
    if (words.has_failed)
        builder->has_failed = true;
    context_build_value(builder, key, json_new_text(words.data, words.size));
    buf_free(&words);
}

void context_build_plural(struct context_builder *builder, const char *key, size_t count,
                          enum language language)
{
    struct context_builder plural;
    context_build_start(&plural);
    context_build_bool(&plural, language_plural_name(language_plural_of(language, count)), true);
    context_build_value(builder, key, context_build_end(&plural));
}
