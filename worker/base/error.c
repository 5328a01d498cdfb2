/* Error values: the text is formatted once, where the failure is known, and travels up from there.
 * Knows nothing of who prints it. */
#include "worker/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool error_set(struct error *error, int exit_status, const char *format, ...)
{
    if (!error)
        return false;
    error->exit_status = exit_status;
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(error->text, sizeof(error->text), format, arguments) < 0)
        error->text[0] = '\0';
    va_end(arguments);
    return false;
}

bool error_prefix(struct error *error, const char *format, ...)
{
    if (!error)
        return false;
    char text[ERROR_TEXT_BYTES];
    memcpy(text, error->text, sizeof(text));
    text[sizeof(text) - 1] = '\0';

    char prefix[ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(prefix, sizeof(prefix), format, arguments) < 0)
        prefix[0] = '\0';
    va_end(arguments);

    size_t length = strlen(prefix);
    size_t room = sizeof(error->text) - 1;
    memcpy(error->text, prefix, length);
    const char *parts[] = {": ", text};
    for (size_t i = 0; i < 2; i++) {
        size_t size = strlen(parts[i]);
        if (size > room - length)
            size = room - length;
        memcpy(error->text + length, parts[i], size);
        length += size;
    }
    error->text[length] = '\0';
    return false;
}
