/*
 * dynamodb.c
 *	  Requests to DynamoDB: signed, checked, and judged.
 *
 * Must not know PostgreSQL, nor what is in a request.
 */
#include "aws/dynamodb.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zlib.h>

#include "daemon/clock.h"
#include "daemon/http_many.h"
#include "aws/dynamodb_error.h"
#include "aws/json_read.h"

#define HTTP_STATUS_OK 200

/* Clocks that differ by less do not make AWS refuse a signature (it takes 5 minutes). */
#define CLOCK_TOLERANCE_SECONDS 60

typedef struct Request
{
	void		   *tag;
	char		   *body;
	int64_t			started;	/* clock_milliseconds */
	unsigned		generation; /* of the credentials that it is signed with */
	int64_t			clock_offset;
	DaemonStatus	unsent; /* not OK: there were no credentials to sign it with */
	struct Request *next;
} Request;

struct DynamoDb
{
	const DynamoDbSettings *settings;
	const Log			   *log;
	Credentials			   *credentials;
	AwsSigning				signing;
	HttpMany			   *http;
	Request				   *unsent;
	int						unsent_count;
	Request				   *last;  /* whose answer the caller looks at */
	json_t				   *json;  /* of that */
	Items					items; /* and so */
	char					url[512];
	char					problem[1024];
};

DaemonStatus
dynamodb_open(const DynamoDbSettings *settings, Credentials *credentials, const Log *log,
			  DynamoDb **dynamodb)
{
	DynamoDb *new_dynamodb = calloc(1, sizeof(*new_dynamodb));

	*dynamodb = NULL;
	if (new_dynamodb == NULL ||
		http_many_open(settings->program, settings->slots, &new_dynamodb->http) != DAEMON_OK)
	{
		free(new_dynamodb);
		log_error(log, "could not set up the HTTP client");
		return DAEMON_FATAL;
	}
	new_dynamodb->settings = settings;
	new_dynamodb->log = log;
	new_dynamodb->credentials = credentials;
	new_dynamodb->signing = (AwsSigning) {.region = settings->region, .service = "dynamodb"};
	if (settings->endpoint != NULL)
		snprintf(new_dynamodb->url, sizeof(new_dynamodb->url), "%s", settings->endpoint);
	else
		snprintf(new_dynamodb->url, sizeof(new_dynamodb->url),
				 "https://dynamodb.%s.amazonaws.com%s/", settings->region,
				 strncmp(settings->region, "cn-", 3) == 0 ? ".cn" : "");
	*dynamodb = new_dynamodb;
	return DAEMON_OK;
}

static void
free_request(Request *request)
{
	if (request != NULL)
		free(request->body);
	free(request);
}

/* The caller is done with the last answer. */
static void
release_last(DynamoDb *dynamodb)
{
	free_request(dynamodb->last);
	dynamodb->last = NULL;
	json_decref(dynamodb->json);
	dynamodb->json = NULL;
	items_free(&dynamodb->items);
}

/* Requests under way leak: the program ends. */
void
dynamodb_close(DynamoDb *dynamodb)
{
	if (dynamodb == NULL)
		return;
	release_last(dynamodb);
	http_many_close(dynamodb->http);
	free(dynamodb);
}

const char *
dynamodb_table(const DynamoDb *dynamodb)
{
	return dynamodb->settings->table;
}

int
dynamodb_free_slots(const DynamoDb *dynamodb)
{
	return http_many_free_slots(dynamodb->http) - dynamodb->unsent_count;
}

/* ---- requests ---- */

void
dynamodb_start(DynamoDb *dynamodb, const char *operation, char *body, void *tag)
{
	char			  target[64];
	const char *const headers[] = {"Content-Type: application/x-amz-json-1.0", target, NULL};
	Request			 *request = calloc(1, sizeof(*request));
	HttpRequest		  http = {.url = dynamodb->url,
							  .headers = headers,
							  .signing = &dynamodb->signing,
							  .total_timeout_ms = dynamodb->settings->timeout_ms,
							  .response_limit = 32 * 1024 * 1024};

	release_last(dynamodb);
	if (request == NULL)
		abort(); /* 64 bytes */
	*request = (Request) {.tag = tag, .body = body, .started = clock_milliseconds()};
	request->unsent = credentials_get(dynamodb->credentials, &dynamodb->signing.credentials);
	request->generation = credentials_generation(dynamodb->credentials);
	request->clock_offset = dynamodb->signing.clock_offset;
	if (request->unsent != DAEMON_OK)
	{
		request->next = dynamodb->unsent;
		dynamodb->unsent = request;
		dynamodb->unsent_count++;
		return;
	}
	snprintf(target, sizeof(target), "X-Amz-Target: DynamoDB_20120810.%s", operation);
	http.body = body;
	http.body_length = strlen(body);
	http_many_start(dynamodb->http, &http, request);
}

void
dynamodb_wait(DynamoDb *dynamodb, struct pollfd *fds, int count, int timeout_ms)
{
	release_last(dynamodb);
	http_many_wait(dynamodb->http, fds, count, dynamodb->unsent != NULL ? 0 : timeout_ms);
}

int
dynamodb_fd(const DynamoDb *dynamodb)
{
	return http_many_fd(dynamodb->http);
}

int
dynamodb_timeout(const DynamoDb *dynamodb)
{
	return dynamodb->unsent != NULL ? 0 : http_many_timeout(dynamodb->http);
}

void
dynamodb_dispatch(DynamoDb *dynamodb)
{
	release_last(dynamodb);
	http_many_dispatch(dynamodb->http);
}

/* ---- answers ---- */

__attribute__((format(printf, 3, 4))) static DynamoDbVerdict
say(DynamoDb *dynamodb, DynamoDbVerdict verdict, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(dynamodb->problem, sizeof(dynamodb->problem), format, arguments);
	va_end(arguments);
	return verdict;
}

/* The checksum that DynamoDB sends with its answers, if it does. */
static bool
is_intact(const HttpResponse *response)
{
	const char *sent = http_response_header(response, "x-amz-crc32");
	uLong		computed;

	if (sent == NULL)
		return true;
	computed = crc32(0, (const Bytef *) response->body, (uInt) response->length);
	return strtoul(sent, NULL, 10) == computed;
}

/* AWS refused the signature: if our clock is why, go by AWS's from now on. */
static bool
correct_clock(DynamoDb *dynamodb, const Request *request, const HttpResponse *response)
{
	int64_t date = http_date(response);
	int64_t offset = date - (int64_t) time(NULL);

	if (request->clock_offset != dynamodb->signing.clock_offset)
		return true; /* corrected since */
	if (date == 0 || llabs(offset - request->clock_offset) < CLOCK_TOLERANCE_SECONDS)
		return false;
	dynamodb->signing.clock_offset = offset;
	log_warning(dynamodb->log, "this machine's clock is wrong, requests are signed with AWS's",
				LOG_INTEGER("seconds_behind", offset));
	return true;
}

/* AWS says that the credentials have expired: can there be others? */
static bool
renew_credentials(DynamoDb *dynamodb, const Request *request)
{
	return request->generation != credentials_generation(dynamodb->credentials) ||
		   credentials_reject(dynamodb->credentials);
}

static DynamoDbVerdict
judge_error(DynamoDb *dynamodb, const Request *request, const HttpResponse *response,
			DynamoDbAnswer *answer)
{
	const char	   *message;
	int				length = dynamodb_error_message(dynamodb->json, &message);
	DynamoDbCause	cause;
	DynamoDbVerdict verdict;

	answer->type = dynamodb_error_type(dynamodb->json);
	verdict = dynamodb_error_judge(response->status, answer->type, message, &cause, &answer->hint);
	if ((cause == CAUSE_CLOCK && correct_clock(dynamodb, request, response)) ||
		(cause == CAUSE_EXPIRED && renew_credentials(dynamodb, request)))
		verdict = DYNAMODB_AWAY;
	return say(dynamodb, verdict, "HTTP status %ld%s%s: %.*s", response->status,
			   *answer->type != '\0' ? ", " : "", answer->type, length, message);
}

static DynamoDbVerdict
judge(DynamoDb *dynamodb, const Request *request, const HttpAnswer *http, DynamoDbAnswer *answer)
{
	const HttpResponse *response = &http->response;

	if (http->status == DAEMON_FATAL)
		answer->hint =
			"check --ddb-endpoint, and that this machine trusts the authority of its certificate";
	if (http->status != DAEMON_OK)
		return say(dynamodb, http->status == DAEMON_FATAL ? DYNAMODB_FATAL : DYNAMODB_AWAY, "%s",
				   http->problem);
	if (!is_intact(response))
		return say(dynamodb, DYNAMODB_AWAY, "the answer was damaged on its way (x-amz-crc32)");
	dynamodb->json = json_read(response->body, response->length,
							   dynamodb->settings->items ? &dynamodb->items : NULL);
	if (response->status != HTTP_STATUS_OK)
		return judge_error(dynamodb, request, response, answer);
	if (!json_is_object(dynamodb->json))
		return say(dynamodb, DYNAMODB_AWAY, "the answer is not JSON: is %s DynamoDB",
				   dynamodb->url);
	return DYNAMODB_DONE;
}

static void
answer_unsent(DynamoDb *dynamodb, DynamoDbAnswer *answer)
{
	Request *request = dynamodb->unsent;

	dynamodb->unsent = request->next;
	dynamodb->unsent_count--;
	dynamodb->last = request;
	answer->tag = request->tag;
	answer->hint = credentials_hint(dynamodb->credentials);
	answer->verdict =
		say(dynamodb, request->unsent == DAEMON_FATAL ? DYNAMODB_FATAL : DYNAMODB_AWAY,
			"no credentials: %s", credentials_problem(dynamodb->credentials));
}

bool
dynamodb_next(DynamoDb *dynamodb, DynamoDbAnswer *answer)
{
	HttpAnswer http;

	if (dynamodb->unsent == NULL && !http_many_next(dynamodb->http, &http))
		return false; /* who has taken the last one passes it on first: releasing it takes 8 us */
	release_last(dynamodb);
	dynamodb->problem[0] = '\0';
	*answer = (DynamoDbAnswer) {.type = "", .problem = dynamodb->problem};
	if (dynamodb->unsent != NULL)
		answer_unsent(dynamodb, answer);
	else
	{
		dynamodb->last = http.tag;
		answer->tag = dynamodb->last->tag;
		answer->verdict = judge(dynamodb, dynamodb->last, &http, answer);
	}
	answer->seconds = (double) (clock_milliseconds() - dynamodb->last->started) / 1000;
	answer->json = dynamodb->json;
	answer->items = &dynamodb->items;
	return true;
}

/* BatchGetItem tells of each table: here it is one. */
double
dynamodb_consumed_units(const DynamoDbAnswer *answer)
{
	const json_t *consumed = json_object_get(answer->json, "ConsumedCapacity");

	if (json_is_array(consumed))
		consumed = json_array_get(consumed, 0);
	return json_number_value(json_object_get(consumed, "CapacityUnits"));
}
