/* For what goes wrong again and again (a database that is away for a day): it is said at once, then
 * more and more rarely, with how often it was left out. It writes nothing itself. */
#ifndef HANDBELL_BASE_LOG_PAUSE_H
#define HANDBELL_BASE_LOG_PAUSE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LOG_PAUSE_BASE_MS = 10 * 1000,       /* between the first two lines; doubles with each */
    LOG_PAUSE_CAP_MS = 10 * 60 * 1000,   /* to this */
    LOG_PAUSE_FORGET_MS = 20 * 60 * 1000 /* so long without trouble, and the next is news */
};

/* Zeroed: nothing has been said. One for each thing that is said. */
struct log_pause {
    uint64_t said_at_ms;
    uint64_t seen_at_ms;
    uint32_t said;     /* lines in a row */
    uint32_t left_out; /* since the last line */
};

/* It has gone wrong at `now_ms` (monotonic). True: say so, and that it was `left_out` times before
 * without a line. */
bool log_pause_over(struct log_pause *pause, uint64_t now_ms, uint32_t *left_out);
/* All is well again: the next trouble is news. */
void log_pause_end(struct log_pause *pause);

#endif
