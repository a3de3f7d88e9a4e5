/*
 * mg_purge.c
 *	  Which counters stay when a summary is cut.
 *
 * Libc only.
 *
 * The counters with the largest lower bounds are the best to keep, and the
 * error then becomes the largest upper bound dropped.  That is allowed as
 * long as the credit, N - sum(max(0, counter)) - (k + 1) * E, does not fall
 * below 0, because then (k + 1) * E <= N.  Where the credit does not suffice,
 * Misra and Gries' own rule always does: subtract the (keep + 1)th largest
 * counter from all of them (keep >= k, so that at least k + 1 counters pay).
 */
#include "mg_internal.h"

typedef struct Rank
{
	int64_t		first;
	int64_t		second;
} Rank;

/* > 0 if a ranks before b: the larger first, then the larger second. */
static inline int
rank_compare(const Rank *a, const Rank *b)
{
	if (a->first != b->first)
		return a->first > b->first ? 1 : -1;
	return (a->second > b->second) - (a->second < b->second);
}

static inline void
rank_swap(Rank *a, Rank *b)
{
	Rank		saved = *a;

	*a = *b;
	*b = saved;
}

/*
 * The element of rank n (0 is the highest), by quickselect with three-way
 * partitions.  Pivots are drawn from the summary's seed, so that no input can
 * be prepared on which it is quadratic; the answer does not depend on them.
 */
static Rank
rank_select(Rank *ranks, uint32_t count, uint32_t n, uint64_t seed)
{
	uint32_t	low = 0,
				high = count;	/* ranks[low .. high) holds the answer */

	for (;;)
	{
		uint32_t	before = low,
					next = low,
					after = high;
		Rank		pivot;

		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		pivot = ranks[low + (uint32_t) ((seed >> 32) % (high - low))];
		while (next < after)
		{
			int			order = rank_compare(&ranks[next], &pivot);

			if (order > 0)
				rank_swap(&ranks[before++], &ranks[next++]);
			else if (order < 0)
				rank_swap(&ranks[next], &ranks[--after]);
			else
				next++;
		}
		if (n < before)
			high = before;
		else if (n >= after)
			low = after;
		else
			return pivot;
	}
}

static inline Rank
rank_of(const MgChoice *choice, const MgCounter *counter)
{
	if (choice->by_counter)
		return (Rank) {counter->counter, counter->lower};
	return (Rank) {counter->lower, counter->counter};
}

/* Set the boundary so that keep counters stay, and what dropping the others adds to the error. */
static void
choose_boundary(const MgSummary *summary, uint32_t keep, Rank *ranks, MgChoice *choice)
{
	MgChoice	asked;
	Rank		boundary;
	uint32_t	before = 0;

	for (uint32_t i = 0; i < summary->count; i++)
		ranks[i] = rank_of(choice, &summary->counters[i]);
	boundary = rank_select(ranks, summary->count, keep - 1, summary->seed);
	for (uint32_t i = 0; i < summary->count; i++)
		before += rank_compare(&ranks[i], &boundary) > 0;
	choice->first = boundary.first;
	choice->second = boundary.second;
	choice->ties = keep - before;

	choice->dropped = 0;
	asked = *choice;
	for (uint32_t i = 0; i < summary->count; i++)
	{
		const MgCounter *counter = &summary->counters[i];

		if (!mg_choice_keeps(&asked, counter) && counter->counter > choice->dropped)
			choice->dropped = counter->counter;
	}
}

/* Would the credit stay at or above 0?  Subtracts from N step by step, so that nothing overflows. */
static bool
choice_affordable(const MgSummary *summary, const MgChoice *choice)
{
	MgChoice	asked = *choice;
	int64_t		credit = summary->total;
	int64_t		error = summary->error + choice->dropped;

	if (error > credit / (summary->k + 1))
		return false;
	credit -= error * (summary->k + 1);
	for (uint32_t i = 0; i < summary->count; i++)
	{
		const MgCounter *counter = &summary->counters[i];

		if (mg_choice_keeps(&asked, counter) && counter->counter > choice->dropped)
			credit -= counter->counter - choice->dropped;
		if (credit < 0)
			return false;
	}
	return true;
}

MgStatus
mg_choose(const MgSummary *summary, uint32_t keep, MgChoice *choice)
{
	Rank	   *ranks = mg_allocate(&summary->allocator, summary->count * sizeof(Rank));

	if (ranks == NULL)
		return MG_OUT_OF_MEMORY;
	choice->by_counter = false;
	choose_boundary(summary, keep, ranks, choice);
	if (summary->known && !choice_affordable(summary, choice))
	{
		choice->by_counter = true;
		choose_boundary(summary, keep, ranks, choice);
	}
	if (!summary->known)
		choice->dropped = 0;
	mg_release(&summary->allocator, ranks);
	return MG_OK;
}

int
mg_choice_rank(const MgChoice *choice, const MgCounter *counter)
{
	Rank		rank = rank_of(choice, counter);
	Rank		boundary = {choice->first, choice->second};

	return rank_compare(&rank, &boundary);
}

bool
mg_choice_keeps(MgChoice *choice, const MgCounter *counter)
{
	int			order = mg_choice_rank(choice, counter);

	if (order != 0)
		return order > 0;
	if (choice->ties == 0)
		return false;
	choice->ties--;
	return true;
}
