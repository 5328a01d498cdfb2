/* Log lines for journald and for people with grep. Nothing that names a person may pass: a value
 * with an '@' in it is dropped here, whoever wrote it. */
#include "worker/base/log.h"

#include "worker/base/buf.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 8192, VALUE_BYTES = 400 };

static enum log_level lowest_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    lowest_level = level;
}

struct log_field log_int(const char *key, int64_t value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_INT, .number = value, .text = ""};
}

struct log_field log_text(const char *key, const char *value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_TEXT, .text = value ? value : ""};
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_.:/-", c));
}

static void append_value(struct buf *line, const char *text)
{
    if (strchr(text, '@'))
        text = "redacted";
    size_t size = strnlen(text, VALUE_BYTES);
    bool needs_quotes = size == 0;
    for (size_t i = 0; i < size; i++)
        needs_quotes = needs_quotes || !is_plain(text[i]);
    if (!needs_quotes) {
        buf_append(line, text, size);
        return;
    }
    buf_append_char(line, '"');
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f)
            c = '?';
        if (c == '"' || c == '\\')
            buf_append_char(line, '\\');
        buf_append_char(line, (char)c);
    }
    buf_append_char(line, '"');
}

static void append_time(struct buf *line)
{
    struct timespec now = {0};
    struct tm utc = {0};
    char text[sizeof("2026-01-01T00:00:00")];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    if (strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc) == 0)
        text[0] = '\0';
    buf_printf(line, "ts=%s.%03ldZ", text, now.tv_nsec / 1000000);
}

static void write_line(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(STDERR_FILENO, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return; /* there is nowhere left to complain */
        bytes += written;
        size -= (size_t)written;
    }
}

void log_event(enum log_level level, const char *event, const struct log_field *fields,
               size_t field_count)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    if (level < lowest_level)
        return;
    int saved_errno = errno;
    struct buf line;
    buf_init(&line, LINE_BYTES);
    append_time(&line);
    buf_printf(&line, " level=%s event=", names[level]);
    append_value(&line, event);
    for (size_t i = 0; i < field_count; i++) {
        size_t start = line.size;
        buf_printf(&line, " %s=", fields[i].key);
        if (fields[i].kind == LOG_FIELD_INT)
            buf_printf(&line, "%lld", (long long)fields[i].number);
        else
            append_value(&line, fields[i].text);
        if (line.has_failed) { /* drop the field that does not fit, whole, and the rest */
            line.size = start;
            break;
        }
    }
    /* The newline takes the place of the NUL behind the text when the line is full. */
    if (line.capacity > 0) {
        line.data[line.size] = '\n';
        write_line(line.data, line.size + 1);
    }
    buf_free(&line);
    errno = saved_errno;
}
