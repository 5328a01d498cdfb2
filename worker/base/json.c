/* JSON values, by jansson, which no other file names. `struct json` is never defined: it is
 * jansson's json_t under our name. */
#include "worker/base/json.h"

#include <jansson.h>
#include <sysexits.h>

static const json_t *inner(const struct json *value)
{
    return (const json_t *)value;
}

/* jansson counts holders and walks objects through pointers that are not const; neither changes the
 * value that a reader sees. */
static json_t *writable(const struct json *value)
{
    union {
        const struct json *from;
        json_t *to;
    } cast = {.from = value};
    return cast.to;
}

struct json *json_parse(const char *text, size_t size, struct error *error)
{
    json_error_t problem = {0};
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_t *value = json_loadb(text, size, flags, &problem);
    if (value)
        return (struct json *)value;
    /* jansson's own text quotes what it stumbled over, and that may be somebody's address. */
    static const struct {
        enum json_error_code code;
        const char *reason;
    } reasons[] = {
        {json_error_out_of_memory, "out of memory"},
        {json_error_stack_overflow, "nested too deeply"},
        {json_error_premature_end_of_input, "ends too early"},
        {json_error_end_of_input_expected, "more after the end"},
        {json_error_invalid_utf8, "invalid UTF-8"},
        {json_error_duplicate_key, "duplicate key"},
        {json_error_numeric_overflow, "number too large"},
    };
    enum json_error_code code = json_error_code(&problem);
    const char *reason = "malformed";
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].code == code)
            reason = reasons[i].reason;
    }
    error_set(error, EX_DATAERR, "JSON at line %d, column %d: %s", problem.line, problem.column,
              reason);
    return NULL;
}

char *json_print(const struct json *value)
{
    return json_dumps(inner(value), JSON_COMPACT | JSON_ENCODE_ANY);
}

struct json *json_hold(const struct json *value)
{
    return (struct json *)json_incref(writable(value));
}

void json_free(struct json *value)
{
    json_decref(writable(value));
}

enum json_kind json_kind_of(const struct json *value)
{
    if (!value)
        return JSON_KIND_NULL;
    switch (json_typeof(inner(value))) {
    case JSON_OBJECT:
        return JSON_KIND_OBJECT;
    case JSON_ARRAY:
        return JSON_KIND_ARRAY;
    case JSON_STRING:
        return JSON_KIND_TEXT;
    case JSON_INTEGER:
        return JSON_KIND_INTEGER;
    case JSON_REAL:
        return JSON_KIND_REAL;
    case JSON_TRUE:
        return JSON_KIND_TRUE;
    case JSON_FALSE:
        return JSON_KIND_FALSE;
    case JSON_NULL:
        return JSON_KIND_NULL;
    }
    return JSON_KIND_NULL;
}

const struct json *json_find(const struct json *object, const char *key)
{
    return (const struct json *)json_object_get(inner(object), key);
}

size_t json_array_count(const struct json *array)
{
    return json_array_size(inner(array));
}

const struct json *json_array_at(const struct json *array, size_t index)
{
    return (const struct json *)json_array_get(inner(array), index);
}

const char *json_text(const struct json *value, size_t *size)
{
    const char *text = json_string_value(inner(value));
    if (size)
        *size = text ? json_string_length(inner(value)) : 0;
    return text ? text : "";
}

int64_t json_integer_or(const struct json *value, int64_t otherwise)
{
    return json_is_integer(inner(value)) ? json_integer_value(inner(value)) : otherwise;
}

const char *json_find_text(const struct json *object, const char *key)
{
    return json_text(json_find(object, key), NULL);
}

int64_t json_find_integer(const struct json *object, const char *key, int64_t otherwise)
{
    return json_integer_or(json_find(object, key), otherwise);
}

bool json_find_true(const struct json *object, const char *key)
{
    return json_is_true(inner(json_find(object, key)));
}

struct json *json_new_object(void)
{
    return (struct json *)json_object();
}

struct json *json_new_array(void)
{
    return (struct json *)json_array();
}

struct json *json_new_text(const char *text, size_t size)
{
    return (struct json *)json_stringn(text, size);
}

struct json *json_new_integer(int64_t value)
{
    return (struct json *)json_integer(value);
}

struct json *json_new_bool(bool value)
{
    return (struct json *)json_boolean(value);
}

bool json_set(struct json *object, const char *key, struct json *value)
{
    return json_object_set_new(writable(object), key, writable(value)) == 0;
}

bool json_append(struct json *array, struct json *value)
{
    return json_array_append_new(writable(array), writable(value)) == 0;
}

bool json_set_all(struct json *object, const struct json *other)
{
    return !json_is_object(inner(other)) ||
           json_object_update(writable(object), writable(other)) == 0;
}

void json_each(const struct json *object,
               bool (*visit)(void *context, const char *key, const struct json *value),
               void *context)
{
    json_t *walked = writable(object);
    for (void *at = json_object_iter(walked); at; at = json_object_iter_next(walked, at)) {
        const struct json *value = (const struct json *)json_object_iter_value(at);
        if (!visit(context, json_object_iter_key(at), value))
            return;
    }
}
