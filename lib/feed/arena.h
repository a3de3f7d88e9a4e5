/*
 * arena.h
 *	  Memory for many small things that are freed together.
 *
 * Must not know what they are.
 */
#ifndef FEED_ARENA_H
#define FEED_ARENA_H

#include <stddef.h>

/* All zero is a valid start. */
typedef struct FeedArena
{
	struct FeedArenaBlock *block; /* the newest one, which has room; those before it are full */
	size_t				   used;  /* of it */
	size_t				   size;
} FeedArena;

/* Memory that is aligned for pointers and 64-bit integers; NULL when there is none. */
extern void *feed_arena_allocate(FeedArena *arena, size_t size);

/* Free all of it: the arena is as at its start. */
extern void feed_arena_free(FeedArena *arena);

#endif /* FEED_ARENA_H */
