/* The service manager's side of starting, reloading and stopping. */
#include "worker/io/service.h"

#include "worker/base/clock.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

void service_notify_ready(void)
{
    (void)sd_notify(0, "READY=1");
}

void service_notify_reloading(void)
{
    /* Type=notify-reload wants the time, to tell this reload from the one before. */
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_monotonic_us());
}

void service_notify_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1");
}

uint64_t service_watchdog_ms(void)
{
    uint64_t within_us = 0;
    return sd_watchdog_enabled(0, &within_us) > 0 ? within_us / 1000 : 0;
}

void service_notify_alive(void)
{
    (void)sd_notify(0, "WATCHDOG=1");
}
