/* Any bytes as a posted form, of either encoding and of any type: refused with nothing kept, or one
 * field of printable ASCII within its sizes. */
#include "worker/model/form.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TYPE_BYTES = 200 };

static void check_text(const char *text, size_t capacity)
{
    size_t size = strnlen(text, capacity);
    if (size == capacity)
        abort();
    for (size_t i = 0; i < size; i++)
        if (text[i] < ' ' || text[i] > '~')
            abort();
}

static void check_form(const char *type, const char *body, size_t size)
{
    struct form_field field;
    bool is_read = form_read(type, body, size, &field);
    check_text(field.name, sizeof field.name);
    check_text(field.value, sizeof field.value);
    if (is_read != (field.name[0] != '\0') || (!is_read && field.value[0] != '\0'))
        abort();
}

/* The first line is a Content-Type, the rest the body. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char type[TYPE_BYTES + 1];
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
    size_t type_size = end == NULL ? 0 : (size_t)(end - data);
    size_t body_size = end == NULL ? size : size - type_size - 1;
    const char *body = (const char *)data + (size - body_size);
    if (type_size > TYPE_BYTES)
        type_size = TYPE_BYTES;
    memcpy(type, data, type_size);
    type[type_size] = '\0';
    check_form(type, body, body_size);
    check_form("application/x-www-form-urlencoded", body, body_size);
    check_form("multipart/form-data; boundary=x", body, body_size);
    return 0;
}
