/*
 * dynamodb_call.c
 *	  One request to DynamoDB after the other; must not know what is in them.
 */
#include "dynamodb_call.h"

#include <string.h>

/* How soon a stop request is noticed amid a request. */
#define WAIT_MS 1000

static DaemonStatus
await_answer(DynamoDb *dynamodb, Signals *signals, DynamoDbAnswer *answer)
{
	while (!dynamodb_next(dynamodb, answer))
	{
		struct pollfd fd = {.fd = signals_fd(signals), .events = POLLIN};

		if (signals_stop_requested(signals))
			return DAEMON_RETRY;
		dynamodb_wait(dynamodb, &fd, 1, WAIT_MS);
	}
	return DAEMON_OK;
}

DaemonStatus
dynamodb_fail(const DynamoDb *dynamodb, const Log *log, const char *operation,
			  const DynamoDbAnswer *answer)
{
	log_error(log, "DynamoDB can not be used", LOG_TEXT("problem", answer->problem),
			  LOG_TEXT("operation", operation), LOG_TEXT("table", dynamodb_table(dynamodb)),
			  LOG_TEXT("hint", answer->hint));
	return DAEMON_FATAL;
}

DaemonStatus
dynamodb_ask(DynamoDb *dynamodb, Signals *signals, const Log *log, const char *operation,
			 const json_t *request, DynamoDbAnswer *answer)
{
	char *body = json_dumps(request, JSON_COMPACT);

	if (body == NULL)
	{
		log_error(log, "could not make the request", LOG_TEXT("problem", "out of memory"));
		return DAEMON_FATAL;
	}
	dynamodb_start(dynamodb, operation, body, NULL);
	return await_answer(dynamodb, signals, answer);
}

/* One try; RETRY also when it is worth another one, after *wait milliseconds (-1: there is to be none). */
static DaemonStatus
try_call(DynamoDb *dynamodb, Backoff *backoff, Signals *signals, const Log *log,
		 const char *operation, const json_t *request, const char *expected, json_t **answer,
		 int *wait)
{
	DynamoDbAnswer raw;
	DaemonStatus   status = dynamodb_ask(dynamodb, signals, log, operation, request, &raw);

	*wait = -1;
	if (status != DAEMON_OK)
		return status;
	if (expected != NULL && strcmp(raw.type, expected) == 0)
		return DAEMON_OK;
	switch (raw.verdict)
	{
		case DYNAMODB_DONE:
			backoff_succeeded(backoff, log);
			*answer = json_incref((json_t *) raw.json);
			return DAEMON_OK;
		case DYNAMODB_THROTTLED:
		case DYNAMODB_AWAY:
			*wait = backoff_failed(backoff, log, raw.problem);
			return DAEMON_RETRY;
		default:
			return dynamodb_fail(dynamodb, log, operation, &raw);
	}
}

DaemonStatus
dynamodb_call(DynamoDb *dynamodb, Backoff *backoff, Signals *signals, const Log *log,
			  const char *operation, json_t *request, const char *expected, json_t **answer)
{
	DaemonStatus status;
	int			 wait;

	*answer = NULL;
	do
	{
		status =
			try_call(dynamodb, backoff, signals, log, operation, request, expected, answer, &wait);
	} while (status == DAEMON_RETRY && wait >= 0 &&
			 signals_wait(signals, -1, 0, wait) != SIGNALS_STOP);
	json_decref(request);
	return status;
}
