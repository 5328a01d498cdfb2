/* The rule of window.h. */
#include "worker/model/window.h"

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void window_init(struct window *window, uint32_t most, uint64_t now_ms)
{
    *window = (struct window){
        .most = most,
        .size = least(most, WINDOW_START),
        .threshold = most,
        .grown_at_ms = now_ms,
    };
}

void window_set_most(struct window *window, uint32_t most)
{
    if (window->threshold == window->most)
        window->threshold = most;
    window->most = most;
    window->size = least(window->size, most);
    window->threshold = least(window->threshold, most);
}

void window_count_success(struct window *window)
{
    if (window->size >= window->most)
        return;
    if (window->size >= window->threshold && ++window->successes < window->size)
        return;
    window->successes = 0;
    window->size++;
}

void window_count_failure(struct window *window, uint64_t now_ms)
{
    window->successes = 0;
    if (window->cut_at_ms != 0 && now_ms - window->cut_at_ms < WINDOW_CUT_MS)
        return;
    window->cut_at_ms = now_ms;
    window->grown_at_ms = now_ms;
    window->size = window->size > 1 ? window->size / 2 : 1;
    window->threshold = window->size;
}

void window_pass_time(struct window *window, uint64_t now_ms)
{
    if (window->size >= window->threshold || now_ms - window->grown_at_ms < WINDOW_STEP_MS)
        return;
    window->grown_at_ms = now_ms;
    window->size = least(2 * window->size, window->threshold);
}
