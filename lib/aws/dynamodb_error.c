/*
 * dynamodb_error.c
 *	  DynamoDB's errors by name.
 *
 * "Error handling with DynamoDB" in the Amazon DynamoDB Developer Guide, and
 * "Common Errors" in its API Reference.  Must not know any request.
 */
#include "aws/dynamodb_error.h"

#include <string.h>

#define HTTP_STATUS_CLIENT_ERROR 400
#define HTTP_STATUS_SERVER_ERROR 500

typedef struct ErrorName
{
	const char	   *type;
	DynamoDbVerdict verdict;
	DynamoDbCause	cause;
	const char	   *hint;
} ErrorName;

#define HINT_CREDENTIALS \
	"check the credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what docs/ddb-sync.md lists"
#define HINT_SIGNATURE "check AWS_SECRET_ACCESS_KEY, --aws-region and this machine's clock"
#define HINT_EXPIRED "renew the credentials and start again"

static const ErrorName names[] = {
	{"ConditionalCheckFailedException", DYNAMODB_CONDITION, CAUSE_OTHER, NULL},

	{"ProvisionedThroughputExceededException", DYNAMODB_THROTTLED, CAUSE_OTHER, NULL},
	{"ThrottlingException", DYNAMODB_THROTTLED, CAUSE_OTHER, NULL},
	{"Throttling", DYNAMODB_THROTTLED, CAUSE_OTHER, NULL},
	{"RequestLimitExceeded", DYNAMODB_THROTTLED, CAUSE_OTHER, NULL},
	{"LimitExceededException", DYNAMODB_THROTTLED, CAUSE_OTHER, NULL},
	{"TransactionConflictException", DYNAMODB_THROTTLED, CAUSE_OTHER, NULL},
	{"ReplicatedWriteConflictException", DYNAMODB_THROTTLED, CAUSE_OTHER, NULL},
	{"InternalServerError", DYNAMODB_AWAY, CAUSE_OTHER, NULL},
	{"ServiceUnavailable", DYNAMODB_AWAY, CAUSE_OTHER, NULL},

	{"ResourceNotFoundException", DYNAMODB_FATAL, CAUSE_OTHER,
	 "create the table, with topk-ddb-sync --create-table or with the keys pk (S) and sk (N), "
	 "or check --ddb-table, --aws-region and --ddb-endpoint"},
	{"AccessDeniedException", DYNAMODB_FATAL, CAUSE_OTHER,
	 "allow these credentials on the table what docs/ddb-sync.md lists, dynamodb:PutItem at least, "
	 "or for topk-query what docs/query.md does"},
	{"UnrecognizedClientException", DYNAMODB_FATAL, CAUSE_OTHER, HINT_CREDENTIALS},
	{"InvalidClientTokenId", DYNAMODB_FATAL, CAUSE_OTHER, HINT_CREDENTIALS},
	{"MissingAuthenticationToken", DYNAMODB_FATAL, CAUSE_OTHER, HINT_CREDENTIALS},
	{"MissingAuthenticationTokenException", DYNAMODB_FATAL, CAUSE_OTHER, HINT_CREDENTIALS},
	{"IncompleteSignatureException", DYNAMODB_FATAL, CAUSE_OTHER, HINT_CREDENTIALS},
	{"InvalidSignatureException", DYNAMODB_FATAL, CAUSE_CLOCK, HINT_SIGNATURE},
	{"SignatureDoesNotMatch", DYNAMODB_FATAL, CAUSE_CLOCK, HINT_SIGNATURE},
	{"RequestExpired", DYNAMODB_FATAL, CAUSE_CLOCK, HINT_SIGNATURE},
	{"RequestTimeTooSkewed", DYNAMODB_FATAL, CAUSE_CLOCK, HINT_SIGNATURE},
	{"ExpiredTokenException", DYNAMODB_FATAL, CAUSE_EXPIRED, HINT_EXPIRED},
	{"ExpiredToken", DYNAMODB_FATAL, CAUSE_EXPIRED, HINT_EXPIRED},
};

#define NAMES ((int) (sizeof(names) / sizeof(names[0])))

const char *
dynamodb_error_type(const json_t *answer)
{
	const char *type = json_string_value(json_object_get(answer, "__type"));
	const char *hash = type != NULL ? strrchr(type, '#') : NULL;

	return hash != NULL ? hash + 1 : type != NULL ? type : "";
}

int
dynamodb_error_message(const json_t *answer, const char **message)
{
	*message = json_string_value(json_object_get(answer, "message"));
	if (*message == NULL)
		*message = json_string_value(json_object_get(answer, "Message"));
	if (*message == NULL)
		*message = "";
	return (int) strcspn(*message, "\n");
}

/* A ValidationException that any row would meet: there is no name for it but its message. */
static bool
is_wrong_key(const char *message)
{
	return strstr(message, "does not match the schema") != NULL ||
		   strstr(message, "Missing the key") != NULL ||
		   strstr(message, "Type mismatch for key") != NULL ||
		   strstr(message, "required keys was not given") != NULL;
}

DynamoDbVerdict
dynamodb_error_judge(long status, const char *type, const char *message, DynamoDbCause *cause,
					 const char **hint)
{
	*cause = CAUSE_OTHER;
	*hint = NULL;
	for (int i = 0; i < NAMES; i++)
		if (strcmp(type, names[i].type) == 0)
		{
			*cause = names[i].cause;
			*hint = names[i].hint;
			return names[i].verdict;
		}
	if (status < HTTP_STATUS_CLIENT_ERROR || status >= HTTP_STATUS_SERVER_ERROR || *type == '\0')
		return DYNAMODB_AWAY;
	if (strcmp(type, "ValidationException") == 0 && is_wrong_key(message))
	{
		*hint = DYNAMODB_HINT_KEYS;
		return DYNAMODB_FATAL;
	}
	return DYNAMODB_REFUSED;
}
