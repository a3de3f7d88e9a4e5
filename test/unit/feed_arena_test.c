/*
 * feed_arena_test.c
 *	  Pieces of an arena: none overlaps another, each is aligned, and all are freed together.
 */
#include "feed/arena.h"

#include <stdint.h>
#include <string.h>

#include "tap.h"

#define PIECES 5000

static unsigned char *pieces[PIECES];

/* Sizes from 0 on, with one that is larger than any block now and then. */
static size_t
size_of(int number)
{
	return number % 1000 == 999 ? 1000000 : (size_t) number % 300;
}

static bool
filled_with(const unsigned char *piece, size_t size, unsigned char byte)
{
	for (size_t i = 0; i < size; i++)
	{
		if (piece[i] != byte)
			return false;
	}
	return true;
}

int
main(void)
{
	FeedArena arena = {0};

	feed_arena_free(&arena);
	for (int round = 1; round <= 2; round++)
	{
		bool aligned = true;
		bool intact = true;

		for (int i = 0; i < PIECES; i++)
		{
			pieces[i] = feed_arena_allocate(&arena, size_of(i));
			aligned = aligned && pieces[i] != NULL && (uintptr_t) pieces[i] % sizeof(int64_t) == 0;
			memset(pieces[i], i % 251, size_of(i));
		}
		for (int i = 0; i < PIECES; i++)
			intact = intact && filled_with(pieces[i], size_of(i), (unsigned char) (i % 251));
		ok(aligned, "pieces are aligned, round %d", round);
		ok(intact, "each has memory of its own");
		feed_arena_free(&arena);
	}
	return done_testing();
}
