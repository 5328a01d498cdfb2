/* The log: one key=value line an event on standard error. It carries opaque ids only, and makes
 * sure of it: a text value in which an '@' stands is written as "redacted". */
#ifndef HANDBELL_BASE_LOG_H
#define HANDBELL_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

enum log_field_kind { LOG_FIELD_INT, LOG_FIELD_TEXT };

struct log_field {
    const char *key;
    enum log_field_kind kind;
    int64_t number;
    const char *text;
};

/* Lines below `level` are dropped from now on. Default: LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* An id, a count or a duration. Durations carry their unit in the key (`took_ms`). */
struct log_field log_int(const char *key, int64_t value);
/* A word or a short sentence of our own or of a library. Quoted when it holds more than
 * [A-Za-z0-9_.:/-]; control characters become '?'; cut at 400 bytes; NULL is written as "". */
struct log_field log_text(const char *key, const char *value);

/* Writes `ts=... level=... event=EVENT key=value ...`. `event` is object_verb in the past tense
 * ("message_sent"). One write(2) a line, so that lines of several processes do not mix. */
void log_event(enum log_level level, const char *event, const struct log_field *fields,
               size_t field_count);

/* LOG(LOG_LEVEL_INFO, "message_sent", log_int("message", id), log_text("state", "sent")); */
#define LOG(level, event, ...)                                                                     \
    log_event(level, event, (const struct log_field[]){__VA_ARGS__},                               \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

#endif
