/* A timer that tells the service manager of each third of its patience that all is well. */
#include "worker/flow/watchdog.h"

#include "worker/base/log.h"
#include "worker/io/service.h"

enum { TELLS_A_PERIOD = 3 };

static void on_time(void *context)
{
    struct watchdog *watchdog = context;
    bool is_moving = watchdog->is_moving == NULL || watchdog->is_moving(watchdog->context);

    if (is_moving)
        service_notify_alive();
    else if (watchdog->was_moving)
        LOG(LOG_LEVEL_ERROR, "watchdog_silent",
            log_int("within_ms", (int64_t)(watchdog->every_ms * TELLS_A_PERIOD)));
    watchdog->was_moving = is_moving;
    loop_timer_start(watchdog->timer, watchdog->every_ms);
}

bool watchdog_start(struct watchdog *watchdog, struct loop *loop, bool (*is_moving)(void *context),
                    void *context)
{
    uint64_t period_ms = service_watchdog_ms();

    *watchdog = (struct watchdog){.is_moving = is_moving, .context = context, .was_moving = true};
    if (period_ms == 0)
        return true;
    watchdog->every_ms = period_ms > TELLS_A_PERIOD ? period_ms / TELLS_A_PERIOD : 1;
    watchdog->timer = loop_timer_new(loop, on_time, watchdog);
    if (watchdog->timer == NULL)
        return false;
    loop_timer_start(watchdog->timer, 0);
    return true;
}

void watchdog_stop(struct watchdog *watchdog)
{
    loop_timer_free(watchdog->timer);
    watchdog->timer = NULL;
}
