/* Preloaded into a program under test: allocation number STARVE_AT (from 1) that the program itself
 * or its JSON library asks for fails, once. What the other libraries allocate never fails: how they
 * bear it is not ours to prove. "starved" is written to the file STARVE_LOG when it has happened.
 */
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* glibc's own, under names that nobody replaces. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

enum { RANGES = 2 };

static struct {
    uintptr_t from[RANGES];
    uintptr_t to[RANGES];
    unsigned long left;
    bool is_on;
} starve;

static int object_note(struct dl_phdr_info *object, size_t size, void *context)
{
    unsigned *number = context;
    bool is_program = (*number)++ == 0;
    int range = is_program ? 0 : 1;
    (void)size;
    if (!is_program && strstr(object->dlpi_name, "libjansson") == NULL)
        return 0;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || (part->p_flags & PF_X) == 0)
            continue;
        starve.from[range] = object->dlpi_addr + part->p_vaddr;
        starve.to[range] = starve.from[range] + part->p_memsz;
    }
    return 0;
}

__attribute__((constructor)) static void starve_begin(void)
{
    const char *at = getenv("STARVE_AT");
    unsigned number = 0;
    dl_iterate_phdr(object_note, &number);
    starve.left = at != NULL ? strtoul(at, NULL, 10) : 0;
    starve.is_on = starve.left > 0;
}

static bool fails(const void *caller)
{
    uintptr_t from = (uintptr_t)caller;
    bool is_ours = false;
    if (!starve.is_on)
        return false;
    for (int i = 0; i < RANGES; i++)
        is_ours = is_ours || (from >= starve.from[i] && from < starve.to[i]);
    if (!is_ours || --starve.left > 0)
        return false;
    starve.is_on = false;
    const char *path = getenv("STARVE_LOG");
    int file = path != NULL ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (file >= 0) {
        (void)!write(file, "starved\n", 8);
        close(file);
    }
    return true;
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
