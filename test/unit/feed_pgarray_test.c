/*
 * feed_pgarray_test.c
 *	  Binary arrays, byte by byte as array_recv reads them, and read back.
 */
#include "feed/pgarray.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

static void
is(PgArray *array, const char *expected, size_t size, const char *what)
{
	pgarray_finish(array);
	ok(!array->failed && array->size == size && memcmp(array->data, expected, size) == 0,
	   "%s: %zu bytes, here %zu", what, size, array->size);
}

/* Header of one dimension: has NULL, element type, length. */
#define HEADER(null, type, length) \
	"\0\0\0\1"                     \
	"\0\0\0" null "\0\0" type "\0\0\0" length "\0\0\0\1"

/* Are these the elements of the first size bytes of an array?  In memory of that size, so that ASan sees an overrun. */
static bool
reads(const char *bytes, size_t size, int count, const char *const *elements)
{
	char		 *copy = malloc(size + 1);
	PgArrayReader reader;
	const char	 *element;
	size_t		  length;
	bool		  same = true;
	int			  seen = 0;

	copy = realloc(memcpy(copy, bytes, size), size > 0 ? size : 1);
	for (reader = pgarray_read(copy, size); pgarray_next(&reader, &element, &length); seen++)
	{
		if (seen >= count || (element == NULL) != (elements[seen] == NULL) ||
			(element != NULL &&
			 (length != strlen(elements[seen]) || memcmp(element, elements[seen], length) != 0)))
			same = false;
	}
	free(copy);
	return same && seen == count;
}

static void
test_reading(void)
{
	static const char *const elements[] = {"ab", "", NULL, "c"};
	PgArray					 array = {0};
	PgArrayReader			 none = pgarray_read(NULL, 0);
	const char				*element;
	size_t					 length;
	bool					 cut_off = true;

	ok(!pgarray_next(&none, &element, &length), "no array has no elements");
	pgarray_start(&array, PGARRAY_TEXT);
	pgarray_finish(&array);
	ok(reads(array.data, array.size, 0, elements), "an empty array is read");

	pgarray_start(&array, PGARRAY_TEXT);
	for (int i = 0; i < 4; i++)
		pgarray_append_text(&array, elements[i]);
	pgarray_finish(&array);
	ok(reads(array.data, array.size, 4, elements), "what was written is read");
	for (size_t size = 0; size < array.size; size++)
	{
		/* how many elements end before that */
		int whole = (size >= 26) + (size >= 30) + (size >= 34);

		cut_off = cut_off && reads(array.data, size, whole, elements);
	}
	ok(cut_off, "an array that is cut off ends where it is");
	pgarray_free(&array);
}

int
main(void)
{
	PgArray array = {0};
	char	large[100000];

	pgarray_start(&array, PGARRAY_TEXT);
	is(&array,
	   "\0\0\0\0"
	   "\0\0\0\0"
	   "\0\0\0\x19",
	   12, "an empty text[]");

	pgarray_start(&array, PGARRAY_TEXT);
	pgarray_append_text(&array, "ab");
	pgarray_append_text(&array, "");
	pgarray_append_text(&array, NULL);
	is(&array,
	   HEADER("\1", "\0\x19", "\3") "\0\0\0\2"
									"ab"
									"\0\0\0\0"
									"\xff\xff\xff\xff",
	   34, "text[] with an empty string and a NULL");

	pgarray_start(&array, PGARRAY_BIGINT);
	pgarray_append_bigint(&array, 258);
	pgarray_append_bigint(&array, -1);
	is(&array,
	   HEADER("\0", "\0\x14", "\2") "\0\0\0\10"
									"\0\0\0\0\0\0\1\2"
									"\0\0\0\10"
									"\xff\xff\xff\xff\xff\xff\xff\xff",
	   44, "bigint[], after a longer array with a NULL");

	pgarray_start(&array, PGARRAY_TIMESTAMPTZ);
	pgarray_append_time(&array, INT64_C(946684800001));
	pgarray_append_time(&array, INT64_C(946684799999));
	pgarray_append_time(&array, INT64_MIN);
	pgarray_append_time(&array, INT64_MAX);
	is(&array,
	   HEADER("\1", "\4\xa0", "\4") "\0\0\0\10"
									"\0\0\0\0\0\0\3\xe8"
									"\0\0\0\10"
									"\xff\xff\xff\xff\xff\xff\xfc\x18"
									"\xff\xff\xff\xff"
									"\xff\xff\xff\xff",
	   52, "timestamptz[]: microseconds since 2000, NULL beyond the calendar");

	memset(large, 'x', sizeof(large));
	pgarray_start(&array, PGARRAY_BYTEA);
	for (int i = 0; i < 10; i++)
		pgarray_append(&array, large, sizeof(large));
	pgarray_finish(&array);
	ok(!array.failed && array.count == 10 && array.size == 20 + 10 * (4 + sizeof(large)),
	   "ten long bytea");

	pgarray_free(&array);
	ok(array.data == NULL && array.size == 0, "free leaves a valid start");
	test_reading();
	return done_testing();
}
