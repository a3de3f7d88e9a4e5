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

/*
 * The value of rank n (0 is the highest), by quickselect with three-way
 * partitions.  Pivots are drawn from the summary's seed, so that no input can
 * be prepared on which it is quadratic; the answer does not depend on them.
 */
static int64_t
quickselect(int64_t *values, uint32_t count, uint32_t n, uint64_t seed)
{
	uint32_t low = 0, high = count; /* values[low .. high) holds the answer */

	while (high - low > 1)
	{
		uint32_t before = low, next = low, after = high;
		int64_t	 pivot;

		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		pivot = values[low + (uint32_t) ((seed >> 32) % (high - low))];
		while (next < after)
		{
			int64_t value = values[next];

			if (value > pivot)
			{
				values[next++] = values[before];
				values[before++] = value;
			}
			else if (value < pivot)
			{
				values[next] = values[--after];
				values[after] = value;
			}
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
	return values[low];
}

#define BINS 252	 /* bin_of(INT64_MAX) + 1, rounded up */
#define EXACT_BINS 8 /* the bins below this have one value each */
#define LANES 4

/* A bin for each value: one each up to 7, then four to each power of two; 0 and below share one. */
static inline uint32_t
bin_of(int64_t value)
{
	int shift;

	value = value > 0 ? value : 0;
	shift = 61 - __builtin_clzll((uint64_t) value | 4);
	return (uint32_t) (shift * 4 + (value >> shift));
}

/*
 * The bin of the value of rank *n, and *n becomes its rank within the bin,
 * which has *size values.  In four lanes, because most values fall into the
 * same few bins, and an increment has to wait for the one before.
 */
static uint32_t
select_bin(const int64_t *values, uint32_t count, uint32_t *n, uint32_t *size)
{
	uint32_t lanes[LANES][BINS] = {{0}};
	uint32_t bin = BINS, i = 0;

	for (; i + LANES <= count; i += LANES)
	{
		lanes[0][bin_of(values[i])]++;
		lanes[1][bin_of(values[i + 1])]++;
		lanes[2][bin_of(values[i + 2])]++;
		lanes[3][bin_of(values[i + 3])]++;
	}
	for (; i < count; i++)
		lanes[0][bin_of(values[i])]++;
	for (i = 0; i < BINS; i++)
		lanes[0][i] += lanes[1][i] + lanes[2][i] + lanes[3][i];
	for (;;)
	{
		*size = lanes[0][--bin];
		if (*n < *size)
			return bin;
		*n -= *size;
	}
}

/*
 * The value of rank n.  A purge meets large and small ones in an order that no
 * branch predictor knows: so they are first counted by bins, without a branch,
 * and only those in the answer's bin are compared, if they differ at all.
 */
static MgStatus
select_value(const MgSummary *summary, const int64_t *values, uint32_t count, uint32_t n,
			 int64_t *value)
{
	uint32_t size, found = 0, bin = select_bin(values, count, &n, &size);
	int64_t *candidates;

	if (bin > 0 && bin < EXACT_BINS)
	{
		*value = bin;
		return MG_OK;
	}
	candidates = mg_allocate(&summary->allocator, size * sizeof(int64_t));
	if (candidates == NULL)
		return MG_OUT_OF_MEMORY;
	for (uint32_t i = 0; i < count; i++)
	{
		if (bin_of(values[i]) == bin)
			candidates[found++] = values[i];
	}
	*value = quickselect(candidates, size, n, summary->seed);
	mg_release(&summary->allocator, candidates);
	return MG_OK;
}

/*
 * What the error rises by if all counters go whose lower bound is not above
 * the boundary; *kept is the sum of Misra and Gries' counters of the others.
 */
static int64_t
largest_dropped(const MgSummary *summary, int64_t boundary, int64_t *kept)
{
	int64_t largest = 0, sum = 0;

	for (uint32_t i = 0; i < summary->count; i++)
	{
		int64_t counter = mg_counter(summary, i),
				stays = summary->lowers[i] > boundary ? counter : 0, goes = counter - stays;

		sum += stays > 0 ? stays : 0;
		largest = goes > largest ? goes : largest;
	}
	*kept = sum;
	return largest;
}

/*
 * Would the credit stay at or above 0?  The counters above 0 add up to no more
 * than N, so that no sum overflows.
 */
static bool
choice_affordable(const MgSummary *summary, const MgChoice *choice, int64_t kept)
{
	int64_t error = summary->error + choice->dropped, credit;

	if (error > summary->total / (summary->k + 1))
		return false;
	credit = summary->total - error * (summary->k + 1);
	if (kept <= credit) /* nearly always: then it does not matter that they fall, too */
		return true;
	for (uint32_t i = 0; i < summary->count; i++)
	{
		int64_t counter = mg_counter(summary, i);

		if (summary->lowers[i] > choice->boundary && counter > 0)
			kept -= counter < choice->dropped ? counter : choice->dropped;
	}
	return kept <= credit;
}

/*
 * Misra and Gries' rule.  The counters above the (keep + 1)th largest must stay;
 * the places that are left go to the highest lower bounds.
 */
static MgStatus
choose_by_counter(const MgSummary *summary, uint32_t keep, MgChoice *choice)
{
	int64_t *values = mg_allocate(&summary->allocator, summary->count * sizeof(int64_t));
	uint32_t rest = 0;
	MgStatus status;

	if (values == NULL)
		return MG_OUT_OF_MEMORY;
	for (uint32_t i = 0; i < summary->count; i++)
		values[i] = mg_counter(summary, i);
	status = select_value(summary, values, summary->count, keep, &choice->dropped);
	choice->dropped = choice->dropped > 0 ? choice->dropped : 0;
	for (uint32_t i = 0; i < summary->count; i++)
	{
		if (mg_counter(summary, i) <= choice->dropped)
			values[rest++] = summary->lowers[i];
	}
	if (status == MG_OK)
		status =
			select_value(summary, values, rest, keep - (summary->count - rest), &choice->boundary);
	mg_release(&summary->allocator, values);
	return status;
}

MgStatus
mg_choose(const MgSummary *summary, uint32_t keep, MgChoice *choice)
{
	int64_t	 kept;
	MgStatus status;

	*choice = (MgChoice) {.dropped = 0};
	status = select_value(summary, summary->lowers, summary->count, keep, &choice->boundary);
	if (status != MG_OK)
		return status;
	if (!summary
			 ->known) /* then lower bounds may add up to more than N can be, and none is spared */
	{
		choice->dropped = choice->boundary;
		return MG_OK;
	}
	choice->dropped = largest_dropped(summary, choice->boundary, &kept);
	return choice_affordable(summary, choice, kept) ? MG_OK
													: choose_by_counter(summary, keep, choice);
}

/* ---- dropping ---- */

/*
 * How many of those that may stay or not do: as many as are missing from k, so
 * that a summary of items which all weigh the same still lists some.  That does
 * not cost any credit, as their counters fall to 0.
 */
static uint32_t
count_ties(const MgSummary *summary, const MgChoice *choice)
{
	uint32_t above = 0;

	for (uint32_t i = 0; i < summary->count; i++)
		above += mg_choice_rank(choice, summary->lowers[i], mg_spared(summary, i)) > 0;
	return above < (uint32_t) summary->k ? (uint32_t) summary->k - above : 0;
}

/* Move the counters that stay to the front. */
static void
keep_counters(MgSummary *summary, const MgChoice *choice)
{
	uint32_t ties = count_ties(summary, choice), kept = 0;

	for (uint32_t i = 0; i < summary->count; i++)
	{
		int64_t spared = mg_spared(summary, i);
		int		rank = mg_choice_rank(choice, summary->lowers[i], spared);

		if (rank < 0 || (rank == 0 && ties == 0))
			continue;
		ties -= rank == 0;
		summary->keys[kept] = summary->keys[i];
		summary->lowers[kept] = summary->lowers[i];
		if (summary->spared != NULL)
			summary->spared[kept] = spared + choice->dropped;
		kept++;
	}
	summary->count = kept;
}

/* Close the gaps between the bytes of long items. */
static void
keep_items(MgSummary *summary)
{
	size_t used = 0;

	for (uint32_t i = 0; i < summary->count; i++)
	{
		MgKey *key = &summary->keys[i];

		mg_pause(&summary->allocator, i);
		if (mg_key_short(key))
			continue;
		memmove(summary->arena + used, summary->arena + mg_key_offset(key), mg_key_length(key));
		mg_key_set_offset(key, used);
		used += mg_key_length(key);
	}
	summary->arena_used = (uint32_t) used;
}

MgStatus
mg_purge(MgSummary *summary, uint32_t keep)
{
	MgChoice choice;
	MgStatus status;

	if (summary->count <= keep)
		return MG_OK;
	status = mg_choose(summary, keep, &choice);
	if (status == MG_OK && summary->known && choice.dropped > 0)
		status = mg_need_spared(summary);
	if (status != MG_OK)
		return status;
	keep_counters(summary, &choice);
	if (summary->arena_used > 0)
		keep_items(summary);
	mg_fill_table(summary);
	if (summary->known)
		summary->error += choice.dropped;
	return MG_OK;
}
