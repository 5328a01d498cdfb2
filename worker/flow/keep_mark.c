/* The worker adds three fields to the line that SQL began (queue/sql/functions/39_keep_lines.sql).
 */
#include "worker/flow/keep_mark.h"

#include "worker/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* "sent" or "uncertain"; NULL: nobody has read it, or it goes again. */
static const char *outcome_word(const struct message *message)
{
    if (message->is_unsent)
        return NULL;
    if (message->outcome.kind == OUTCOME_SENT)
        return "sent";
    return message->outcome.kind == OUTCOME_UNCERTAIN && message->lane >= LANE_ALERT ? "uncertain"
                                                                                     : NULL;
}

/* A line in the making. No memory is asked for: what was sent is not to be forgotten for want of
 * it.
 */
struct line {
    size_t size;
    bool has_failed;
    char text[KEEP_LINE_BYTES];
};

static void line_append(struct line *line, const char *text)
{
    size_t size = strlen(text);
    if (line->has_failed || size > sizeof line->text - line->size) {
        line->has_failed = true;
        return;
    }
    memcpy(line->text + line->size, text, size);
    line->size += size;
}

static void courses_append(struct line *line, const struct message *message)
{
    const struct json *courses = json_find(message->data, "courses");
    bool is_first = true;
    for (size_t i = 0; i < json_array_count(courses); i++) {
        char id[24];
        (void)snprintf(id, sizeof id, "%" PRId64, json_integer_or(json_array_at(courses, i), 0));
        const char *course = json_find_text(json_find(message->batch->courses, id), "keep");
        if (*course == '\0') /* its ref is gone: nobody states it again */
            continue;
        if (!is_first)
            line_append(line, ",");
        line_append(line, course);
        is_first = false;
    }
}

uint64_t keep_mark_add(struct keep *keep, const struct message *message, int64_t now_us)
{
    const char *outcome = outcome_word(message);
    const char *begin = json_find_text(message->data, "keep");
    char when[32];
    struct line line;
    uint64_t number = 0;

    if (outcome == NULL || *begin == '\0')
        return 0;
    line.size = 0;
    line.has_failed = false;
    (void)snprintf(when, sizeof when, "|%" PRId64 "|", now_us);
    line_append(&line, begin);
    line_append(&line, when);
    line_append(&line, outcome);
    line_append(&line, "|");
    courses_append(&line, message);
    if (!line.has_failed)
        number = keep_add(keep, line.text, line.size);
    if (number == 0)
        LOG(LOG_LEVEL_ERROR, "keep_missed", log_int("tenant", message->tenant_id),
            log_int("message", message->message_id));
    return number;
}
