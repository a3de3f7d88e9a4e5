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

/* What mg_choose works on: two values for each counter, by which it is ranked. */
typedef struct Ranking
{
	const int64_t *first;
	const int64_t *second;
	uint32_t	count;
	int64_t    *scratch;		/* twice as many */
	uint64_t	seed;
} Ranking;

/*
 * The value of rank n (0 is the highest), by quickselect with three-way
 * partitions.  Pivots are drawn from the summary's seed, so that no input can
 * be prepared on which it is quadratic; the answer does not depend on them.
 */
static int64_t
quickselect(int64_t *values, uint32_t count, uint32_t n, uint64_t seed)
{
	uint32_t	low = 0,
				high = count;	/* values[low .. high) holds the answer */

	for (;;)
	{
		uint32_t	before = low,
					next = low,
					after = high;
		int64_t		pivot;

		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		pivot = values[low + (uint32_t) ((seed >> 32) % (high - low))];
		while (next < after)
		{
			int64_t		value = values[next];

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
}

#define BINS 252				/* bin_of(INT64_MAX) + 1, rounded up */
#define LANES 4

/* A bin for each value: one each up to 7, then four to each power of two; 0 and below share one. */
static inline uint32_t
bin_of(int64_t value)
{
	int			shift;

	value = value > 0 ? value : 0;
	shift = 61 - __builtin_clzll((uint64_t) value | 4);
	return (uint32_t) (shift * 4 + (value >> shift));
}

/*
 * The value of rank n.  A purge meets large and small ones in an order that no
 * branch predictor knows: so they are first counted by bins, without a branch,
 * and only those in the answer's bin are compared.  In four lanes, because most
 * fall into the same few bins, and an increment has to wait for the one before.
 */
static int64_t
select_value(const int64_t *values, uint32_t count, uint32_t n, int64_t *scratch, uint64_t seed)
{
	uint32_t	lanes[LANES][BINS] = {{0}};
	uint32_t	bin = BINS,
				in_bin,
				found = 0,
				i = 0;

	for (; i + LANES <= count; i += LANES)
	{
		lanes[0][bin_of(values[i])]++;
		lanes[1][bin_of(values[i + 1])]++;
		lanes[2][bin_of(values[i + 2])]++;
		lanes[3][bin_of(values[i + 3])]++;
	}
	for (; i < count; i++)
		lanes[0][bin_of(values[i])]++;
	for (;;)
	{
		bin--;
		in_bin = lanes[0][bin] + lanes[1][bin] + lanes[2][bin] + lanes[3][bin];
		if (n < in_bin)
			break;
		n -= in_bin;
	}
	if (bin > 0 && bin < 8)
		return bin;
	for (i = 0; i < count; i++)
	{
		int64_t		value = values[i];

		scratch[found] = value;
		found += bin_of(value) == bin;
	}
	return quickselect(scratch, found, n, seed);
}

/*
 * Set the boundary so that keep counters stay, how many equal to it stay, and
 * what dropping the others adds to the error.
 */
static void
choose_boundary(const Ranking *ranking, const int64_t *counters, uint32_t keep, MgChoice *choice)
{
	int64_t		first = select_value(ranking->first, ranking->count, keep - 1,
									 ranking->scratch, ranking->seed),
				second,
				dropped = 0,
				boundary;
	uint32_t	ties = 0,
				equal = 0;

	for (uint32_t i = 0; i < ranking->count; i++)
	{
		int64_t		below = ranking->first[i] < first ? counters[i] : 0;

		dropped = below > dropped ? below : dropped;
		keep -= ranking->first[i] > first;
		ranking->scratch[ties] = ranking->second[i];
		ties += ranking->first[i] == first;
	}
	second = select_value(ranking->scratch, ties, keep - 1, ranking->scratch + ties, ranking->seed);
	for (uint32_t i = 0; i < ties; i++)
	{
		int64_t		value = ranking->scratch[i],
					below = value >= second ? 0 : choice->by_counter ? first : value;

		dropped = below > dropped ? below : dropped;
		keep -= value > second;
		equal += value == second;
	}
	boundary = choice->by_counter ? first : second;
	choice->first = first;
	choice->second = second;
	choice->ties = keep;
	choice->dropped = equal > keep && boundary > dropped ? boundary : dropped;
}

/*
 * Would the credit stay at or above 0?  The counters above 0 add up to no more
 * than N, so that no sum overflows.
 */
static bool
choice_affordable(const MgSummary *summary, const int64_t *counters, const MgChoice *choice)
{
	int64_t		error = summary->error + choice->dropped,
				boundary = choice->second - choice->dropped,
				credit,
				sum = 0;

	if (error > summary->total / (summary->k + 1))
		return false;
	credit = summary->total - error * (summary->k + 1);
	for (uint32_t i = 0; i < summary->count; i++)
		sum += counters[i] > 0 ? counters[i] : 0;
	if (sum <= credit)			/* nearly always: then there is no need to see who stays */
		return true;
	sum = boundary > 0 ? boundary * choice->ties : 0;
	for (uint32_t i = 0; i < summary->count; i++)
	{
		if (mg_choice_rank(choice, summary->lowers[i], mg_spared(summary, i)) > 0 && counters[i] > choice->dropped)
			sum += counters[i] - choice->dropped;
	}
	return sum <= credit;
}

/* Every Misra-Gries counter. */
static void
copy_counters(const MgSummary *summary, int64_t *counters)
{
	const int64_t *lowers = summary->lowers,
			   *spared = summary->spared;

	if (spared == NULL)
		memcpy(counters, lowers, summary->count * sizeof(int64_t));
	else
	{
		for (uint32_t i = 0; i < summary->count; i++)
			counters[i] = lowers[i] - spared[i];
	}
}

MgStatus
mg_choose(const MgSummary *summary, uint32_t keep, MgChoice *choice)
{
	uint32_t	count = summary->count;
	int64_t    *counters = mg_allocate(&summary->allocator, 3 * (size_t) count * sizeof(int64_t));
	Ranking		ranking = {.count = count, .seed = summary->seed};

	if (counters == NULL)
		return MG_OUT_OF_MEMORY;
	copy_counters(summary, counters);
	ranking.first = summary->lowers;
	ranking.second = counters;
	ranking.scratch = counters + count;
	choice->by_counter = false;
	choose_boundary(&ranking, counters, keep, choice);
	if (summary->known && !choice_affordable(summary, counters, choice))
	{
		ranking.first = counters;
		ranking.second = summary->lowers;
		choice->by_counter = true;
		choose_boundary(&ranking, counters, keep, choice);
	}
	if (!summary->known)
		choice->dropped = 0;
	mg_release(&summary->allocator, counters);
	return MG_OK;
}
