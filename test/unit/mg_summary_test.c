/*
 * mg_summary_test.c
 *	  Adding, merging and resizing: small cases worked out by hand.
 */
#include "mg/mg.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static MgSummary *
create(int k)
{
	MgSummary *summary;

	return mg_create(&mg_malloc_allocator, k, &summary) == MG_OK ? summary : NULL;
}

static MgStatus
add(MgSummary *summary, const char *item, int64_t weight)
{
	return mg_add(summary, item, strlen(item), weight);
}

/* The bounds of an item after cutting to k; lower 0 and upper E if it is not listed. */
static MgItem
bounds(MgSummary *summary, const char *name)
{
	unsigned char *bytes;
	size_t		   size;
	MgReader	   reader;
	MgItem		   item;
	bool		   found;
	MgItem		   result = {.lower = 0};

	if (mg_encode(summary, MG_FINAL, 0, &bytes, &size) != MG_OK ||
		mg_reader_open(&reader, bytes, size) != MG_OK)
		return (MgItem) {.lower = -2, .upper = -2};
	result.upper = reader.error;
	while (mg_reader_next(&reader, &item, &found) == MG_OK && found)
		if (item.length == strlen(name) && memcmp(item.bytes, name, item.length) == 0)
		{
			result.lower = item.lower;
			result.upper = item.upper;
		}
	free(bytes);
	return result;
}

static void
test_exact(void)
{
	MgSummary *summary = create(3);

	ok(mg_total(summary) == 0 && mg_error(summary) == 0 && mg_size(summary) == 0,
	   "a new summary is empty");
	add(summary, "a", 5);
	add(summary, "b", 4);
	add(summary, "a", 1);
	add(summary, "", 2);
	ok(mg_total(summary) == 12, "weights add up to the total");
	ok(bounds(summary, "a").lower == 6 && bounds(summary, "a").upper == 6,
	   "a count is exact before the first purge");
	ok(bounds(summary, "").lower == 2, "the empty item is an item");
	ok(mg_error(summary) == 0, "no error before the first purge");
	ok(add(summary, "z", 0) == MG_OK && mg_size(summary) == 3, "weight 0 lists nothing");
	mg_free(summary);
}

static void
test_refusals(void)
{
	MgSummary  *summary;
	static char long_item[MG_ITEM_MAX_LENGTH + 1];

	ok(mg_create(&mg_malloc_allocator, 0, &summary) == MG_K_OUT_OF_RANGE && summary == NULL,
	   "k = 0 is refused");
	ok(mg_create(&mg_malloc_allocator, MG_K_MAX + 1, &summary) == MG_K_OUT_OF_RANGE,
	   "k = 100001 is refused");
	summary = create(2);
	ok(add(summary, "a", -1) == MG_WEIGHT_NEGATIVE, "a negative weight is refused");
	ok(mg_add(summary, long_item, sizeof(long_item), 1) == MG_ITEM_TOO_LONG,
	   "an item of 8193 bytes is refused");
	ok(mg_add(summary, long_item, sizeof(long_item) - 1, 1) == MG_OK,
	   "an item of 8192 bytes is not");
	ok(add(summary, "a", INT64_MAX) == MG_COUNT_OVERFLOW && mg_total(summary) == 1,
	   "a total past 2^63-1 is refused, nothing changes");
	ok(add(summary, "a", INT64_MAX - 1) == MG_OK && mg_total(summary) == INT64_MAX,
	   "2^63-1 itself is reached");
	mg_free(summary);
}

/* Without a total, as after Murmur's bytes, each count is bounded by itself: of few items, and of many. */
static void
test_no_count_wraps(int others)
{
	static const unsigned char empty[8] = {32};
	MgSummary				  *summary;
	char					   item[24];

	if (mg_murmur_decode(&mg_malloc_allocator, empty, sizeof(empty), &summary, NULL) != MG_OK)
		abort();
	for (int i = 0; i < others; i++)
	{
		snprintf(item, sizeof(item), "item-%d", i);
		add(summary, item, 1);
	}
	ok(add(summary, "a", INT64_MAX - 1) == MG_OK && add(summary, "a", 1) == MG_OK &&
		   bounds(summary, "a").lower == INT64_MAX,
	   "without a total a count reaches 2^63-1, beside %d others", others);
	ok(add(summary, "a", 1) == MG_COUNT_OVERFLOW && bounds(summary, "a").lower == INT64_MAX,
	   "and not more, beside %d others", others);
	mg_free(summary);
}

static void
test_cut(void)
{
	MgSummary *summary = create(2);

	add(summary, "a", 10);
	add(summary, "b", 9);
	add(summary, "c", 1);
	/* Keeping a and b leaves credit 20 - (9 + 8) - 3 * 1 = 0: just enough. */
	ok(bounds(summary, "a").lower == 10 && bounds(summary, "a").upper == 10,
	   "the largest stays exact through the cut");
	ok(bounds(summary, "c").lower == 0 && bounds(summary, "c").upper == 1,
	   "what was cut is bounded by the error");
	ok(mg_size(summary) == 3 && mg_error(summary) == 0, "encoding changes nothing in memory");
	mg_free(summary);
}

static void
test_purge_keeps_the_heavy(void)
{
	MgSummary *summary = create(10);
	char	   item[32];

	for (int i = 0; i < 100000; i++)
	{
		snprintf(item, sizeof(item), "rare-%d", i);
		add(summary, item, 1);
		add(summary, i % 3 == 0 ? "often" : "oftener", 1);
	}
	ok(mg_size(summary) <= mg_room(10), "memory holds at most mg_room(k) counters");
	ok(mg_memory(summary) < 256 * 1024, "memory is bounded by the room");
	ok(bounds(summary, "often").lower == 33334 && bounds(summary, "often").upper == 33334,
	   "an item listed before the first purge stays exact");
	ok(bounds(summary, "oftener").lower == 66666, "and so does the other");
	ok(mg_error(summary) > 0 && mg_error(summary) * 11 <= mg_total(summary), "(k + 1) * E <= N");
	mg_free(summary);
}

static void
test_merge(void)
{
	MgSummary *left = create(5), *right = create(3);

	add(left, "a", 3);
	add(left, "b", 2);
	add(right, "b", 7);
	add(right, "c", 1);
	ok(mg_merge(left, right) == MG_OK && mg_total(left) == 13, "merging adds the totals");
	ok(mg_k(left) == 3, "the smaller k wins");
	ok(bounds(left, "b").lower == 9 && bounds(left, "a").lower == 3 && bounds(left, "c").lower == 1,
	   "and the counts");
	ok(mg_merge(left, left) == MG_OK && bounds(left, "b").lower == 18,
	   "a summary merged with itself doubles");
	mg_free(left);
	mg_free(right);
}

static void
test_resize(void)
{
	MgSummary *summary = create(3);

	add(summary, "a", 3);
	add(summary, "b", 2);
	add(summary, "c", 1);
	ok(mg_resize(summary, 100) == MG_OK && mg_k(summary) == 100, "an exact summary can grow");
	ok(mg_resize(summary, 1) == MG_OK && bounds(summary, "b").lower == 0, "and shrink");
	ok(mg_resize(summary, 0) == MG_K_OUT_OF_RANGE, "but not to 0");
	mg_free(summary);

	summary = create(1);
	for (int i = 0; i < 5000; i++)
	{
		char item[16];

		snprintf(item, sizeof(item), "%d", i);
		add(summary, item, 1 + i % 7);
	}
	ok(mg_error(summary) > 0 && mg_resize(summary, 90000) == MG_K_CANNOT_GROW && mg_k(summary) == 1,
	   "a summary whose error is too large for a larger k cannot grow");
	mg_free(summary);
}

static int allocations_left;

static void *
scarce_allocate(void *context, size_t size)
{
	(void) context;
	return allocations_left-- > 0 ? malloc(size) : NULL;
}

static void *
scarce_resize(void *context, void *pointer, size_t size)
{
	(void) context;
	return allocations_left-- > 0 ? realloc(pointer, size) : NULL;
}

static void
scarce_release(void *context, void *pointer)
{
	(void) context;
	free(pointer);
}

static const MgMethods scarce_methods = {
	.allocate = scarce_allocate,
	.resize = scarce_resize,
	.release = scarce_release,
};
static const MgAllocator scarce = {.methods = &scarce_methods};

/* Whichever allocation fails: a clear status, nothing lost, nothing leaked. */
static void
test_out_of_memory(void)
{
	bool sound = true;
	int	 enough;

	for (enough = 0; enough < 200; enough++)
	{
		MgSummary	  *summary;
		unsigned char *bytes = NULL;
		size_t		   size;
		int64_t		   added = 0;
		MgStatus	   status;

		allocations_left = enough;
		status = mg_create(&scarce, 2, &summary);
		for (int i = 0; status == MG_OK && i < 3000; i++)
		{
			char item[16];

			snprintf(item, sizeof(item), "%d", i);
			status = mg_add(summary, item, strlen(item), 1);
			added += status == MG_OK;
		}
		if (summary != NULL)
			sound = sound && mg_total(summary) == added;
		if (status == MG_OK)
			status = mg_encode(summary, MG_FINAL, 4, &bytes, &size);
		free(bytes);
		mg_free(summary);
		if (status == MG_OK)
			break;
		sound = sound && status == MG_OUT_OF_MEMORY;
	}
	ok(sound && enough > 10 && enough < 200, "each of %d allocations may fail", enough);
}

/*
 * An item that could not be listed leaves no trace: what is listed next is
 * found again.  Each summary has its own seed, so one alone could be lucky.
 */
static void
test_after_out_of_memory(void)
{
	char longer[300]; /* too long for a key, and for a young summary */
	int	 refused = 0, twice = 0;

	memset(longer, 'x', sizeof(longer));
	for (int i = 0; i < 400; i++)
	{
		MgSummary *summary;

		allocations_left = 1 + i % 3;
		if (mg_create(&scarce, 3, &summary) != MG_OK)
			abort();
		refused += mg_add(summary, longer, sizeof(longer), 1) == MG_OUT_OF_MEMORY;
		allocations_left = 100;
		mg_add(summary, "next", 4, 1);
		mg_add(summary, "next", 4, 1);
		twice += mg_size(summary) != (mg_total(summary) == 2 ? 1 : 2);
		mg_free(summary);
	}
	ok(refused > 100 && twice == 0, "after %d items that memory was too short for, %d listed twice",
	   refused, twice);
}

int
main(void)
{
	test_exact();
	test_refusals();
	test_no_count_wraps(0);
	test_no_count_wraps(500);
	test_cut();
	test_purge_keeps_the_heavy();
	test_merge();
	test_resize();
	test_out_of_memory();
	test_after_out_of_memory();
	return done_testing();
}
