/* Words to the service manager, by libsystemd (named in service.c alone). Without one (no
 * NOTIFY_SOCKET in the environment) each does nothing. */
#ifndef HANDBELL_IO_SERVICE_H
#define HANDBELL_IO_SERVICE_H

#include <stdint.h>

/* The service does its work from now on; also the end of a reload. */
void service_notify_ready(void);
/* Settings are being read anew; service_notify_ready follows, also when the old ones are kept. */
void service_notify_reloading(void);
/* The service is ending. */
void service_notify_stopping(void);

/* Within how many milliseconds the manager must hear service_notify_alive each time, lest it ends
 * this process and starts another (WatchdogSec=); 0: it does not ask. */
uint64_t service_watchdog_ms(void);
/* The service moves on. worker/flow/watchdog.h says it. */
void service_notify_alive(void);

#endif
