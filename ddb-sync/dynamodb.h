/*
 * dynamodb.h
 *	  Store a row in DynamoDB, by one conditional PutItem and no read.
 *
 * Must not know PostgreSQL, nor when to try again.
 */
#ifndef DDB_SYNC_DYNAMODB_H
#define DDB_SYNC_DYNAMODB_H

#include "daemon/aws.h"
#include "daemon/log.h"
#include "daemon/status.h"
#include "row.h"

typedef struct DynamoDb DynamoDb;

typedef struct DynamoDbSettings
{
	const char	  *program;
	const char	  *endpoint; /* NULL: AWS's for the region */
	const char	  *region;
	const char	  *table;
	AwsCredentials credentials;
} DynamoDbSettings;

typedef enum PutOutcome
{
	PUT_STORED,			  /* the row holds this version: now, or since an earlier try */
	PUT_REPLACED_FOREIGN, /* so too; what it replaced was written by someone else, with a lower version */
	PUT_FOREIGN,		  /* not stored: someone else's row has this version or a newer one */
	PUT_AHEAD,			  /* not stored: our own row is newer, though we are the only writer */
	PUT_REFUSED			  /* not stored: DynamoDB does not take this row (too large, ...) */
} PutOutcome;

/* settings and log must outlive it.  FATAL, logged, without memory. */
extern DaemonStatus dynamodb_open(const DynamoDbSettings *settings, const Log *log,
								  DynamoDb **dynamodb);
extern void			dynamodb_close(DynamoDb *dynamodb);

/*
 * Put the row unless a version that is not lower is there.
 *
 * OK: *outcome tells what became of it.
 * RETRY: throttled, a server error, or no answer; call again with the same
 * row: if an unanswered try stored it after all, that is PUT_STORED.
 * FATAL, logged with advice: no such table, credentials, signature.
 */
extern DaemonStatus dynamodb_put(DynamoDb *dynamodb, const Row *row, PutOutcome *outcome);

/*
 * One line about the last dynamodb_put that was not PUT_STORED, without a full stop.
 */
extern const char *dynamodb_problem(const DynamoDb *dynamodb);

#endif /* DDB_SYNC_DYNAMODB_H */
