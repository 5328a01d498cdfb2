/* Preloaded into a program under test: what the library STARVE_LIBRARY ("libpq", say) allocates
 * fails when a test says so. The library has to bear it; what the program makes of its answer is
 * ours. */
#include "tests/support/starve.h"

#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* glibc's own, under names that nobody replaces. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static struct {
    uintptr_t from;
    uintptr_t to;
} library;

static int object_note(struct dl_phdr_info *object, size_t size, void *context)
{
    const char *name = context;
    (void)size;
    if (strstr(object->dlpi_name, name) == NULL)
        return 0;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || (part->p_flags & PF_X) == 0)
            continue;
        library.from = object->dlpi_addr + part->p_vaddr;
        library.to = library.from + part->p_memsz;
    }
    return 1;
}

__attribute__((constructor)) static void program_begins(void)
{
    char *name = getenv("STARVE_LIBRARY");
    if (name != NULL)
        dl_iterate_phdr(object_note, name);
    starve_begin();
}

static bool fails(const void *caller)
{
    uintptr_t from = (uintptr_t)caller;
    return from >= library.from && from < library.to && starve_fails(caller);
}

void *malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(memory, size);
}

char *strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
    return copy != NULL ? memcpy(copy, text, size) : NULL;
}
