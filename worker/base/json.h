/* JSON values, by jansson (named in json.c alone). Texts are UTF-8 with their length; a value is
 * counted, and whoever holds it lets go of it with json_free. */
#ifndef HANDBELL_BASE_JSON_H
#define HANDBELL_BASE_JSON_H

#include "worker/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json; /* opaque: a jansson json_t */

/* No name here is one of jansson's: the program's would take the place of the library's own. */

enum json_kind {
    JSON_KIND_NULL,
    JSON_KIND_FALSE,
    JSON_KIND_TRUE,
    JSON_KIND_INTEGER,
    JSON_KIND_REAL,
    JSON_KIND_TEXT,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT,
};

/* Parses `size` bytes; NULL with `error` set (position and reason, never the text) on a malformed
 * one, a duplicate key, or nesting deeper than 2048. Ended by json_free. */
struct json *json_parse(const char *text, size_t size, struct error *error);
/* Compact text in a malloc'd string that the caller frees with free(); NULL without memory. */
char *json_print(const struct json *value);
/* One more holder; returns `value`. */
struct json *json_hold(const struct json *value);
/* One holder less; NULL is fine. */
void json_free(struct json *value);

enum json_kind json_kind_of(const struct json *value);
/* The member, borrowed; NULL where there is none or `object` is no object (or NULL). */
const struct json *json_find(const struct json *object, const char *key);
/* Members in an array; 0 for anything else. */
size_t json_array_count(const struct json *array);
const struct json *json_array_at(const struct json *array, size_t index);
/* The text, borrowed, and its size; "" and 0 for anything else. `size` may be NULL. */
const char *json_text(const struct json *value, size_t *size);
/* The integer, or `otherwise` for anything else. */
int64_t json_integer_or(const struct json *value, int64_t otherwise);
/* Member shortcuts. */
const char *json_find_text(const struct json *object, const char *key);
int64_t json_find_integer(const struct json *object, const char *key, int64_t otherwise);
bool json_find_true(const struct json *object, const char *key);

/* New values, held by the caller; NULL without memory, or for a text that is no valid UTF-8. */
struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_new_text(const char *text, size_t size);
struct json *json_new_integer(int64_t value);
struct json *json_new_bool(bool value);
/* Both take over `value` (also when they fail, and NULL counts as a failure) and return false
 * without memory. */
bool json_set(struct json *object, const char *key, struct json *value);
bool json_append(struct json *array, struct json *value);
/* Sets each member of `other` in `object`, holding it; nothing where `other` is no object. False
 * without memory, with some of them set. */
bool json_set_all(struct json *object, const struct json *other);
/* Calls `visit` for each member in the order it was set, until one call returns false. */
void json_each(const struct json *object,
               bool (*visit)(void *context, const char *key, const struct json *value),
               void *context);

#endif
