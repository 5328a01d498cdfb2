/* Tells the service manager that this process moves on, as often as it asks, from a timer of the
 * loop: a loop that hangs says nothing and is replaced. What moving on means beyond a turning loop
 * is its owner's word. */
#ifndef HANDBELL_FLOW_WATCHDOG_H
#define HANDBELL_FLOW_WATCHDOG_H

#include "worker/io/loop.h"

#include <stdbool.h>
#include <stdint.h>

/* `timer` is NULL where nobody asks. */
struct watchdog {
    struct loop_timer *timer;
    uint64_t every_ms;
    bool (*is_moving)(void *context); /* NULL: a turning loop is enough */
    void *context;
    bool was_moving;
};

/* Begins to tell, from the loop's next turn on, three times within each period that the manager
 * allows. While `is_moving` answers false it is silent, and the log says so once: the manager then
 * ends the process with SIGABRT. Does nothing where no manager asks. False without memory. */
bool watchdog_start(struct watchdog *watchdog, struct loop *loop, bool (*is_moving)(void *context),
                    void *context);
void watchdog_stop(struct watchdog *watchdog); /* one that was zeroed is fine */

#endif
