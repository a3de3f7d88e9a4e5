/*
 * feed_pgarray_test.c
 *	  Binary arrays, byte by byte as array_recv reads them.
 */
#include "feed/pgarray.h"

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
	return done_testing();
}
