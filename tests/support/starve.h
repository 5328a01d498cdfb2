/* Allocations that fail when a test says so: allocation number N from now fails, and K in all from
 * there on. starve_linked.c and starve_preload.c ask.
 *
 * STARVE_AT is "N" or "N K", counted from the start, 0 for none. On SIGUSR2 such an order is read
 * from the file STARVE_ORDER, which is removed, and counted from then. Lines are added to the file
 * STARVE_LOG: "at X" for each failure, where in the program it happened; "seen N" for each order,
 * how many allocations there were since the one before. */
#ifndef HANDBELL_TESTS_SUPPORT_STARVE_H
#define HANDBELL_TESTS_SUPPORT_STARVE_H

#include <stdbool.h>

/* To be called once, before the program begins. */
void starve_begin(void);
/* Counts one allocation; true: it fails. Any thread may ask. */
bool starve_fails(const void *caller);

#endif
