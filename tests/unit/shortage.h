/* A shortage of memory, for the one program that includes this: CMakeLists.txt links it with
 * --wrap, so that its allocations come here first. */
#ifndef HANDBELL_TESTS_UNIT_SHORTAGE_H
#define HANDBELL_TESTS_UNIT_SHORTAGE_H

#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);

static struct {
    bool is_on;
    bool stays_short;
    bool has_failed;
    size_t left;
} shortage;

/* After `left` more allocations one fails or, `stays_short`, that one and all behind it. */
static inline void shortage_begin(size_t left, bool stays_short)
{
    shortage.has_failed = false;
    shortage.stays_short = stays_short;
    shortage.left = left;
    shortage.is_on = true;
}

/* True: one did fail. */
static inline bool shortage_end(void)
{
    shortage.is_on = false;
    return shortage.has_failed;
}

static bool shortage_hits(void)
{
    if (!shortage.is_on)
        return false;
    if (shortage.left > 0) {
        shortage.left--;
        return false;
    }
    bool is_first = !shortage.has_failed;
    shortage.has_failed = true;
    return is_first || shortage.stays_short;
}

void *__wrap_malloc(size_t size)
{
    return shortage_hits() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return shortage_hits() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return shortage_hits() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
    return shortage_hits() ? NULL : __real_strdup(text);
}

#endif
