/* Linked into a copy of a program under test, NAME_starved, whose allocations (and those of its
 * JSON library) come here first (--wrap). What the other libraries allocate never fails here;
 * libpq's and libcurl's do by starve_preload.c. */
#include "tests/support/starve.h"

#include <stdlib.h>

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

static void *json_allocate(size_t size)
{
    return starve_fails(__builtin_return_address(0)) ? NULL : __real_malloc(size);
}

__attribute__((constructor)) static void program_begins(void)
{
    starve_begin();
    json_set_alloc_funcs(json_allocate, free);
}

void *__wrap_malloc(size_t size)
{
    return starve_fails(__builtin_return_address(0)) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return starve_fails(__builtin_return_address(0)) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return starve_fails(__builtin_return_address(0)) ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
    return starve_fails(__builtin_return_address(0)) ? NULL : __real_strdup(text);
}
