/*
 * dynamodb.c
 *	  PutItem: its request, its answer, and what DynamoDB's errors mean.
 *
 * Must not know PostgreSQL, nor how to sign (http.h does).
 */
#include "dynamodb.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "daemon/base64.h"
#include "daemon/http.h"

#define HTTP_STATUS_OK 200
#define HTTP_STATUS_CLIENT_ERROR 400
#define HTTP_STATUS_SERVER_ERROR 500

struct DynamoDb
{
	const DynamoDbSettings *settings;
	const Log			   *log;
	AwsSigning				signing;
	HttpClient			   *http;
	char					url[512];
	char					problem[1024];
};

/* An error that ends the program, and what to do about it. */
typedef struct FatalError
{
	const char *type;
	const char *advice;
} FatalError;

#define ADVICE_CREDENTIALS "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"

static const FatalError fatal_errors[] = {
	{"ResourceNotFoundException",
	 "create the table with the keys pk (S) and sk (N), or check --ddb-table, --aws-region and --ddb-endpoint"},
	{"AccessDeniedException", "allow these credentials dynamodb:PutItem on the table"},
	{"UnrecognizedClientException", ADVICE_CREDENTIALS},
	{"InvalidClientTokenId", ADVICE_CREDENTIALS},
	{"MissingAuthenticationToken", ADVICE_CREDENTIALS},
	{"MissingAuthenticationTokenException", ADVICE_CREDENTIALS},
	{"IncompleteSignatureException", ADVICE_CREDENTIALS},
	{"InvalidSignatureException",
	 "check AWS_SECRET_ACCESS_KEY, --aws-region and this machine's clock"},
	{"ExpiredTokenException", "renew the credentials and start again"},
	{"ExpiredToken", "renew the credentials and start again"},
};

#define FATAL_ERRORS ((int) (sizeof(fatal_errors) / sizeof(fatal_errors[0])))

/* Errors with a status of 400 that pass by themselves. */
static const char *const passing_errors[] = {
	"ProvisionedThroughputExceededException",
	"ThrottlingException",
	"Throttling",
	"RequestLimitExceeded",
	"TransactionConflictException",
	"ReplicatedWriteConflictException",
	"InternalServerError",
	"ServiceUnavailable",
	"LimitExceededException",
};

#define PASSING_ERRORS ((int) (sizeof(passing_errors) / sizeof(passing_errors[0])))

DaemonStatus
dynamodb_open(const DynamoDbSettings *settings, const Log *log, DynamoDb **dynamodb)
{
	DynamoDb *new_dynamodb = calloc(1, sizeof(*new_dynamodb));

	*dynamodb = NULL;
	if (new_dynamodb == NULL || http_open(settings->program, &new_dynamodb->http) != DAEMON_OK)
	{
		free(new_dynamodb);
		log_error(log, "could not set up the HTTP client");
		return DAEMON_FATAL;
	}
	new_dynamodb->settings = settings;
	new_dynamodb->log = log;
	new_dynamodb->signing = (AwsSigning) {
		.credentials = settings->credentials,
		.region = settings->region,
		.service = "dynamodb",
	};
	if (settings->endpoint != NULL)
		snprintf(new_dynamodb->url, sizeof(new_dynamodb->url), "%s", settings->endpoint);
	else
		snprintf(new_dynamodb->url, sizeof(new_dynamodb->url),
				 "https://dynamodb.%s.amazonaws.com%s/", settings->region,
				 strncmp(settings->region, "cn-", 3) == 0 ? ".cn" : "");
	*dynamodb = new_dynamodb;
	return DAEMON_OK;
}

void
dynamodb_close(DynamoDb *dynamodb)
{
	if (dynamodb == NULL)
		return;
	http_close(dynamodb->http);
	free(dynamodb);
}

const char *
dynamodb_problem(const DynamoDb *dynamodb)
{
	return dynamodb->problem;
}

__attribute__((format(printf, 2, 3))) static void
set_problem(DynamoDb *dynamodb, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(dynamodb->problem, sizeof(dynamodb->problem), format, arguments);
	va_end(arguments);
}

/* ---- the request ---- */

static json_t *
number_attribute(int64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, number);
	return json_pack("{s:s}", "N", text);
}

static json_t *
text_attribute(const char *text)
{
	return json_pack("{s:s}", "S", text);
}

static json_t *
bytes_attribute(const void *bytes, size_t length)
{
	char   *text = base64_encode(bytes, length);
	json_t *attribute = text != NULL ? json_pack("{s:s}", "B", text) : NULL;

	free(text);
	return attribute;
}

static json_t *
make_item(const Row *row)
{
	json_t *item = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "pk", text_attribute(row->key), "sk",
		number_attribute(row->bucket), "v", bytes_attribute(row->value, row->value_length), "ver",
		number_attribute(row->version), "ttl", number_attribute(row->ttl), "pipeline",
		text_attribute(row->pipeline), "updated_at", number_attribute(row->updated_at), "writer",
		text_attribute(row->writer));

	if (item == NULL || !row->known)
		return item;
	if (json_object_set_new(item, "total", number_attribute(row->total)) != 0 ||
		json_object_set_new(item, "error", number_attribute(row->error)) != 0)
	{
		json_decref(item);
		return NULL;
	}
	return item;
}

/* A new string, or NULL without memory. */
static char *
make_request(const char *table, const Row *row)
{
	json_t *request =
		json_pack("{s:s, s:o, s:s, s:{s:o}, s:s, s:s}", "TableName", table, "Item", make_item(row),
				  "ConditionExpression", "attribute_not_exists(ver) OR ver < :ver",
				  "ExpressionAttributeValues", ":ver", number_attribute(row->version),
				  "ReturnValues", "ALL_OLD", "ReturnValuesOnConditionCheckFailure", "ALL_OLD");
	char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;

	json_decref(request);
	return text;
}

/* ---- the answer ---- */

/* attributes.name.type as text, or NULL. */
static const char *
attribute_value(const json_t *attributes, const char *name, const char *type)
{
	return json_string_value(json_object_get(json_object_get(attributes, name), type));
}

static bool
is_ours(const json_t *attributes, const Row *row)
{
	const char *writer = attribute_value(attributes, "writer", "S");

	return writer != NULL && strcmp(writer, row->writer) == 0;
}

static bool
has_version(const json_t *attributes, int64_t version)
{
	const char *text = attribute_value(attributes, "ver", "N");
	char	   *end;
	long long	number;

	if (text == NULL)
		return false;
	errno = 0;
	number = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0' && number == version;
}

static PutOutcome
judge_stored(DynamoDb *dynamodb, const json_t *answer, const Row *row)
{
	const json_t *replaced = json_object_get(answer, "Attributes");

	if (replaced == NULL || is_ours(replaced, row))
		return PUT_STORED;
	set_problem(dynamodb, "the row had been written by someone else, with version %s",
				attribute_value(replaced, "ver", "N") != NULL
					? attribute_value(replaced, "ver", "N")
					: "none");
	return PUT_REPLACED_FOREIGN;
}

/* What the row that was in the way says about why. */
static PutOutcome
judge_in_the_way(DynamoDb *dynamodb, const json_t *answer, const Row *row)
{
	const json_t *item = json_object_get(answer, "Item");
	const char	 *version = attribute_value(item, "ver", "N");

	if (is_ours(item, row) && has_version(item, row->version))
		return PUT_STORED;
	if (is_ours(item, row))
	{
		set_problem(dynamodb,
					"the row's version %s is newer than this database ever issued for it: "
					"was the database restored from an older backup",
					version != NULL ? version : "none");
		return PUT_AHEAD;
	}
	set_problem(dynamodb, "the row was written by someone else, with version %s",
				version != NULL ? version : "none");
	return PUT_FOREIGN;
}

/* The name after '#' in __type, "" if there is none. */
static const char *
error_type(const json_t *answer)
{
	const char *type = json_string_value(json_object_get(answer, "__type"));
	const char *hash = type != NULL ? strrchr(type, '#') : NULL;

	return hash != NULL ? hash + 1 : type != NULL ? type : "";
}

static const char *
error_message(const json_t *answer)
{
	const char *message = json_string_value(json_object_get(answer, "message"));

	if (message == NULL)
		message = json_string_value(json_object_get(answer, "Message"));
	return message != NULL ? message : "";
}

static bool
passes_by_itself(long status, const char *type)
{
	if (status < HTTP_STATUS_CLIENT_ERROR || status >= HTTP_STATUS_SERVER_ERROR || *type == '\0')
		return true;
	for (int i = 0; i < PASSING_ERRORS; i++)
		if (strcmp(type, passing_errors[i]) == 0)
			return true;
	return false;
}

static DaemonStatus
judge_error(DynamoDb *dynamodb, long status, const json_t *answer, const Row *row,
			PutOutcome *outcome)
{
	const char *type = error_type(answer);
	const char *message;

	if (strcmp(type, "ConditionalCheckFailedException") == 0)
	{
		*outcome = judge_in_the_way(dynamodb, answer, row);
		return DAEMON_OK;
	}

	/* the first line: others may repeat the request's headers, and with them the session token */
	message = error_message(answer);
	set_problem(dynamodb, "HTTP status %ld%s%s: %.*s", status, *type != '\0' ? ", " : "", type,
				(int) strcspn(message, "\n"), message);
	for (int i = 0; i < FATAL_ERRORS; i++)
		if (strcmp(type, fatal_errors[i].type) == 0)
		{
			log_error(dynamodb->log, "DynamoDB can not be used",
					  LOG_TEXT("problem", dynamodb->problem),
					  LOG_TEXT("table", dynamodb->settings->table),
					  LOG_TEXT("hint", fatal_errors[i].advice));
			return DAEMON_FATAL;
		}
	if (passes_by_itself(status, type))
		return DAEMON_RETRY;
	*outcome = PUT_REFUSED;
	return DAEMON_OK;
}

static DaemonStatus
judge_answer(DynamoDb *dynamodb, const HttpResponse *response, const Row *row, PutOutcome *outcome)
{
	json_t		*answer = json_loadb(response->body, response->length, 0, NULL);
	DaemonStatus status = DAEMON_OK;

	if (response->status != HTTP_STATUS_OK)
		status = judge_error(dynamodb, response->status, answer, row, outcome);
	else if (json_is_object(answer))
		*outcome = judge_stored(dynamodb, answer, row);
	else
	{
		set_problem(dynamodb, "the answer is not JSON: is %s DynamoDB", dynamodb->url);
		status = DAEMON_RETRY;
	}
	json_decref(answer);
	return status;
}

DaemonStatus
dynamodb_put(DynamoDb *dynamodb, const Row *row, PutOutcome *outcome)
{
	static const char *const headers[] = {"Content-Type: application/x-amz-json-1.0",
										  "X-Amz-Target: DynamoDB_20120810.PutItem", NULL};
	char					*body = make_request(dynamodb->settings->table, row);
	HttpRequest				 request = {
					 .url = dynamodb->url, .headers = headers, .body = body, .signing = &dynamodb->signing};
	HttpResponse response;
	DaemonStatus status;

	dynamodb->problem[0] = '\0';
	if (body == NULL)
	{
		log_error(dynamodb->log, "could not make the request",
				  LOG_TEXT("problem", "out of memory"));
		return DAEMON_FATAL;
	}
	request.body_length = strlen(body);
	status = http_post(dynamodb->http, &request, &response);
	free(body);
	if (status == DAEMON_OK)
		return judge_answer(dynamodb, &response, row, outcome);

	set_problem(dynamodb, "%s", http_problem(dynamodb->http));
	if (status == DAEMON_FATAL)
		log_error(
			dynamodb->log, "DynamoDB can not be used", LOG_TEXT("problem", dynamodb->problem),
			LOG_TEXT(
				"hint",
				"check --ddb-endpoint, and that this machine trusts the authority of its certificate"));
	return status;
}
