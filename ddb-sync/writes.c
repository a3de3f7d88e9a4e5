/*
 * writes.c
 *	  The rows under way to DynamoDB.
 *
 * Must not know PostgreSQL (sync.c) nor how requests travel (dynamodb.c).
 */
#include "writes.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"
#include "aws/dynamodb_error.h"

/* The longest wait of a row that is throttled: DynamoDB's burst capacity refills each second. */
#define RETRY_CAP_MS 2000

void
writes_init(Writes *writes, DynamoDb *dynamodb, const Log *log, SyncMetrics *metrics,
			const char *pipeline)
{
	*writes = (Writes) {.dynamodb = dynamodb, .log = log, .metrics = metrics, .pipeline = pipeline};
	backoff_init(&writes->outage, "DynamoDB");
}

static void
free_write(Write *write)
{
	free((void *) write->row.key);
	free((void *) write->row.value);
	free((void *) write->row.slacks);
	free((void *) write->row.writer);
	free(write);
}

void
writes_free(Writes *writes)
{
	for (int i = 0; i < writes->count; i++)
		free_write(writes->items[i]);
	writes->count = 0;
}

bool
writes_have_room(const Writes *writes, int rows)
{
	return writes->count + rows <= WRITES_MAX && writes->bytes < WRITES_MAX_BYTES;
}

/* ---- the set ---- */

void
writes_remove(Writes *writes, Write *write)
{
	int i = 0;

	if (write->backoff.failures > 0)
		writes->struggling--;
	while (writes->items[i] != write)
		i++;
	writes->bytes -= write->row.value_length;
	writes->items[i] = writes->items[--writes->count];
	free_write(write);
}

static void
remove_same_window(Writes *writes, const Row *row)
{
	for (int i = writes->count - 1; i >= 0; i--)
	{
		Write *write = writes->items[i];

		if (write->row.bucket != row->bucket || strcmp(write->row.key, row->key) != 0)
			continue;
		if (write->state == WRITE_WAITING)
			writes_remove(writes, write);
		else
			write->abandoned = true;
	}
}

DaemonStatus
writes_add(Writes *writes, const Row *row)
{
	Write *write;
	void  *value = malloc(row->value_length);

	remove_same_window(writes, row);
	write = writes->count < WRITES_MAX ? calloc(1, sizeof(*write)) : NULL;
	if (write == NULL || value == NULL)
	{
		free(value);
		free(write);
		log_error(writes->log, "out of memory");
		return DAEMON_FATAL;
	}
	memcpy(value, row->value, row->value_length);
	write->row = *row;
	write->row.pipeline = writes->pipeline;
	write->row.key = strdup(row->key);
	write->row.value = value;
	write->row.slacks = row->known ? strdup(row->slacks) : NULL;
	write->row.writer = strdup(row->writer);
	write->added = clock_milliseconds();
	backoff_init(&write->backoff, NULL);
	write->backoff.cap_ms = RETRY_CAP_MS;
	writes->items[writes->count++] = write;
	writes->bytes += row->value_length;
	return DAEMON_OK;
}

int
writes_count(const Writes *writes, WriteState state)
{
	int count = 0;

	for (int i = 0; i < writes->count; i++)
		if (writes->items[i]->state == state)
			count++;
	return count;
}

Write *
writes_ended(const Writes *writes)
{
	for (int i = 0; i < writes->count; i++)
		if (writes->items[i]->state == WRITE_ENDED)
			return writes->items[i];
	return NULL;
}

void
writes_forget_waiting(Writes *writes)
{
	for (int i = writes->count - 1; i >= 0; i--)
		if (writes->items[i]->state == WRITE_WAITING)
			writes_remove(writes, writes->items[i]);
}

void
writes_abandon(Writes *writes)
{
	for (int i = writes->count - 1; i >= 0; i--)
	{
		if (writes->items[i]->state == WRITE_STARTED)
			writes->items[i]->abandoned = true;
		else
			writes_remove(writes, writes->items[i]);
	}
}

int64_t
writes_next_retry(const Writes *writes)
{
	int64_t next = -1;

	for (int i = 0; i < writes->count; i++)
		if (writes->items[i]->state == WRITE_WAITING &&
			(next < 0 || writes->items[i]->retry_at < next))
			next = writes->items[i]->retry_at;
	return next;
}

/* ---- requests ---- */

void
writes_start(Writes *writes)
{
	int64_t now = clock_milliseconds();

	for (int i = 0; i < writes->count && dynamodb_free_slots(writes->dynamodb) > 0; i++)
	{
		Write *write = writes->items[i];
		char  *body;

		if (write->state != WRITE_WAITING || write->retry_at > now)
			continue;
		body = item_put_request(dynamodb_table(writes->dynamodb), &write->row);
		if (body == NULL)
		{
			log_error(writes->log, "could not make the request",
					  LOG_TEXT("problem", "out of memory"));
			writes->failed = true;
			return;
		}
		write->state = WRITE_STARTED;
		writes->started++;
		dynamodb_start(writes->dynamodb, "PutItem", body, write);
	}
}

static void
try_again(Writes *writes, Write *write, const DynamoDbAnswer *answer)
{
	if (write->backoff.failures == 0)
		writes->struggling++;
	write->state = WRITE_WAITING;
	write->retry_at = clock_milliseconds() + backoff_next(&write->backoff);
	backoff_failed(&writes->outage, writes->log, answer->problem);
}

/* No row is left that DynamoDB has turned away: the outage is over. */
static void
recover(Writes *writes, Write *write)
{
	if (write->backoff.failures > 0)
		writes->struggling--;
	write->backoff.failures = 0;
	if (writes->struggling == 0)
		backoff_succeeded(&writes->outage, writes->log);
}

static void
end_write(Writes *writes, Write *write, const DynamoDbAnswer *answer)
{
	write->state = WRITE_ENDED;
	write->outcome = item_judge_put(answer, &write->row, write->problem, sizeof(write->problem));
	write->version_there = item_version_in_the_way(answer);
	recover(writes, write);
}

static DaemonStatus
fail(Writes *writes, const char *problem, const char *hint)
{
	log_error(writes->log, "DynamoDB can not be used", LOG_TEXT("problem", problem),
			  LOG_TEXT("table", dynamodb_table(writes->dynamodb)), LOG_TEXT("hint", hint));
	return DAEMON_FATAL;
}

/* What an answer means for its row. */
static DaemonStatus
take_answer(Writes *writes, const DynamoDbAnswer *answer)
{
	Write *write = answer->tag;

	writes->started--;
	sync_metrics_answer(writes->metrics, answer);
	if (answer->verdict == DYNAMODB_FATAL)
		return fail(writes, answer->problem, answer->hint);
	if (write->abandoned)
	{
		writes_remove(writes, write);
		return DAEMON_OK;
	}
	if (answer->verdict == DYNAMODB_THROTTLED || answer->verdict == DYNAMODB_AWAY)
		try_again(writes, write, answer);
	else
		end_write(writes, write, answer);
	return write->state == WRITE_ENDED && write->outcome == PUT_WRONG_TABLE
			   ? fail(writes, write->problem, DYNAMODB_HINT_KEYS)
			   : DAEMON_OK;
}

DaemonStatus
writes_collect(Writes *writes)
{
	DynamoDbAnswer answer;
	DaemonStatus   status = writes->failed ? DAEMON_FATAL : DAEMON_OK;

	while (status == DAEMON_OK && dynamodb_next(writes->dynamodb, &answer))
		status = take_answer(writes, &answer);
	writes->failed = status != DAEMON_OK;
	return status;
}
