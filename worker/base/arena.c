/* One job's memory: blocks that only grow, given back together. Knows nothing of what is in it. */
#include "worker/base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 8192 };

struct arena_block {
    struct arena_block *next;
    size_t size;
    size_t used;
    max_align_t bytes[];
};

void arena_init(struct arena *arena, size_t ceiling_bytes)
{
    *arena = (struct arena){.ceiling_bytes = ceiling_bytes};
}

/* A block with at least `size` free bytes at the front of the list, or NULL. */
static struct arena_block *block_with_room(struct arena *arena, size_t size)
{
    struct arena_block *block = arena->blocks;
    if (block && block->size - block->used >= size)
        return block;
    size_t block_size = size > BLOCK_BYTES ? size : BLOCK_BYTES;
    block = malloc(sizeof(*block) + block_size);
    if (!block)
        return NULL;
    block->next = arena->blocks;
    block->size = block_size;
    block->used = 0;
    arena->blocks = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t alignment = _Alignof(max_align_t);
    size_t left = arena->ceiling_bytes - arena->used_bytes;
    if (size > left || size > SIZE_MAX / 2)
        return NULL;
    size_t rounded = (size + alignment - 1) / alignment * alignment;
    if (rounded == 0)
        rounded = alignment;
    if (rounded > left)
        return NULL;
    struct arena_block *block = block_with_room(arena, rounded);
    if (!block)
        return NULL;
    void *bytes = (char *)block->bytes + block->used;
    block->used += rounded;
    arena->used_bytes += rounded;
    memset(bytes, 0, rounded);
    return bytes;
}

char *arena_copy(struct arena *arena, const char *bytes, size_t size)
{
    if (size == SIZE_MAX)
        return NULL;
    char *copy = arena_alloc(arena, size + 1);
    if (copy && size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

char *arena_copy_text(struct arena *arena, const char *text)
{
    return arena_copy(arena, text, strlen(text));
}

static void free_blocks(struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_reset(struct arena *arena)
{
    struct arena_block *kept = arena->blocks;
    arena->used_bytes = 0;
    if (!kept)
        return;
    free_blocks(kept->next);
    kept->next = NULL;
    kept->used = 0;
    /* One large job must not make the worker large for good. */
    if (kept->size > BLOCK_BYTES) {
        free(kept);
        arena->blocks = NULL;
    }
}

void arena_free(struct arena *arena)
{
    free_blocks(arena->blocks);
    arena->blocks = NULL;
    arena->used_bytes = 0;
}
