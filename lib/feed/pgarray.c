/*
 * pgarray.c
 *	  PostgreSQL arrays of one dimension in binary form, as array_recv reads them.
 *
 * Must not know what the elements mean, nor a connection.
 *
 * All integers are big-endian: int32 dimensions, int32 "has a NULL", uint32
 * element type; for the dimension int32 length and int32 lower bound; for each
 * element int32 length (-1: NULL) and its bytes.  An empty array has no
 * dimension.
 */
#include "feed/pgarray.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define PGARRAY_HEADER_SIZE 20
#define PGARRAY_EMPTY_SIZE 12

/* PostgreSQL's times: microseconds since 2000-01-01, from 4713 BC to 294276 AD. */
#define PGARRAY_EPOCH_MS INT64_C(946684800000)
#define PGARRAY_TIME_MIN_MS INT64_C(-210866803200000)
#define PGARRAY_TIME_END_MS INT64_C(9224318016000000)

static void
pgarray_put_int32(char *out, uint32_t number)
{
	uint32_t big_endian = htobe32(number);

	memcpy(out, &big_endian, sizeof(big_endian));
}

/* Room for more bytes at the end, or NULL. */
static char *
pgarray_reserve(PgArray *array, size_t more)
{
	char *end;

	if (array->failed)
		return NULL;
	if (array->size + more > array->capacity)
	{
		size_t capacity = (array->size + more) * 2;
		char  *data = realloc(array->data, capacity);

		if (data == NULL)
		{
			array->failed = true;
			return NULL;
		}
		array->data = data;
		array->capacity = capacity;
	}
	end = array->data + array->size;
	array->size += more;
	return end;
}

void
pgarray_start(PgArray *array, uint32_t element_type)
{
	array->size = 0;
	array->count = 0;
	array->has_null = false;
	array->failed = false;
	array->element_type = element_type;
	pgarray_reserve(array, PGARRAY_HEADER_SIZE);
}

void
pgarray_append(PgArray *array, const void *bytes, size_t length)
{
	char *out = pgarray_reserve(array, 4 + (bytes != NULL ? length : 0));

	if (out == NULL)
		return;
	array->count++;
	if (bytes != NULL)
	{
		pgarray_put_int32(out, (uint32_t) length);
		memcpy(out + 4, bytes, length);
	}
	else
	{
		array->has_null = true;
		pgarray_put_int32(out, UINT32_MAX);
	}
}

void
pgarray_append_text(PgArray *array, const char *text)
{
	pgarray_append(array, text, text != NULL ? strlen(text) : 0);
}

void
pgarray_append_bigint(PgArray *array, int64_t number)
{
	uint64_t big_endian = htobe64((uint64_t) number);

	pgarray_append(array, &big_endian, sizeof(big_endian));
}

void
pgarray_append_time(PgArray *array, int64_t unix_milliseconds)
{
	if (unix_milliseconds < PGARRAY_TIME_MIN_MS || unix_milliseconds >= PGARRAY_TIME_END_MS)
		pgarray_append(array, NULL, 0);
	else
		pgarray_append_bigint(array, (unix_milliseconds - PGARRAY_EPOCH_MS) * 1000);
}

void
pgarray_finish(PgArray *array)
{
	if (array->failed)
		return;
	pgarray_put_int32(array->data, array->count > 0 ? 1 : 0);
	pgarray_put_int32(array->data + 4, array->has_null ? 1 : 0);
	pgarray_put_int32(array->data + 8, array->element_type);
	if (array->count == 0)
		array->size = PGARRAY_EMPTY_SIZE;
	else
	{
		pgarray_put_int32(array->data + 12, (uint32_t) array->count);
		pgarray_put_int32(array->data + 16, 1);
	}
}

void
pgarray_free(PgArray *array)
{
	free(array->data);
	memset(array, 0, sizeof(*array));
}

/* ---- reading ---- */

static uint32_t
pgarray_get_int32(const char *in)
{
	uint32_t big_endian;

	memcpy(&big_endian, in, sizeof(big_endian));
	return be32toh(big_endian);
}

PgArrayReader
pgarray_read(const void *data, size_t size)
{
	PgArrayReader reader = {0};
	const char	 *array = data;

	if (array == NULL || size < PGARRAY_HEADER_SIZE || pgarray_get_int32(array) != 1)
		return reader;
	reader.left = (int32_t) pgarray_get_int32(array + 12);
	reader.next = array + PGARRAY_HEADER_SIZE;
	reader.end = array + size;
	return reader;
}

bool
pgarray_next(PgArrayReader *reader, const char **bytes, size_t *length)
{
	uint32_t announced;

	if (reader->left <= 0 || reader->end - reader->next < 4)
		return false;
	announced = pgarray_get_int32(reader->next);
	reader->next += 4;
	reader->left--;
	*bytes = NULL;
	*length = 0;
	if (announced == UINT32_MAX)
		return true;
	if (announced > (size_t) (reader->end - reader->next))
		return false;
	*bytes = reader->next;
	*length = announced;
	reader->next += announced;
	return true;
}
