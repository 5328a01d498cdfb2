/* Time as plain numbers. Pure rules take it as an argument and never call these. */
#ifndef HANDBELL_BASE_CLOCK_H
#define HANDBELL_BASE_CLOCK_H

#include <stdint.h>

/* CLOCK_BOOTTIME: for time-outs and leases. It does not jump with the wall clock, and goes on while
 * the machine sleeps: a lease that was held before is over afterwards. */
uint64_t clock_monotonic_ms(void);
/* CLOCK_MONOTONIC, which stops while the machine sleeps: what the service manager counts by, and
 * short measurements. Not to be compared with the one above. */
uint64_t clock_monotonic_us(void);
/* Seconds since 1970 by the wall clock: for the Date header and log lines alone. Due times come
 * from the database's clock. */
int64_t clock_unix_seconds(void);
/* The same in microseconds: for what is kept outside the database alone. */
int64_t clock_unix_us(void);

#endif
