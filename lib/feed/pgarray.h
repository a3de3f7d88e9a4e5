/*
 * pgarray.h
 *	  PostgreSQL arrays of one dimension in binary form, as array_recv reads them.
 *
 * Must not know what the elements mean, nor a connection.
 */
#ifndef FEED_PGARRAY_H
#define FEED_PGARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* OIDs of element types, fixed in PostgreSQL's catalog (pg_type.dat). */
#define PGARRAY_BYTEA 17
#define PGARRAY_BIGINT 20
#define PGARRAY_TEXT 25
#define PGARRAY_TIMESTAMPTZ 1184

/*
 * An array under construction.  All zero is a valid start; the memory is kept
 * from one use to the next.  When memory runs out failed is set, and stays
 * set until the next pgarray_start.
 */
typedef struct PgArray
{
	char	*data;
	size_t	 size;
	size_t	 capacity;
	int32_t	 count;
	bool	 has_null;
	bool	 failed;
	uint32_t element_type;
} PgArray;

extern void pgarray_start(PgArray *array, uint32_t element_type);

/* Append an element in its type's own binary form; bytes NULL is SQL's NULL. */
extern void pgarray_append(PgArray *array, const void *bytes, size_t length);
extern void pgarray_append_text(PgArray *array, const char *text);
extern void pgarray_append_bigint(PgArray *array, int64_t number);

/* A timestamptz from Unix milliseconds; NULL if PostgreSQL has no such time. */
extern void pgarray_append_time(PgArray *array, int64_t unix_milliseconds);

/* Write the header: data[0 .. size) is then the parameter. */
extern void pgarray_finish(PgArray *array);

extern void pgarray_free(PgArray *array);

/* What is left to read of an array of one dimension that the server sent. */
typedef struct PgArrayReader
{
	const char *next;
	const char *end;
	int32_t		left;
} PgArrayReader;

/* Read an array from its beginning; data NULL has no elements. */
extern PgArrayReader pgarray_read(const void *data, size_t size);

/*
 * The next element, in place; *bytes NULL is SQL's NULL.  Returns false when there is no
 * more, or when the array is cut off.
 */
extern bool pgarray_next(PgArrayReader *reader, const char **bytes, size_t *length);

#endif /* FEED_PGARRAY_H */
