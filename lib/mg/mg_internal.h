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

/* Bytes of the records of a young summary; a fuzzer sets less, too. */
#ifndef MG_YOUNG_MAX
#define MG_YOUNG_MAX 1024
#endif

/* Items in memory are addressed by 32-bit offsets, and a server's allocations end at 1 GB. */
#define MG_ARENA_MAX ((size_t) 0x3fffffff)

#define MG_PAUSE_ITEMS 1024

/*
 * The counters are parallel arrays, in the order in which they were listed:
 * a purge reads many lower bounds and moves few items.
 *
 * An item's upper bound is lower + error - spared.  So when the error rises by
 * a merge, no item has to be visited but those listed on both sides, and
 * before the first purge there is no such array at all.
 *
 * A summary that only few items were added to is young: it has no counters
 * yet, but records in its arena (mg_young.c).  Its error is 0.
 */
struct MgSummary
{
	MgAllocator allocator;
	int			k;
	bool		known; /* false: total and error are unknown, and kept at 0 */
	int64_t		total;
	int64_t		error;

	MgKey	*keys;
	int64_t *lowers; /* weight seen since the item was last listed */
	int64_t *spared; /* by how much the error rose while it was listed; NULL: 0 for all */
	uint32_t count;
	uint32_t capacity;
	MgTable	 table;
	uint64_t seed;

	/* The bytes of long items, in the order of the counters; or the records of a young summary. */
	char	*arena;
	uint32_t arena_used;
	uint32_t arena_capacity;
};

static inline bool
mg_young(const MgSummary *summary)
{
	return summary->capacity == 0;
}

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

	return (MgItem) {.bytes = mg_key_short(key) ? (const char *) key
												: summary->arena + mg_key_offset(key),
					 .length = mg_key_length(key),
					 .lower = summary->lowers[i],
					 .upper = mg_counter(summary, i) + summary->error};
}

/* ---- mg_young.c ---- */

/*
 * Count an item in a young summary.  *added is false, and nothing has changed,
 * if it is too much for one.
 */
extern MgStatus mg_young_add(MgSummary *summary, const void *item, size_t length, uint64_t hash,
							 int64_t weight, bool *added);

/* Read a young summary's items, from *offset 0 on; false after the last one. */
extern bool mg_young_next(const MgSummary *summary, uint32_t *offset, MgItem *item);

/*
 * *view shows the counters of any summary, young or not.  It is for reading,
 * has no table, and ends with mg_view_close or when the summary changes.
 */
extern MgStatus mg_view_open(const MgSummary *summary, MgSummary *view);
extern void		mg_view_close(const MgSummary *summary, MgSummary *view);

/* ---- mg_purge.c ---- */

/* A choice of which counters stay: see mg_choice_rank. */
typedef struct MgChoice
{
	int64_t boundary; /* of the lower bounds */
	int64_t dropped;  /* of Misra and Gries' counters; what the error rises by */
} MgChoice;

/*
 * Choose k <= keep < count counters: no more than that rank above 0, no fewer
 * at or above it.
 */
extern MgStatus mg_choose(const MgSummary *summary, uint32_t keep, MgChoice *choice);

/* > 0 if a counter stays, 0 if it may stay or not, < 0 if it is dropped. */
static inline int
mg_choice_rank(const MgChoice *choice, int64_t lower, int64_t spared)
{
	if (lower > choice->boundary || lower - spared > choice->dropped)
		return 1;
	return lower == choice->boundary ? 0 : -1;
}

/* Keep at most so many counters, and raise the error as needed. */
extern MgStatus mg_purge(MgSummary *summary, uint32_t keep);

/* ---- mg_summary.c ---- */

/* Room for length more bytes in the arena. */
extern MgStatus mg_grow_arena(MgSummary *summary, size_t length);

/* From now on the counters may differ in what they are spared. */
extern MgStatus mg_need_spared(MgSummary *summary);

/* Fill the table anew, after counters have moved. */
extern void mg_fill_table(MgSummary *summary);

/* Is N - sum(max(0, counter)) - (k + 1) * E at least 0, as in every valid summary? */
extern bool mg_credit_holds(const MgSummary *summary);

/* Room for so many items that will be listed: more of them may come, fewer waste it. */
extern MgStatus mg_expect(MgSummary *summary, uint32_t items);

/* List an item that is not listed yet; *listed is false, and nothing changes, if it is. */
extern MgStatus mg_list(MgSummary *summary, const void *item, size_t length, int64_t lower,
						int64_t spared, bool *listed);

/* Forget total, error and upper bounds, as merging with a summary that lacks them does. */
extern void mg_make_unknown(MgSummary *summary);

static inline void *
mg_allocate(const MgAllocator *allocator, size_t size)
{
	return allocator->methods->allocate(allocator->context, size);
}

static inline void
mg_release(const MgAllocator *allocator, void *pointer)
{
	if (pointer != NULL)
		allocator->methods->release(allocator->context, pointer);
}

/* To be called for each item of a loop, with its number. */
static inline void
mg_pause(const MgAllocator *allocator, uint32_t number)
{
	if (number % MG_PAUSE_ITEMS == MG_PAUSE_ITEMS - 1 && allocator->methods->pause != NULL)
		allocator->methods->pause(allocator->context);
}

/* ---- mg_sort.c ---- */

/*
 * The canonical order: highest lower bound first, ties by bytes, a prefix
 * before what it begins.  Fast where the items nearly stand in it.
 */
extern int		mg_compare_items(const MgItem *a, const MgItem *b);
extern MgStatus mg_sort(const MgAllocator *allocator, MgItem *items, uint32_t count);

#endif /* MG_INTERNAL_H */
