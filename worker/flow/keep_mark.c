/* The worker adds three fields to the line that SQL began (queue/sql/functions/39_keep_lines.sql).
 */
#include "worker/flow/keep_mark.h"

#include "worker/base/buf.h"
#include "worker/base/log.h"

#include <inttypes.h>
#include <stdio.h>

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

static bool courses_append(struct buf *line, const struct message *message)
{
    const struct json *courses = json_find(message->data, "courses");
    bool is_first = true;
    for (size_t i = 0; i < json_array_count(courses); i++) {
        char id[24];
        (void)snprintf(id, sizeof id, "%" PRId64, json_integer_or(json_array_at(courses, i), 0));
        const char *course = json_find_text(json_find(message->batch->courses, id), "keep");
        if (*course == '\0') /* its ref is gone: nobody states it again */
            continue;
        if (!(is_first || buf_append_char(line, ',')) || !buf_append_text(line, course))
            return false;
        is_first = false;
    }
    return true;
}

uint64_t keep_mark_add(struct keep *keep, const struct message *message, int64_t now_us)
{
    const char *outcome = outcome_word(message);
    const char *begin = json_find_text(message->data, "keep");
    struct buf line;
    uint64_t number = 0;

    if (outcome == NULL || *begin == '\0')
        return 0;
    buf_init(&line, KEEP_LINE_BYTES);
    if (buf_printf(&line, "%s|%" PRId64 "|%s|", begin, now_us, outcome) &&
        courses_append(&line, message))
        number = keep_add(keep, line.data, line.size);
    buf_free(&line);
    if (number == 0)
        LOG(LOG_LEVEL_ERROR, "keep_missed", log_int("tenant", message->tenant_id),
            log_int("message", message->message_id));
    return number;
}
