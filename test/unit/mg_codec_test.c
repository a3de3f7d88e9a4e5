/*
 * mg_codec_test.c
 *	  The native bytes and Murmur's, to the byte, and what they refuse.
 */
#include "mg/mg.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#define BYTES(literal) literal, sizeof(literal) - 1

static MgSummary *
small_summary(int k)
{
	MgSummary *summary;

	if (mg_create(&mg_malloc_allocator, k, &summary) != MG_OK)
		abort();
	mg_add(summary, "b", 1, 4);
	mg_add(summary, "a", 1, 4);
	mg_add(summary, "long", 4, 300);
	mg_add(summary, "", 0, 1);
	return summary;
}

static bool
encodes_to(MgSummary *summary, const char *expected, size_t expected_size)
{
	unsigned char *bytes;
	size_t		   size;
	bool		   same;

	if (mg_encode(summary, MG_FINAL, 0, &bytes, &size) != MG_OK)
		return false;
	same = size == expected_size && memcmp(bytes, expected, size) == 0;
	free(bytes);
	return same;
}

static void
test_bytes(void)
{
	MgSummary	  *summary = small_summary(5), *cut = small_summary(2);
	unsigned char *bytes;
	size_t		   size;

	ok(encodes_to(summary, BYTES("\1\0\5"
								 "\265\2"
								 "\0"
								 "\4"
								 "\254\2\4long"
								 "\250\2\1a"
								 "\0\1b"
								 "\3\0")),
	   "an exact summary: highest first, ties by bytes, differences of counts");
	ok(encodes_to(cut, BYTES("\1\0\2"
							 "\265\2"
							 "\4"
							 "\2"
							 "\254\2\0\4long"
							 "\250\2\0\1a")),
	   "cut to k = 2: the error is the largest count dropped, of ties the first by bytes stays");
	ok(mg_encode(summary, MG_FINAL, 4, &bytes, &size) == MG_OK && size == 4 + 23 && bytes[4] == 1,
	   "headroom is left before the bytes");
	free(bytes);
	mg_free(summary);
	mg_free(cut);
}

static bool
round_trips(MgSummary *summary, MgForm form)
{
	unsigned char *bytes, *again;
	size_t		   size, size_again;
	MgSummary	  *decoded;
	bool		   same;

	mg_encode(summary, form, 0, &bytes, &size);
	if (mg_decode(&mg_malloc_allocator, bytes, size, &decoded, NULL) != MG_OK)
		return false;
	mg_encode(decoded, form, 0, &again, &size_again);
	same = size == size_again && memcmp(bytes, again, size) == 0 &&
		   mg_total(decoded) == mg_total(summary) && mg_k(decoded) == mg_k(summary);
	free(bytes);
	free(again);
	mg_free(decoded);
	return same;
}

static void
test_round_trip(void)
{
	MgSummary *summary = small_summary(7);

	ok(round_trips(summary, MG_FINAL), "a small summary");
	for (int i = 0; i < 20000; i++)
	{
		char item[16];

		snprintf(item, sizeof(item), "%d", i * 7919 % 3000);
		mg_add(summary, item, strlen(item), i % 11);
	}
	ok(round_trips(summary, MG_FINAL), "a large one, cut");
	ok(round_trips(summary, MG_PARTIAL), "a large one, with all its counters");
	mg_free(summary);
}

/* Every prefix and every changed byte: refused, or a summary that encodes to just these bytes. */
static void
test_mutations(void)
{
	MgSummary	  *summary = small_summary(3), *decoded;
	unsigned char *bytes;
	size_t		   size;
	bool		   prefixes_refused = true, canonical = true;

	mg_encode(summary, MG_PARTIAL, 0, &bytes, &size);
	for (size_t cut = 0; cut < size; cut++)
	{
		unsigned char *prefix = malloc(cut + 1); /* so that ASan sees a read past it */

		memcpy(prefix, bytes, cut);
		prefix = realloc(prefix, cut > 0 ? cut : 1);
		prefixes_refused =
			prefixes_refused && mg_validate(&mg_malloc_allocator, prefix, cut, NULL) == MG_CORRUPT;
		free(prefix);
	}
	for (size_t at = 0; at < size; at++)
		for (int value = 0; value < 256; value++)
		{
			unsigned char *again, saved = bytes[at];
			size_t		   size_again;

			bytes[at] = (unsigned char) value;
			if (mg_decode(&mg_malloc_allocator, bytes, size, &decoded, NULL) == MG_OK)
			{
				mg_encode(decoded, MG_PARTIAL, 0, &again, &size_again);
				canonical = canonical && size == size_again && memcmp(bytes, again, size) == 0;
				free(again);
				mg_free(decoded);
			}
			bytes[at] = saved;
		}
	ok(prefixes_refused, "every prefix is refused");
	ok(canonical, "whatever is accepted is canonical");
	free(bytes);
	mg_free(summary);
}

static void
test_refusal(const char *bytes, size_t size, const char *expected)
{
	const char *problem = NULL;
	MgStatus	status = mg_validate(&mg_malloc_allocator, bytes, size, &problem);

	ok(status == MG_CORRUPT && strcmp(problem, expected) == 0, "refused: %s", expected);
	if (strcmp(problem, expected) != 0)
		printf("# got: %s\n", problem);
}

static void
test_refusals(void)
{
	test_refusal(BYTES("\2\0\5\0\0\0"), "the header is not that of a summary of version 1");
	test_refusal(BYTES("\1\0\0\0\0\0"), "the header is not that of a summary of version 1");
	test_refusal(BYTES("\1\0\5\0\0\0\0"), "bytes follow the last item");
	test_refusal(BYTES("\1\0\5\2\0\2\1\1b\0\1a"), "items are not in order");
	test_refusal(BYTES("\1\0\5\3\0\2\2\1a\1\1a"), "an item is listed twice");
	test_refusal(BYTES("\1\0\5\1\0\1\2\1a"),
				 "the items' lower bounds add up to more than the total");
	test_refusal(BYTES("\1\0\5\5\1\0"), "the error is larger than the total and the items allow");
	test_refusal(BYTES("\1\0\1\12\1\1\1\2\1a"),
				 "an item's bounds are further apart than the error");
	test_refusal(BYTES("\1\0\5\1\0\1\0\1a"), "an item is cut off or out of range");
	test_refusal(BYTES("\1\0\205\0\0\0\0"), "the header is not that of a summary of version 1");
}

static void
test_murmur(void)
{
	static const char expected[] = "\2\0\0\0\2\0\0\0"
								   "\54\1\0\0\0\0\0\0\4\0\0\0long"
								   "\4\0\0\0\0\0\0\0\1\0\0\0a";
	MgSummary		 *summary = small_summary(5), *decoded;
	unsigned char	 *native, *bytes;
	size_t			  native_size, size;
	const char		 *problem;

	mg_encode(summary, MG_FINAL, 0, &native, &native_size);
	ok(mg_murmur_encode(&mg_malloc_allocator, native, native_size, 2, 0, &bytes, &size) == MG_OK &&
		   size == sizeof(expected) - 1 && memcmp(bytes, expected, size) == 0,
	   "Murmur's bytes, cut to K");
	ok(mg_murmur_decode(&mg_malloc_allocator, bytes, size, &decoded, NULL) == MG_OK &&
		   mg_k(decoded) == 2 && mg_size(decoded) == 2 && mg_total(decoded) == MG_UNKNOWN &&
		   mg_error(decoded) == MG_UNKNOWN,
	   "are read back, total and error unknown");
	ok(round_trips(decoded, MG_FINAL), "and have native bytes");
	ok(mg_merge(summary, decoded) == MG_OK && mg_total(summary) == MG_UNKNOWN &&
		   mg_size(summary) == 4,
	   "what is merged with them is unknown too");
	mg_free(decoded);
	free(bytes);

	mg_murmur_encode(&mg_malloc_allocator, native, native_size, 9, 0, &bytes, &size);
	ok(size == 8 + 3 * 12 + 6, "the empty item is left out");
	ok(mg_murmur_decode(&mg_malloc_allocator, bytes, size - 1, &decoded, &problem) == MG_CORRUPT &&
		   strcmp(problem, "an item is cut off") == 0,
	   "a cut row is refused");
	free(bytes);
	ok(mg_murmur_decode(&mg_malloc_allocator, BYTES("\0\0\0\0\0\0\0\0"), &decoded, NULL) ==
		   MG_K_OUT_OF_RANGE,
	   "K = 0 is refused");
	ok(mg_murmur_decode(&mg_malloc_allocator, BYTES("\40\0\0\0\0\0\0\0"), &decoded, NULL) ==
			   MG_OK &&
		   mg_k(decoded) == 32 && mg_size(decoded) == 0,
	   "an empty summary is K and 0");
	mg_free(decoded);
	ok(mg_murmur_decode(&mg_malloc_allocator,
						BYTES("\2\0\0\0\1\0\0\0\377\377\377\377\377\377\377\377\0\0\0\0"), &decoded,
						NULL) == MG_CORRUPT,
	   "a count of 2^64-1 is refused");
	free(native);
	mg_free(summary);
}

/* Counts whose sum passes 2^63, more of them than are kept. */
static void
test_murmur_purge(void)
{
	enum
	{
		ITEMS = 1024, /* mg_room(2) */
		ITEM_SIZE = 16
	};
	static unsigned char bytes[8 + ITEMS * ITEM_SIZE] = {2, 0, 0, 0, ITEMS % 256, ITEMS / 256};
	MgSummary			*summary;

	for (int i = 0; i < ITEMS; i++)
	{
		unsigned char *item = bytes + 8 + i * ITEM_SIZE;

		item[7] = 0x7f; /* the count's highest byte */
		item[8] = 4;
		memcpy(item + 12, &i, 4);
	}
	if (mg_murmur_decode(&mg_malloc_allocator, bytes, sizeof(bytes), &summary, NULL) != MG_OK)
		abort();
	ok(mg_size(summary) == ITEMS && mg_add(summary, "one more", 8, 1) == MG_OK &&
		   mg_size(summary) < ITEMS && mg_size(summary) >= 2 && mg_total(summary) == MG_UNKNOWN,
	   "the largest counts of Murmur's bytes can be purged");
	mg_free(summary);
}

static int pauses;

static void
count_pause(void *context)
{
	(void) context;
	pauses++;
}

/* pauses so far, which begin anew; the status must be MG_OK. */
static int
pauses_of(MgStatus status)
{
	int result = status == MG_OK ? pauses : -1;

	pauses = 0;
	return result;
}

/* Whoever has to stop amid many items gets the chance. */
static void
test_pauses(void)
{
	enum
	{
		ITEMS = 5000
	};
	MgMethods	   methods = *mg_malloc_allocator.methods;
	MgAllocator	   allocator = {.methods = &methods};
	MgSummary	  *summary, *other;
	unsigned char *bytes, *murmur;
	size_t		   size, murmur_size;

	methods.pause = count_pause;
	mg_create(&allocator, ITEMS, &summary);
	for (int i = 0; i < ITEMS; i++)
		mg_add(summary, &i, sizeof(i), 1 + i % 7);
	ok(pauses_of(mg_encode(summary, MG_FINAL, 0, &bytes, &size)) > 8, "sorting and encoding pause");
	ok(pauses_of(mg_decode(&allocator, bytes, size, &other, NULL)) == 4, "decoding pauses");
	ok(pauses_of(mg_merge_bytes(summary, bytes, size)) == 4, "merging bytes pauses");
	ok(pauses_of(mg_merge(summary, other)) == 4, "merging pauses");
	ok(pauses_of(mg_murmur_encode(&allocator, bytes, size, ITEMS, 0, &murmur, &murmur_size)) == 8,
	   "Murmur's encoding pauses");
	mg_free(other);
	ok(pauses_of(mg_murmur_decode(&allocator, murmur, murmur_size, &other, NULL)) == 4,
	   "Murmur's decoding pauses");
	mg_free(other);
	mg_free(summary);
	free(bytes);
	free(murmur);

	mg_create(&allocator, ITEMS, &summary);
	for (int i = 0; i < ITEMS; i++)
	{
		char item[100] = {0};

		memcpy(item, &i, sizeof(i));
		mg_add(summary, item, sizeof(item), 1 + i);
	}
	pauses = 0;
	ok(pauses_of(mg_resize(summary, ITEMS / 8 - 1)) == 1, "cutting a summary of long items pauses");
	mg_free(summary);
}

int
main(void)
{
	test_bytes();
	test_round_trip();
	test_mutations();
	test_refusals();
	test_murmur();
	test_murmur_purge();
	test_pauses();
	return done_testing();
}
