/*
 * dynamodb_call.h
 *	  One request to DynamoDB after the other, for what is done once and not in the loop.
 */
#ifndef DDB_SYNC_DYNAMODB_CALL_H
#define DDB_SYNC_DYNAMODB_CALL_H

#include "daemon/backoff.h"
#include "daemon/signals.h"
#include "aws/dynamodb.h"

/*
 * One request and its answer, whatever that is, which lives until the next request.  RETRY: a stop was
 * requested.  FATAL: logged.
 */
extern DaemonStatus dynamodb_ask(DynamoDb *dynamodb, Signals *signals, const Log *log,
								 const char *operation, const json_t *request,
								 DynamoDbAnswer *answer);

/* Log an answer that only a person can mend: FATAL. */
extern DaemonStatus dynamodb_fail(const DynamoDb *dynamodb, const Log *log, const char *operation,
								  const DynamoDbAnswer *answer);

/*
 * Wait for the answer to a request, whose reference is taken, and ask again while DynamoDB is away or throttles.
 *
 * OK: *answer is the caller's; NULL if DynamoDB answered the error named expected (which may be NULL).
 * RETRY: a stop was requested.  FATAL, logged with advice: any other error.
 */
extern DaemonStatus dynamodb_call(DynamoDb *dynamodb, Backoff *backoff, Signals *signals,
								  const Log *log, const char *operation, json_t *request,
								  const char *expected, json_t **answer);

#endif /* DDB_SYNC_DYNAMODB_CALL_H */
