/*
 * mg_internal.h
 *	  The summary in memory: what mg_*.c share and nobody else includes.
 *
 * Libc only.
 */
#ifndef MG_INTERNAL_H
#define MG_INTERNAL_H

#include "mg/mg.h"

/* Counters that even the smallest summary has room for; a fuzzer sets less, so that short inputs purge. */
#ifndef MG_ROOM_MIN
#define MG_ROOM_MIN 1024
#endif

/* Items in memory are addressed by 32-bit offsets, and a server's allocations end at 1 GB. */
#define MG_ARENA_MAX ((size_t) 0x3fffffff)

/*
 * One listed item.  Its upper bound is counter + the summary's error: so a
 * merge adds lower and counter, and an item absent from one side needs no
 * visit at all.
 */
typedef struct MgCounter
{
	int64_t		lower;			/* weight seen since it was last listed */
	int64_t		counter;		/* Misra-Gries' counter; can fall below 0 */
	uint32_t	hash;
	uint32_t	offset;			/* of the item's bytes in the arena */
	uint32_t	length;
} MgCounter;

struct MgSummary
{
	MgAllocator allocator;
	int			k;
	bool		known;			/* false: total and error are unknown, and kept at 0 */
	int64_t		total;
	int64_t		error;

	/* The counters, in the order in which they were listed. */
	MgCounter  *counters;
	uint32_t	count;
	uint32_t	capacity;

	/* Open addressing, linear probing: 0 is free, else an index into counters, plus 1. */
	uint32_t   *table;
	uint32_t	table_mask;		/* size - 1; the size is a power of two, 0 before the first item */
	uint64_t	seed;

	/* The items' bytes, in the order of counters. */
	char	   *arena;
	size_t		arena_used;
	size_t		arena_capacity;
};

/* ---- mg_purge.c ---- */

/*
 * A choice of which counters stay: those that rank before the boundary, and
 * as many of those equal to it as there is room for, in listing order.
 */
typedef struct MgChoice
{
	bool		by_counter;		/* rank by (counter, lower), else by (lower, counter) */
	int64_t		first;			/* the boundary */
	int64_t		second;
	uint32_t	ties;			/* counters equal to the boundary that stay */
	int64_t		dropped;		/* what the error rises by */
} MgChoice;

/*
 * Choose the keep counters that stay, k <= keep < count.  Memory: 16 bytes a
 * counter, released before it returns.
 */
extern MgStatus mg_choose(const MgSummary *summary, uint32_t keep, MgChoice *choice);

/* > 0 if the counter ranks before the boundary, 0 if it is equal to it, < 0 if it is dropped. */
extern int	mg_choice_rank(const MgChoice *choice, const MgCounter *counter);

/* Does this counter stay?  Ask once for each counter, in listing order. */
extern bool mg_choice_keeps(MgChoice *choice, const MgCounter *counter);

/* ---- mg_summary.c ---- */

/* Drop all counters but keep of them, and raise the error as needed. */
extern MgStatus mg_purge(MgSummary *summary, uint32_t keep);

/* Is N - sum(max(0, counter)) - (k + 1) * E at least 0, as in every valid summary? */
extern bool mg_credit_holds(const MgSummary *summary);

/* List an item that is not listed yet; *listed is false, and nothing changes, if it is. */
extern MgStatus mg_list(MgSummary *summary, const void *item, size_t length,
						int64_t lower, int64_t counter, bool *listed);

/* Forget total, error and upper bounds, as merging with a summary that lacks them does. */
extern void mg_make_unknown(MgSummary *summary);

static inline void *
mg_allocate(const MgAllocator *allocator, size_t size)
{
	return allocator->allocate(allocator->context, size);
}

static inline void
mg_release(const MgAllocator *allocator, void *pointer)
{
	if (pointer != NULL)
		allocator->release(allocator->context, pointer);
}

/* Canonical order of items: by bytes, a prefix before what it begins. */
extern int	mg_compare_bytes(const char *a, uint32_t a_length, const char *b, uint32_t b_length);

#endif							/* MG_INTERNAL_H */
