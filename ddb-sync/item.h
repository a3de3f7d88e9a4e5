/*
 * item.h
 *	  A row as DynamoDB's JSON has it: the PutItem that stores it, and what its answer says.
 *
 * Must not know how requests travel.
 */
#ifndef DDB_SYNC_ITEM_H
#define DDB_SYNC_ITEM_H

#include <jansson.h>

#include "aws/dynamodb.h"
#include "row.h"

typedef enum PutOutcome
{
	PUT_STORED,			  /* the row holds this version: now, or since an earlier try */
	PUT_REPLACED_FOREIGN, /* so too; what it replaced was written by someone else, with a lower version */
	PUT_FOREIGN,		  /* not stored: someone else's row has this version or a newer one */
	PUT_AHEAD,			  /* not stored: our own row is newer, though we are the only writer */
	PUT_REFUSED,		  /* not stored: DynamoDB does not take this row */
	PUT_WRONG_TABLE /* the row of another window was there: pk and sk are not the table's keys */
} PutOutcome;

/* A PutItem that stores the row unless a version that is not lower is there; a new string, or NULL without memory. */
extern char *item_put_request(const char *table, const Row *row);

/*
 * What an answer that is DONE, CONDITION or REFUSED means for the row.  problem
 * is filled unless PUT_STORED: one line without a full stop.
 */
extern PutOutcome item_judge_put(const DynamoDbAnswer *answer, const Row *row, char *problem,
								 size_t problem_size);

/* The version of the row in the way; -1 if it has none or one beyond a bigint. */
extern int64_t item_version_in_the_way(const DynamoDbAnswer *answer);

#endif /* DDB_SYNC_ITEM_H */
