/*
 * arena.c
 *	  Memory for many small things that are freed together.
 *
 * Must not know what they are.  Blocks grow up to a size that malloc maps by itself: freed, they go back
 * to the kernel, whatever else lies in the heap.
 */
#include "feed/arena.h"

#include <stdint.h>
#include <stdlib.h>

#define ARENA_BLOCK_MIN (8 * 1024)
#define ARENA_BLOCK_MAX (256 * 1024)

typedef struct FeedArenaBlock
{
	struct FeedArenaBlock *before;
	uint64_t			   bytes[];
} FeedArenaBlock;

static size_t
arena_block_size(const FeedArena *arena, size_t wanted)
{
	size_t size = arena->block == NULL ? ARENA_BLOCK_MIN : arena->size * 2;

	if (size > ARENA_BLOCK_MAX)
		size = ARENA_BLOCK_MAX;
	return size > wanted ? size : wanted;
}

void *
feed_arena_allocate(FeedArena *arena, size_t size)
{
	size_t rounded = (size + sizeof(uint64_t) - 1) / sizeof(uint64_t) * sizeof(uint64_t);
	char  *memory;

	if (arena->block == NULL || rounded > arena->size - arena->used)
	{
		size_t			block_size = arena_block_size(arena, rounded);
		FeedArenaBlock *block = malloc(sizeof(*block) + block_size);

		if (block == NULL)
			return NULL;
		block->before = arena->block;
		*arena = (FeedArena) {.block = block, .size = block_size};
	}
	memory = (char *) arena->block->bytes + arena->used;
	arena->used += rounded;
	return memory;
}

void
feed_arena_free(FeedArena *arena)
{
	while (arena->block != NULL)
	{
		FeedArenaBlock *before = arena->block->before;

		free(arena->block);
		arena->block = before;
	}
	*arena = (FeedArena) {0};
}
