/* Any bytes as JSON: refused, or the same value again after printing and parsing. */
#include "worker/base/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool visit(void *context, const char *key, const struct json *value)
{
    size_t *members = context;
    size_t text_size = 0;
    (void)json_text(value, &text_size);
    (void)json_integer_or(value, 0);
    *members += strlen(key) + text_size + json_array_count(value);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct json *value = json_parse((const char *)data, size, &error);
    if (!value) {
        if (error.exit_status == 0 || error.text[0] == '\0')
            abort();
        return 0;
    }
    size_t members = 0;
    json_each(value, visit, &members);
    char *text = json_print(value);
    struct json *again = text ? json_parse(text, strlen(text), &error) : NULL;
    char *same = again ? json_print(again) : NULL;
    /* Only an infinite or an unprintable number may differ; jansson refuses both. */
    if (text && (!same || strcmp(text, same) != 0))
        abort();
    free(text);
    free(same);
    json_free(value);
    json_free(again);
    return 0;
}
