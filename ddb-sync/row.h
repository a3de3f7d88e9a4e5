/*
 * row.h
 *	  One window as it is mirrored: what PostgreSQL offers and DynamoDB stores.
 *
 * Between mirror.c, which knows PostgreSQL, and dynamodb.c, which knows DynamoDB.
 */
#ifndef DDB_SYNC_ROW_H
#define DDB_SYNC_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Row
{
	const char *pipeline;
	const char *key;
	int64_t		bucket;
	int64_t		version;
	const void *value; /* the published summary's bytes */
	size_t		value_length;
	bool		known; /* false: total, error and slacks are not known */
	int64_t		total;
	int64_t		error;
	const char *
		slacks; /* upper minus lower bound of each item of value, with commas between, without the zeros at the end */
	int64_t		ttl;		/* Unix seconds */
	int64_t		updated_at; /* Unix seconds */
	const char *writer;		/* marks the rows that this pipeline wrote */
	int64_t		left_out;	/* items that DynamoDB has no room for */
} Row;

#endif /* DDB_SYNC_ROW_H */
