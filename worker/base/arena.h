/* Memory of one job: many small allocations, freed once, at the job's end. */
#ifndef HANDBELL_BASE_ARENA_H
#define HANDBELL_BASE_ARENA_H

#include <stddef.h>

struct arena_block;

/* `used_bytes` never passes `ceiling_bytes`. */
struct arena {
    struct arena_block *blocks;
    size_t used_bytes;
    size_t ceiling_bytes;
};

/* An empty arena; allocates nothing yet. Ended by arena_free. */
void arena_init(struct arena *arena, size_t ceiling_bytes);
/* `size` zeroed bytes, aligned for any type, alive until arena_reset or arena_free; NULL past the
 * ceiling or without memory. */
void *arena_alloc(struct arena *arena, size_t size);
/* Copies with a NUL behind; NULL as arena_alloc. */
char *arena_copy(struct arena *arena, const char *bytes, size_t size);
char *arena_copy_text(struct arena *arena, const char *text);
/* Frees all that was allocated; reset keeps one block for the next job. */
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

#endif
