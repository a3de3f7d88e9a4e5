/*
 * dynamodb_error.h
 *	  DynamoDB's errors by name: which pass, which a person has to mend, and how.
 */
#ifndef AWS_DYNAMODB_ERROR_H
#define AWS_DYNAMODB_ERROR_H

#include "aws/dynamodb.h"

/* What to do about a table that can't hold the rows. */
#define DYNAMODB_HINT_KEYS                                                                     \
	"the table must have the partition key pk (S) and the sort key sk (N), and no other: use " \
	"another one, which topk-ddb-sync --create-table makes"

typedef enum DynamoDbCause
{
	CAUSE_OTHER,
	CAUSE_CLOCK, /* signed with a time that AWS does not take, perhaps */
	CAUSE_EXPIRED
} DynamoDbCause;

/* The name after '#' in __type, "" if there is none. */
extern const char *dynamodb_error_type(const json_t *answer);

/* The first line of its message: others may repeat the request's headers, and with them the session token. */
extern int dynamodb_error_message(const json_t *answer, const char **message);

/*
 * What an error means; cause tells of FATAL ones that a corrected clock or new credentials may
 * mend; *hint (unless NULL) is what to do.
 */
extern DynamoDbVerdict dynamodb_error_judge(long status, const char *type, const char *message,
											DynamoDbCause *cause, const char **hint);

#endif /* AWS_DYNAMODB_ERROR_H */
