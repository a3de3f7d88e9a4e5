/*
 * handler.c
 *	  One invocation: its event into a batch, the batch into PostgreSQL, and the answer.
 *
 * Must not know what an event of the pipeline looks like (lib/feed) nor how bytes travel (runtime.c,
 * store.c).
 */
#include "handler.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "daemon/base64.h"
#include "daemon/clock.h"
#include "kinesis.h"
#include "kpl.h"

/* The answer leaves so long before the deadline, or at half of the time if there is less than twice that. */
#define HANDLER_MARGIN_MS 1000

/* A connection that is lost with the batch on its way is replaced so often. */
#define HANDLER_LOSSES_MAX 3

/* Room for an id: ARN, shard, sequence number, and number within an aggregate. */
#define HANDLER_ID_SIZE 900

/* Where a record without a sequence number stands. */
#define KINESIS_NO_POSITION (-1)

/* The stream a consumer with a rate of its own reads is named before this. */
#define ARN_CONSUMER "/consumer/"

DaemonStatus
handler_open(Handler *handler, const FeederConfig *config, const Log *log, Runtime *runtime,
			 Store *store)
{
	*handler = (Handler) {.config = config,
						  .log = log,
						  .runtime = runtime,
						  .store = store,
						  .metrics = {.fd = 1,
									  .name_space = config->metrics_namespace,
									  .function = getenv("AWS_LAMBDA_FUNCTION_NAME"),
									  .pipeline = config->pipeline}};
	backoff_init(&handler->backoff, "PostgreSQL");
	handler->batch = feed_batch_create(&store->settings, &config->fields, FEED_RECORDS);
	if (handler->batch != NULL)
		return DAEMON_OK;
	log_error(log, "out of memory");
	return DAEMON_FATAL;
}

void
handler_close(Handler *handler)
{
	if (handler->batch != NULL)
		feed_batch_free(handler->batch);
	handler->batch = NULL;
}

/* ---- the event into the batch ---- */

/* A stream's ARN, also where a consumer's stands. */
static KinesisText
stream_arn(const KinesisRecord *record)
{
	KinesisText arn = record->arn;
	const char *consumer =
		arn.text != NULL ? memmem(arn.text, arn.length, ARN_CONSUMER, strlen(ARN_CONSUMER)) : NULL;

	if (consumer != NULL)
		arn.length = (size_t) (consumer - arn.text);
	return arn;
}

/* The number of a record's shard in the batch; -1 without memory. */
static int
shard_number(FeedBatch *batch, const KinesisRecord *record)
{
	const FeedShard *shards = feed_batch_shards(batch);
	char			 name[KINESIS_SHARD_MAX_LENGTH + 1];

	snprintf(name, sizeof(name), "%.*s", (int) record->shard.length,
			 record->shard.text != NULL ? record->shard.text : "");
	for (int i = feed_batch_shard_count(batch) - 1; i >= 0; i--)
	{
		if (strcmp(shards[i].name, name) == 0)
			return i;
	}
	return feed_batch_shard(batch, name, FEED_POSITION_NOT_KEPT);
}

/* What of a record is the same for all that is in it. */
typedef struct RecordFrame
{
	FeedRecord record;
	char	   sequence[FEED_POSITION_SIZE];
	char	   id[HANDLER_ID_SIZE];
	size_t	   id_length; /* of the part that all of them share */
} RecordFrame;

static void
frame_identify(RecordFrame *frame, const KinesisRecord *record)
{
	KinesisText arn = stream_arn(record);

	if (record->sequence.text == NULL)
		return;
	snprintf(frame->sequence, sizeof(frame->sequence), "%.*s", (int) record->sequence.length,
			 record->sequence.text);
	frame->record.sequence = frame->sequence;
	if (arn.text == NULL || record->shard.text == NULL)
		return;
	frame->id_length =
		(size_t) snprintf(frame->id, sizeof(frame->id), "%.*s/%.*s/%s", (int) arn.length, arn.text,
						  (int) record->shard.length, record->shard.text, frame->sequence);
	frame->record.id = frame->id;
	frame->record.id_length = frame->id_length;
}

/* The id of one of several records. */
static void
frame_number(RecordFrame *frame, size_t number)
{
	int suffix = snprintf(frame->id + frame->id_length, sizeof(frame->id) - frame->id_length,
						  "/%zu", number);

	frame->record.id_length = frame->id_length + (size_t) suffix;
}

/* The records within an aggregate, each by itself. */
static bool
take_aggregate(FeedBatch *batch, RecordFrame *frame, const KplAggregate *aggregate, int64_t now)
{
	for (size_t i = 0; i < kpl_count(aggregate); i++)
	{
		KplRecord inner = kpl_record(aggregate, i);

		frame_number(frame, i);
		frame->record.key = inner.partition_key;
		frame->record.key_length = strlen(inner.partition_key);
		frame->record.payload = inner.data;
		frame->record.payload_length = inner.length;
		if (!feed_batch_take(batch, &frame->record, now))
			return false;
	}
	return true;
}

static bool
take_data(FeedBatch *batch, RecordFrame *frame, const void *data, size_t length, int64_t now)
{
	KplAggregate *aggregate;
	bool		  taken = false;

	switch (kpl_open(data, length, &aggregate))
	{
		case KPL_AGGREGATED:
			taken = take_aggregate(batch, frame, aggregate, now);
			kpl_close(aggregate);
			break;
		case KPL_PLAIN:
			frame->record.payload = data;
			frame->record.payload_length = length;
			taken = feed_batch_take(batch, &frame->record, now);
			break;
		case KPL_OUT_OF_MEMORY:
			break;
	}
	return taken;
}

/* A record whose data can't be looked at: kept as far as it can be read. */
static bool
refuse(FeedBatch *batch, RecordFrame *frame, const KinesisText *payload, FeedReason reason,
	   const char *detail)
{
	frame->record.payload = payload->text;
	frame->record.payload_length = payload->length;
	return feed_batch_refuse(batch, &frame->record, reason, detail);
}

/* One record of Kinesis into the batch.  False without memory. */
static bool
take(FeedBatch *batch, const KinesisRecord *record, int64_t now)
{
	RecordFrame	   frame = {.record = {.shard = shard_number(batch, record),
									   .position = KINESIS_NO_POSITION,
									   .time = record->arrival,
									   .key = record->partition_key.text,
									   .key_length = record->partition_key.length}};
	unsigned char *data;
	size_t		   length;
	bool		   taken;

	if (frame.record.shard < 0)
		return false;
	frame_identify(&frame, record);
	if (record->reason == FEED_BAD_RECORD)
		return refuse(batch, &frame, &record->whole, record->reason, record->problem);

	errno = 0;
	data = base64_decode(record->data.text, record->data.length, &length);
	if (data == NULL)
		return errno != ENOMEM && refuse(batch, &frame, &record->data, FEED_INVALID_BASE64,
										 "the record's data is not base64");
	if (record->problem != NULL)
		taken = refuse(batch, &frame, &(KinesisText) {(const char *) data, length}, record->reason,
					   record->problem);
	else
		taken = take_data(batch, &frame, data, length, now);
	free(data);
	return taken;
}

static bool
fill(FeedBatch *batch, const KinesisEvent *event)
{
	int64_t now = clock_unix_milliseconds();

	feed_batch_reset(batch);
	for (int i = 0; i < event->count; i++)
	{
		if (!take(batch, &event->records[i], now))
			return false;
	}
	return true;
}

/* ---- the batch into PostgreSQL ---- */

/* What rejected records stand under: the name of the stream. */
static void
name_source(const Handler *handler, const KinesisEvent *event, char *source, size_t size)
{
	KinesisText arn = event->count > 0 ? stream_arn(&event->records[0]) : (KinesisText) {0};
	const char *name = arn.text != NULL ? memrchr(arn.text, '/', arn.length) : NULL;

	if (handler->config->source != NULL)
		snprintf(source, size, "%s", handler->config->source);
	else if (name != NULL)
		snprintf(source, size, "%.*s", (int) (arn.text + arn.length - name - 1), name + 1);
	else
		snprintf(source, size, "kinesis");
}

static int64_t
sooner(int64_t deadline, int64_t milliseconds)
{
	int64_t then = clock_milliseconds() + milliseconds;

	return then < deadline ? then : deadline;
}

/* Is it worth trying again at once?  The ids make that safe, whatever became of the batch. */
static bool
may_pass(const PgSession *session)
{
	return !pg_session_connected(session) || strncmp(pg_problem(session)->sqlstate, "40", 2) == 0;
}

/* Wait for the next try; false when there is no time for one. */
static bool
pause_before(Handler *handler, int64_t deadline)
{
	int wait =
		backoff_failed(&handler->backoff, handler->log, store_problem(handler->store)->message);

	if (wait >= clock_left(deadline))
		return false;
	poll(NULL, 0, wait);
	return true;
}

/*
 * Commit the event, over as many connections as it takes.  RETRY: PostgreSQL is away, or says
 * that it can't now.  FATAL: logged.
 */
static DaemonStatus
deliver(Handler *handler, const KinesisEvent *event, int64_t deadline, StoreCounts *counts)
{
	Store  *store = handler->store;
	int64_t reach_by = sooner(deadline, handler->config->connect_timeout_ms);
	char	source[256];
	int		losses = 0;

	name_source(handler, event, source, sizeof(source));
	for (;;)
	{
		DaemonStatus status = store_connect(store, reach_by);

		if (status == DAEMON_OK)
		{
			if (!fill(handler->batch, event))
			{
				log_error(handler->log, "out of memory");
				return DAEMON_FATAL;
			}
			status = store_ingest(store, source, handler->batch, deadline, counts);
			if (status == DAEMON_RETRY &&
				(!may_pass(store->session) || losses++ == HANDLER_LOSSES_MAX))
				return status;
			reach_by = sooner(deadline, handler->config->connect_timeout_ms);
		}
		if (status == DAEMON_OK)
			backoff_succeeded(&handler->backoff, handler->log);
		if (status != DAEMON_RETRY || !pause_before(handler, reach_by))
			return status;
	}
}

/* ---- the answer ---- */

/* Milliseconds since the first record of the event arrived; -1 if that is unknown. */
static int64_t
event_age(const KinesisEvent *event, int64_t now)
{
	int64_t oldest = INT64_MAX;

	for (int i = 0; i < event->count; i++)
	{
		int64_t arrival = event->records[i].arrival;

		if (arrival != FEED_NO_TIME && arrival < oldest)
			oldest = arrival;
	}
	return oldest == INT64_MAX ? -1 : now > oldest ? now - oldest : 0;
}

static DaemonStatus
answer_failed(Handler *handler, const Invocation *invocation, const KinesisEvent *event)
{
	static const RuntimeError error = {"BatchFailed",
									   "the batch was not counted; the function's log says why"};
	char					 *answer = answer_failure(event);
	DaemonStatus			  status;

	if (answer == NULL)
		return runtime_fail(handler->runtime, invocation, &error);
	status = runtime_respond(handler->runtime, invocation, answer);
	free(answer);
	return status;
}

static void
report(const Handler *handler, const Invocation *invocation, const EmfNumbers *numbers)
{
	LogLevel		 level = numbers->failed > 0	 ? LOG_LEVEL_ERROR
							 : numbers->rejected > 0 ? LOG_LEVEL_WARNING
													 : LOG_LEVEL_DEBUG;
	PgProblem		 none = {0};
	const PgProblem *problem = numbers->failed > 0 ? store_problem(handler->store) : &none;

	log_event(
		handler->log, level,
		numbers->failed > 0		? "batch not counted, it is to be delivered again"
		: numbers->rejected > 0 ? "batch counted, but for the records that are rejected"
								: "batch counted",
		LOG_FIELDS(
			LOG_INTEGER("records", numbers->records), LOG_INTEGER("counted", numbers->counted),
			LOG_INTEGER("duplicates", numbers->duplicates),
			LOG_INTEGER("rejected", numbers->rejected), LOG_INTEGER("failed", numbers->failed),
			LOG_INTEGER("milliseconds", numbers->milliseconds),
			LOG_TEXT("problem", problem->message[0] != '\0' ? problem->message : NULL),
			LOG_TEXT("sqlstate", problem->sqlstate[0] != '\0' ? problem->sqlstate : NULL),
			LOG_TEXT("request_id", invocation->request_id),
			LOG_TEXT("trace_id", invocation->trace_id[0] != '\0' ? invocation->trace_id : NULL)));
	if (handler->config->metrics == CONFIG_METRICS_EMF)
		emf_write(&handler->metrics, clock_unix_milliseconds(), numbers);
}

static DaemonStatus
handle_event(Handler *handler, const Invocation *invocation, const KinesisEvent *event,
			 int64_t started)
{
	int64_t		 now = clock_unix_milliseconds();
	int64_t		 left = invocation->deadline - now;
	EmfNumbers	 numbers = {.age = event_age(event, now)};
	StoreCounts	 counts = {0};
	DaemonStatus status = DAEMON_OK;

	left -= left < 2 * HANDLER_MARGIN_MS ? left / 2 : HANDLER_MARGIN_MS;
	if (event->count > 0)
		status = deliver(handler, event, clock_milliseconds() + left, &counts);
	if (status == DAEMON_OK)
	{
		numbers.counted = counts.counted;
		numbers.duplicates = counts.duplicates;
		numbers.rejected = counts.rejected;
		numbers.records = event->count > 0 ? feed_batch_records(handler->batch) : 0;
		status = runtime_respond(handler->runtime, invocation, answer_success());
	}
	else
	{
		numbers.records = event->count;
		numbers.failed = event->count;
		status = answer_failed(handler, invocation, event);
	}
	numbers.milliseconds = clock_milliseconds() - started;
	report(handler, invocation, &numbers);
	return status;
}

DaemonStatus
handler_handle(Handler *handler, const Invocation *invocation)
{
	int64_t		 started = clock_milliseconds();
	KinesisEvent event;
	DaemonStatus status;

	if (kinesis_parse(invocation->event, invocation->length, &event))
		status = handle_event(handler, invocation, &event, started);
	else
	{
		RuntimeError error = {"InvalidEvent", event.problem};

		log_error(
			handler->log, "the event is none of Kinesis", LOG_TEXT("problem", event.problem),
			LOG_TEXT("request_id", invocation->request_id),
			LOG_TEXT("hint", "this function is for an event source mapping of a Kinesis stream"));
		status = runtime_fail(handler->runtime, invocation, &error);
	}
	kinesis_free(&event);
	return status;
}
