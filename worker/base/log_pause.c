/* When a line is worth another. */
#include "worker/base/log_pause.h"

static uint64_t gap_ms(uint32_t said)
{
    uint64_t gap = said < 8 ? (uint64_t)LOG_PAUSE_BASE_MS << (said - 1) : LOG_PAUSE_CAP_MS;
    return gap < LOG_PAUSE_CAP_MS ? gap : LOG_PAUSE_CAP_MS;
}

bool log_pause_over(struct log_pause *pause, uint64_t now_ms, uint32_t *left_out)
{
    if (pause->said > 0 && now_ms - pause->seen_at_ms > LOG_PAUSE_FORGET_MS)
        log_pause_end(pause);
    pause->seen_at_ms = now_ms;
    if (pause->said > 0 && now_ms - pause->said_at_ms < gap_ms(pause->said)) {
        pause->left_out += pause->left_out < UINT32_MAX;
        return false;
    }
    *left_out = pause->left_out;
    pause->left_out = 0;
    pause->said += pause->said < UINT32_MAX;
    pause->said_at_ms = now_ms;
    return true;
}

void log_pause_end(struct log_pause *pause)
{
    *pause = (struct log_pause){0};
}
