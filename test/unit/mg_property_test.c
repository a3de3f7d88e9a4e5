/*
 * mg_property_test.c
 *	  Every guarantee of the summary, on random streams, weights, merge trees
 *	  and orders, against exact counts.
 *
 * TRIALS in the environment sets how many (5000).
 */
#include "../support/guarantees.h"
#include "mg/mg.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#define ITEMS 3000 /* items are numbers below this */
#define PARTS 6

static uint64_t random_state;

static uint32_t
random_below(uint32_t limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t) ((random_state >> 33) % limit);
}

/* One of four shapes: even, skewed, a few heavy ones amid new ones, and one shape after another. */
static uint32_t
random_item(int shape, uint32_t i, uint32_t distinct)
{
	uint32_t skewed = random_below(random_below(distinct) + 1);

	switch (shape)
	{
		case 0:
			return random_below(distinct);
		case 1:
			return random_below(skewed + 1);
		case 2:
			return random_below(10) < 6 ? (i + 10) % ITEMS : i / 50 % 3;
		default:
			return i % 2000 < 1000 ? i / 10 % distinct
								   : (random_below(10) < 4 ? 7 : (i + 100) % ITEMS);
	}
}

static void
fill(MgSummary *summary, int64_t *truth)
{
	int		 shape = (int) random_below(4);
	uint32_t length = random_below(8) == 0 ? 6000 : random_below(400),
			 distinct = 2 + random_below(random_below(2) ? 60 : ITEMS - 2);
	char name[GUARANTEES_NAME_SIZE];

	for (uint32_t i = 0; i < length; i++)
	{
		uint32_t item = random_item(shape, i, distinct);
		int64_t	 weight = random_below(10) < 7 ? 1 : random_below(50);

		if (mg_add(summary, name, guarantees_name((int) item, name), weight) != MG_OK)
			abort();
		truth[item] += weight;
	}
}

/* To bytes and back, cut or not: a round trip may happen at any point. */
static MgSummary *
round_trip(MgSummary *summary)
{
	unsigned char *bytes;
	size_t		   size;
	MgSummary	  *decoded;

	if (mg_encode(summary, random_below(2) ? MG_FINAL : MG_PARTIAL, 0, &bytes, &size) != MG_OK ||
		mg_decode(&mg_malloc_allocator, bytes, size, &decoded, NULL) != MG_OK)
		abort();
	free(bytes);
	mg_free(summary);
	return decoded;
}

static MgSummary *
merge(MgSummary *left, MgSummary *right)
{
	unsigned char *bytes;
	size_t		   size;
	MgStatus	   status;

	if (random_below(2))
		status = mg_merge(left, right);
	else
	{
		mg_encode(right, MG_PARTIAL, 0, &bytes, &size);
		status = mg_merge_bytes(left, bytes, size);
		free(bytes);
	}
	if (status != MG_OK)
		abort();
	mg_free(right);
	return left;
}

static int
trial(uint64_t seed)
{
	static int64_t truth[ITEMS];
	MgSummary	  *parts[PARTS];
	uint32_t	   count;
	MgReader	   final;
	int			   bad;

	random_state = seed * UINT64_C(0x9e3779b97f4a7c15);
	memset(truth, 0, sizeof(truth));
	count = 1 + random_below(PARTS);
	for (uint32_t i = 0; i < count; i++)
	{
		if (mg_create(&mg_malloc_allocator, 1 + (int) random_below(random_below(4) ? 9 : 300),
					  &parts[i]) != MG_OK)
			abort();
		fill(parts[i], truth);
		if (random_below(10) < 8)
			parts[i] = round_trip(parts[i]);
		if (random_below(4) == 0)
			mg_resize(parts[i], 1 + (int) random_below(300)); /* may be refused */
	}
	while (count > 1)
	{
		uint32_t left = random_below(count - 1);

		parts[left] = merge(parts[left], parts[--count]);
		if (random_below(2))
			parts[left] = round_trip(parts[left]);
	}
	bad = guarantees_broken(parts[0], truth, ITEMS, true, &final);
	mg_free(parts[0]);
	return bad;
}

int
main(void)
{
	const char *asked = getenv("TRIALS");
	int			trials = asked != NULL ? atoi(asked) : 5000, failed = 0;

	for (int i = 1; i <= trials; i++)
		if (trial((uint64_t) i) > 0 && failed++ < 5)
			printf("# trial %d\n", i);
	ok(failed == 0, "%d random sequences, %d with a violation", trials, failed);
	return done_testing();
}
