/*
 * query_windows_test.c
 *	  Windows merged into an answer, and ranked with bounds: against sums made here, and against what
 *	  the server that is replaced did.
 */
#include "windows.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "ranking.h"
#include "tap.h"

#define K 32
#define ITEMS 400
#define WINDOWS 30
#define ROUNDS 200

typedef struct Count
{
	int		item; /* its name is its number */
	int64_t count;
} Count;

static int
compare_counts(const void *left, const void *right)
{
	const Count *a = left, *b = right;
	char		 a_name[16], b_name[16];

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	snprintf(a_name, sizeof(a_name), "%d", a->item);
	snprintf(b_name, sizeof(b_name), "%d", b->item);
	return strcmp(a_name, b_name);
}

static void
put(unsigned char **out, uint64_t value, int width)
{
	for (int i = 0; i < width; i++)
		*(*out)++ = (unsigned char) (value >> (8 * i));
}

/* The first n of the counts as a window. */
static Window
encode(int64_t bucket, int k, const Count *counts, int n)
{
	Window window = {.bucket = bucket, .total = MG_UNKNOWN, .error = MG_UNKNOWN, .updated_at = -1};
	unsigned char *out = malloc(8 + 28 * (size_t) n);

	window.value = out;
	put(&out, (uint64_t) k, 4);
	put(&out, (uint64_t) n, 4);
	for (int i = 0; i < n; i++)
	{
		char name[16];
		int	 length = snprintf(name, sizeof(name), "%d", counts[i].item);

		put(&out, (uint64_t) counts[i].count, 8);
		put(&out, (uint64_t) length, 4);
		memcpy(out, name, (size_t) length);
		out += length;
	}
	window.length = (size_t) (out - window.value);
	return window;
}

static int
decode(const unsigned char *bytes, size_t length, Count *counts)
{
	MgMurmurReader reader;
	MgItem		   item;
	const char	  *problem;
	bool		   found;
	int			   n = 0;

	mg_murmur_open(&reader, bytes, length, &problem);
	while (mg_murmur_next(&reader, &item, &found, &problem) == MG_OK && found)
	{
		char name[16] = "";

		memcpy(name, item.bytes, item.length);
		counts[n++] = (Count) {.item = atoi(name), .count = item.lower};
	}
	return n;
}

/* K random items with random counts, sorted. */
static int
make_counts(Count *counts, int64_t *sums)
{
	static int order[ITEMS];

	for (int i = 0; i < ITEMS; i++)
	{
		int j = rand() % (i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (int i = 0; i < K; i++)
	{
		/* some are often in it */
		counts[i].item = i < 8 && rand() % 2 ? i + ITEMS : order[i];
		counts[i].count = 1 + rand() % (rand() % 4 == 0 ? 100000 : 100);
		sums[counts[i].item] += counts[i].count;
	}
	qsort(counts, K, sizeof(Count), compare_counts);
	return K;
}

/* What the server that is replaced makes of a sum and one more window: the (K + 1)th count is taken from all. */
static void
merge_as_before(int64_t *sums, const Count *counts)
{
	Count all[ITEMS + 8];

	for (int i = 0; i < K; i++)
		sums[counts[i].item] += counts[i].count;
	for (int i = 0; i < ITEMS + 8; i++)
		all[i] = (Count) {i, sums[i]};
	qsort(all, ITEMS + 8, sizeof(Count), compare_counts);
	for (int i = 0; i < ITEMS + 8; i++)
		sums[i] = sums[i] > all[K].count ? sums[i] - all[K].count : 0;
}

static void
test_merge(void)
{
	bool is_top = true, is_no_less = true;

	srand(1);
	for (int round = 0; round < ROUNDS; round++)
	{
		int64_t		   sums[ITEMS + 8] = {0}, before[ITEMS + 8] = {0};
		Count		   counts[K], all[ITEMS + 8], merged[K + 1];
		Windows		   windows = {0};
		unsigned char *bytes;
		size_t		   length;
		const char	  *problem;
		int			   n;

		for (int w = 1 + rand() % WINDOWS; w > 0; w--)
		{
			Window window;

			make_counts(counts, sums);
			merge_as_before(before, counts);
			window = encode(w, K, counts, K);
			windows_add(&windows, &window);
		}
		windows_merge(&windows, K, &bytes, &length, &problem);
		n = decode(bytes, length, merged);
		for (int i = 0; i < ITEMS + 8; i++)
			all[i] = (Count) {i, sums[i]};
		qsort(all, ITEMS + 8, sizeof(Count), compare_counts);
		is_top = is_top && n == K;
		for (int i = 0; i < K; i++)
		{
			is_top = is_top && merged[i].item == all[i].item && merged[i].count == all[i].count;
			is_no_less = is_no_less && merged[i].count >= before[merged[i].item];
		}
		for (int i = 0; i < ITEMS + 8; i++)
			is_no_less = is_no_less && (before[i] == 0 || before[i] <= merged[K - 1].count ||
										sums[i] >= merged[K - 1].count);
		free(bytes);
		windows_free(&windows);
	}
	ok(is_top, "the merge lists the K largest sums of lower bounds");
	ok(is_no_less, "and none is smaller than it was with the server that is replaced");
}

static void
test_single_windows(void)
{
	static const Count counts[] = {{1, 9}, {2, 8}, {3, 7}};
	Windows			   windows = {0};
	Window			   window = encode(5, 3, counts, 3);
	unsigned char	  *bytes;
	size_t			   length;
	const char		  *problem;
	Count			   merged[4];

	ok(windows_merge(&windows, 32, &bytes, &length, &problem) == MG_OK && length == 8 &&
		   memcmp(bytes, "\40\0\0\0\0\0\0\0", 8) == 0,
	   "no windows are K and 0");
	free(bytes);
	windows_add(&windows, &window);
	ok(windows_merge(&windows, 32, &bytes, &length, &problem) == MG_OK && length == window.length &&
		   memcmp(bytes, window.value, length) == 0,
	   "a window alone is what is stored");
	free(bytes);
	windows_free(&windows);

	window = encode(5, 2, counts, 3);
	windows_add(&windows, &window);
	ok(windows_merge(&windows, 32, &bytes, &length, &problem) == MG_OK &&
		   decode(bytes, length, merged) == 2 && merged[1].count == 8,
	   "unless it lists more than K items, which are cut and not subtracted from the others");
	free(bytes);
	windows.list[0].length--;
	ok(windows_merge(&windows, 32, &bytes, &length, &problem) == MG_CORRUPT &&
		   strcmp(problem, "an item is cut off") == 0,
	   "a damaged one is refused");
	windows_free(&windows);
}

static void
test_ranking(void)
{
	static const Count first[] = {{1, 9}, {2, 8}, {3, 3}};
	static const Count last[] = {{2, 5}, {4, 4}};
	static const Shape shape = {.window_seconds = 10, .retention_seconds = 100, .k = 3};
	static const Range range = {.first = 5, .last = 7};
	static int64_t	   slack_of_2 = 1;
	Windows			   windows = {0};
	Window			   window = encode(7, 3, last, 2);
	char			  *json;

	window.total = 12, window.error = 2, window.version = 4, window.updated_at = 71;
	window.slacks = malloc(sizeof(int64_t));
	memcpy(window.slacks, &slack_of_2, sizeof(int64_t));
	window.slack_count = 1;
	windows_add(&windows, &window);
	window = encode(5, 3, first, 3);
	window.total = 20, window.error = 0, window.version = 3;
	windows_add(&windows, &window);
	json = ranking_json("eu", 3, &shape, &range, &windows);
	ok(json != NULL &&
		   strcmp(
			   json,
			   "{\"entity\":\"eu\",\"n\":3,\"window_seconds\":10,\"start\":50,\"end\":80,\"total\":32,"
			   "\"error\":2,\"windows\":["
			   "{\"bucket\":5,\"start\":50,\"version\":3,\"total\":20,\"error\":0,\"updated_at\":null},"
			   "{\"bucket\":7,\"start\":70,\"version\":4,\"total\":12,\"error\":2,\"updated_at\":71}],"
			   "\"items\":["
			   "{\"rank\":1,\"item\":\"2\",\"estimate\":13,\"lower_bound\":13,\"upper_bound\":14,"
			   "\"counts\":[8,null,5]},"
			   "{\"rank\":2,\"item\":\"1\",\"estimate\":9,\"lower_bound\":9,\"upper_bound\":11,"
			   "\"counts\":[9,null,null]},"
			   "{\"rank\":3,\"item\":\"4\",\"estimate\":4,\"lower_bound\":4,\"upper_bound\":4,"
			   "\"counts\":[null,null,4]}]}") == 0,
	   "bounds add up: where an item is not listed, the window's error: %s", json);
	free(json);
	windows.list[0].total = windows.list[0].error = MG_UNKNOWN;
	json = ranking_json("eu", 1, &shape, &range, &windows);
	ok(strstr(json, "\"total\":null,\"error\":null") != NULL &&
		   strstr(json, "\"upper_bound\":null") != NULL,
	   "where a window does not know, nobody does");
	free(json);
	windows_free(&windows);
	json = ranking_json("eu", 1, &shape, &range, &windows);
	ok(strstr(json, "\"total\":0,\"error\":0,\"windows\":[],\"items\":[]") != NULL,
	   "nothing is nothing");
	free(json);
}

int
main(void)
{
	test_merge();
	test_single_windows();
	test_ranking();
	return done_testing();
}
