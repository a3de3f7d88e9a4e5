/*
 * mg_sort.c
 *	  Canonical order: highest lower bound first, ties by bytes.
 *
 * Libc only.
 *
 * Not qsort: items of a summary that was stored stand in order already but for
 * those that were counted since, and then a look at each is enough.  And qsort
 * takes memory of its own, and can't be left.
 */
#include "mg_internal.h"

#define RUN_MAX 8 /* so few are sorted by insertion */

static int
compare_bytes(const char *a, uint32_t a_length, const char *b, uint32_t b_length)
{
	uint32_t common = a_length < b_length ? a_length : b_length;
	int		 order = common == 0 ? 0 : memcmp(a, b, common);

	if (order != 0)
		return order;
	return (a_length > b_length) - (a_length < b_length);
}

int
mg_compare_items(const MgItem *a, const MgItem *b)
{
	if (a->lower != b->lower)
		return a->lower > b->lower ? -1 : 1;
	return compare_bytes(a->bytes, a->length, b->bytes, b->length);
}

static void
sort_by_insertion(MgItem *items, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++)
	{
		MgItem	 item = items[i];
		uint32_t place = i;

		for (; place > 0 && mg_compare_items(&items[place - 1], &item) > 0; place--)
			items[place] = items[place - 1];
		items[place] = item;
	}
}

/* Merge items[0 .. half) and items[half .. count), each in order; scratch has room for the first. */
static void
merge_halves(MgItem *items, uint32_t half, uint32_t count, MgItem *scratch)
{
	uint32_t left = 0, right = half, out = 0;

	if (mg_compare_items(&items[half - 1], &items[half]) <= 0)
		return;
	memcpy(scratch, items, half * sizeof(MgItem));
	while (left < half && right < count)
		items[out++] =
			mg_compare_items(&scratch[left], &items[right]) <= 0 ? scratch[left++] : items[right++];
	memcpy(items + out, scratch + left, (half - left) * sizeof(MgItem));
}

static void
sort(const MgAllocator *allocator, MgItem *items, uint32_t count, MgItem *scratch)
{
	uint32_t half = count / 2;

	if (count <= RUN_MAX)
	{
		sort_by_insertion(items, count);
		return;
	}
	if (count > MG_PAUSE_ITEMS && allocator->methods->pause != NULL)
		allocator->methods->pause(allocator->context);
	sort(allocator, items, half, scratch);
	sort(allocator, items + half, count - half, scratch);
	merge_halves(items, half, count, scratch);
}

MgStatus
mg_sort(const MgAllocator *allocator, MgItem *items, uint32_t count)
{
	MgItem *scratch = NULL;

	if (count > RUN_MAX)
	{
		scratch = mg_allocate(allocator, count / 2 * sizeof(MgItem));
		if (scratch == NULL)
			return MG_OUT_OF_MEMORY;
	}
	sort(allocator, items, count, scratch);
	mg_release(allocator, scratch);
	return MG_OK;
}
