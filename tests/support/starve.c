/* Linked into a copy of a program under test, NAME_starved, whose allocations (and those of its
 * JSON library) come here first (--wrap): allocation number N from now fails, and K in all from
 * there on. What the other libraries allocate never fails: how they bear it is not ours to prove.
 *
 * STARVE_AT is "N" or "N K", counted from the start, 0 for none. On SIGUSR2 such an order is read
 * from the file STARVE_ORDER, which is removed, and counted from then. Lines are added to the file
 * STARVE_LOG: "at X" for each failure, where in the program it happened; "seen N" for each order,
 * how many allocations there were since the one before. */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* jansson.h is for base/json.c alone. */
void json_set_alloc_funcs(void *(*allocate)(size_t size), void (*release)(void *memory));

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);

extern const char __executable_start[];

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

static bool fails(const void *caller)
{
    atomic_fetch_add(&starve.seen, 1);
    if (atomic_load(&starve.left) <= 0)
        return false;
    long left = atomic_fetch_sub(&starve.left, 1);
    if (left != 1)
        return false;
    if (atomic_fetch_sub(&starve.more, 1) > 1)
        atomic_store(&starve.left, 1);
    log_line("at", (const char *)caller - __executable_start);
    return true;
}

static void *json_allocate(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __real_malloc(size);
}

__attribute__((constructor)) static void starve_begin(void)
{
    const char *at = getenv("STARVE_AT");
    starve.order_path = getenv("STARVE_ORDER");
    starve.log_path = getenv("STARVE_LOG");
    json_set_alloc_funcs(json_allocate, free);
    if (starve.order_path != NULL)
        (void)signal(SIGUSR2, order_came);
    if (at != NULL)
        order_take(at);
}

void *__wrap_malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
    return fails(__builtin_return_address(0)) ? NULL : __real_strdup(text);
}
