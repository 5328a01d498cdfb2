/* What starve.h says. */
#include "tests/support/starve.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Allocations go on in the pool's threads too. `left`: until the first that fails, 0 when over. */
static struct {
    _Atomic long left;
    _Atomic long more;
    _Atomic long seen;
    const char *order_path;
    const char *log_path;
} starve;

static void log_line(const char *word, long number)
{
    char line[64];
    int file = starve.log_path != NULL
                   ? open(starve.log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)
                   : -1;
    if (file < 0)
        return;
    int size = snprintf(line, sizeof line, "%s %ld\n", word, number);
    (void)!write(file, line, (size_t)size);
    close(file);
}

static void order_take(const char *text)
{
    char *end = NULL;
    long at = strtol(text, &end, 10);
    long count = strtol(end, NULL, 10);
    atomic_store(&starve.seen, 0);
    atomic_store(&starve.more, count > 0 ? count : 1);
    atomic_store(&starve.left, at);
}

static void order_came(int number)
{
    char text[64] = "";
    int file = open(starve.order_path, O_RDONLY | O_CLOEXEC);
    (void)number;
    if (file < 0)
        return;
    ssize_t size = read(file, text, sizeof text - 1);
    close(file);
    log_line("seen", atomic_load(&starve.seen));
    if (size > 0)
        order_take(text);
    unlink(starve.order_path);
}

bool starve_fails(const void *caller)
{
    atomic_fetch_add(&starve.seen, 1);
    if (atomic_load(&starve.left) <= 0)
        return false;
    long left = atomic_fetch_sub(&starve.left, 1);
    if (left != 1)
        return false;
    if (atomic_fetch_sub(&starve.more, 1) > 1)
        atomic_store(&starve.left, 1);
    log_line("at", (long)(intptr_t)caller);
    return true;
}

void starve_begin(void)
{
    const char *at = getenv("STARVE_AT");
    starve.order_path = getenv("STARVE_ORDER");
    starve.log_path = getenv("STARVE_LOG");
    if (starve.order_path != NULL)
        (void)signal(SIGUSR2, order_came);
    if (at != NULL)
        order_take(at);
}
