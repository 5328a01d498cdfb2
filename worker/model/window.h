/* How many sessions a relay is used with at a time: few at first and soon more, half as many when
 * it says that it has too much, and then one more for each round that goes well (slow start,
 * additive increase and multiplicative decrease, as RFC 5681 section 3.1 has it for segments).
 * Pure: time comes in as an argument. */
#ifndef HANDBELL_MODEL_WINDOW_H
#define HANDBELL_MODEL_WINDOW_H

#include <stdint.h>

enum {
    WINDOW_START = 4,
    /* What failed together is one failure: sessions that were under way at the cut say nothing of
       the size after it. */
    WINDOW_CUT_MS = 1000,
    WINDOW_STEP_MS = 500, /* slow start goes on by itself so often, for a relay may answer late */
};

/* `size` is from 1 to `most`. Below `threshold` it grows fast. */
struct window {
    uint32_t most;
    uint32_t size;
    uint32_t threshold;
    uint32_t successes; /* since it last grew, above the threshold */
    uint64_t cut_at_ms; /* 0: never */
    uint64_t grown_at_ms;
};

/* `most` is at least 1. */
void window_init(struct window *window, uint32_t most, uint64_t now_ms);
/* Another bound: what was learnt stays. */
void window_set_most(struct window *window, uint32_t most);
/* A mail was answered, in whatever way, by a relay that had room for it. */
void window_count_success(struct window *window);
/* The relay said 421, or refused for a while for its own sake. */
void window_count_failure(struct window *window, uint64_t now_ms);
/* Time has passed, and there was work for all sessions. */
void window_pass_time(struct window *window, uint64_t now_ms);

#endif
