/* An error is a value that travels up: what went wrong, in words that name the thing, and how a
 * process ends because of it. It must never hold an address, a name, a token or a body. */
#ifndef HANDBELL_BASE_ERROR_H
#define HANDBELL_BASE_ERROR_H

#include <stdbool.h>

enum { ERROR_TEXT_BYTES = 512 };

/* `exit_status` follows sysexits.h: EX_USAGE (64), EX_DATAERR (65), EX_UNAVAILABLE (69),
 * EX_SOFTWARE (70), EX_OSERR (71), EX_IOERR (74), EX_TEMPFAIL (75), EX_CONFIG (78). */
struct error {
    int exit_status;
    char text[ERROR_TEXT_BYTES];
};

/* Fills `error` (which may be NULL: then nothing is kept) and returns false, so that a function can
 * end with `return error_set(error, EX_CONFIG, ...)`. A text longer than the buffer is cut. */
bool error_set(struct error *error, int exit_status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " in front of the text that is there. Returns false. */
bool error_prefix(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
