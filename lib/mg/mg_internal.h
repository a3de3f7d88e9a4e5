/*
 * mg_internal.h
 *	  The summary in memory: what mg_*.c share and nobody else includes.
 *
 * Libc only.
 */
#ifndef MG_INTERNAL_H
#define MG_INTERNAL_H

#include "mg/mg.h"
#include "mg_hash.h"
#include "mg_table.h"

/* Counters that even the smallest summary has room for; a fuzzer sets less, so that short inputs purge. */
#ifndef MG_ROOM_MIN
#define MG_ROOM_MIN 1024
#endif

/* Items in memory are addressed by 32-bit offsets, and a server's allocations end at 1 GB. */
#define MG_ARENA_MAX ((size_t) 0x3fffffff)

/*
 * The counters are parallel arrays, in the order in which they were listed:
 * a purge reads many lower bounds and moves few items.
 *
 * An item's upper bound is lower + error - spared.  So when the error rises by
 * a merge, no item has to be visited but those listed on both sides, and
 * before the first purge there is no such array at all.
 */
struct MgSummary
{
	MgAllocator allocator;
	int			k;
	bool		known;			/* false: total and error are unknown, and kept at 0 */
	int64_t		total;
	int64_t		error;

	MgKey	   *keys;
	int64_t    *lowers;			/* weight seen since the item was last listed */
	int64_t    *spared;			/* by how much the error rose while it was listed; NULL: 0 for all */
	uint32_t	count;
	uint32_t	capacity;
	MgTable		table;
	uint64_t	seed;

	/* The bytes of long items, in the order of the counters. */
	char	   *arena;
	size_t		arena_used;
	size_t		arena_capacity;
};

static inline int64_t
mg_spared(const MgSummary *summary, uint32_t i)
{
	return summary->spared == NULL ? 0 : summary->spared[i];
}

/* Misra and Gries' counter; can fall below 0. */
static inline int64_t
mg_counter(const MgSummary *summary, uint32_t i)
{
	return summary->lowers[i] - mg_spared(summary, i);
}

static inline MgItem
mg_item(const MgSummary *summary, uint32_t i)
{
	const MgKey *key = &summary->keys[i];

	return (MgItem)
	{
		.bytes = mg_key_short(key) ? (const char *) key : summary->arena + mg_key_offset(key),
		.length = mg_key_length(key),
		.lower = summary->lowers[i],
		.upper = mg_counter(summary, i) + summary->error
	};
}

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
 * Choose the keep counters that stay, k <= keep < count.  Memory: 24 bytes a
 * counter, released before it returns.
 */
extern MgStatus mg_choose(const MgSummary *summary, uint32_t keep, MgChoice *choice);

/* > 0 if a counter ranks before the boundary, 0 if it is equal to it, < 0 if it is dropped. */
static inline int
mg_choice_rank(const MgChoice *choice, int64_t lower, int64_t spared)
{
	int64_t		counter = lower - spared,
				first = choice->by_counter ? counter : lower,
				second = choice->by_counter ? lower : counter;

	return 2 * ((first > choice->first) - (first < choice->first)) +
		(second > choice->second) - (second < choice->second);
}

/* ---- mg_summary.c ---- */

/* Drop all counters but keep of them, and raise the error as needed. */
extern MgStatus mg_purge(MgSummary *summary, uint32_t keep);

/* Is N - sum(max(0, counter)) - (k + 1) * E at least 0, as in every valid summary? */
extern bool mg_credit_holds(const MgSummary *summary);

/* List an item that is not listed yet; *listed is false, and nothing changes, if it is. */
extern MgStatus mg_list(MgSummary *summary, const void *item, size_t length,
						int64_t lower, int64_t spared, bool *listed);

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
