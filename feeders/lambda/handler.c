/*
 * handler.c
 *	  One invocation: its event into a batch, the batch into PostgreSQL, and the answer.
 *
 * Must not know what a record holds (intake.c, lib/feed) nor how bytes travel (runtime.c, store.c).
 */
#include "handler.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "daemon/clock.h"
#include "intake.h"
#include "kinesis.h"

/* The answer leaves so long before the deadline, or at half of the time if there is less than twice that. */
#define HANDLER_MARGIN_MS 1000

/* A connection that is lost with the batch on its way is replaced so often. */
#define HANDLER_LOSSES_MAX 3

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
	handler->batch =
		feed_batch_create(&store->settings, &config->fields, &store->full, FEED_RECORDS);
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

/* ---- the batch into PostgreSQL ---- */

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

/* The event becomes a batch, and goes meanwhile: only its numbers remain, for an answer. */
static bool
fill(Handler *handler, KinesisEvent *event)
{
	int64_t now = clock_unix_milliseconds();

	feed_batch_reset(handler->batch);
	for (int i = 0; i < event->count; i++)
	{
		if (!intake_take(handler->batch, &event->records[i], now))
			return false;
		runtime_release_event_until(handler->runtime, kinesis_forget(event, i));
	}
	runtime_release_event(handler->runtime);
	return true;
}

/*
 * The event becomes a batch, the batch what is sent.  Each is given back as the next one comes about, so
 * that the function gets by with less memory.
 */
static bool
prepare(Handler *handler, KinesisEvent *event)
{
	bool prepared;

	if (handler->config->source != NULL)
		snprintf(handler->source, sizeof(handler->source), "%s", handler->config->source);
	else
		intake_source(event, handler->source);
	prepared =
		fill(handler, event) && store_prepare(handler->store, handler->source, handler->batch);
	feed_batch_reset(handler->batch);
	if (!prepared)
		log_error(handler->log, "out of memory");
	return prepared;
}

/*
 * Commit the event, over as many connections as it takes.  RETRY: PostgreSQL is away, or says
 * that it can't now.  FATAL: logged.
 */
static DaemonStatus
deliver(Handler *handler, KinesisEvent *event, int64_t deadline, StoreCounts *counts)
{
	Store		*store = handler->store;
	int64_t		 reach_by = sooner(deadline, handler->config->connect_timeout_ms);
	int			 losses = 0;
	bool		 prepared = false;
	DaemonStatus status;

	do
	{
		status = store_connect(store, reach_by);
		if (status != DAEMON_OK)
			continue;
		prepared = prepared || prepare(handler, event);
		status = prepared ? store_ingest(store, deadline, counts) : DAEMON_FATAL;
		if (status == DAEMON_RETRY && (!may_pass(store->session) || losses++ == HANDLER_LOSSES_MAX))
			break;
		reach_by = sooner(deadline, handler->config->connect_timeout_ms);
	} while (status == DAEMON_RETRY && pause_before(handler, reach_by));
	store_release(store);
	if (status == DAEMON_OK)
		backoff_succeeded(&handler->backoff, handler->log);
	return status;
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

/* NULL, which leaves a field of the log out, for an empty text. */
static const char *
text_or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

static void
report(const Handler *handler, const Invocation *invocation, const EmfNumbers *numbers)
{
	const PgProblem *problem = store_problem(handler->store);

	if (handler->config->metrics == CONFIG_METRICS_EMF)
		emf_write(&handler->metrics, clock_unix_milliseconds(), numbers);
	if (numbers->failed > 0)
		log_error(handler->log, "batch not counted, it is to be delivered again",
				  LOG_INTEGER("records", numbers->failed),
				  LOG_INTEGER("milliseconds", numbers->milliseconds),
				  LOG_TEXT("problem", text_or_null(problem->message)),
				  LOG_TEXT("sqlstate", text_or_null(problem->sqlstate)),
				  LOG_TEXT("request_id", invocation->request_id),
				  LOG_TEXT("trace_id", text_or_null(invocation->trace_id)));
	else
		log_event(handler->log, numbers->rejected > 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG,
				  numbers->rejected > 0 ? "batch counted, but for the records that are rejected"
										: "batch counted",
				  LOG_FIELDS(LOG_INTEGER("records", numbers->records),
							 LOG_INTEGER("counted", numbers->counted),
							 LOG_INTEGER("duplicates", numbers->duplicates),
							 LOG_INTEGER("rejected", numbers->rejected),
							 LOG_INTEGER("milliseconds", numbers->milliseconds),
							 LOG_TEXT("request_id", invocation->request_id),
							 LOG_TEXT("trace_id", text_or_null(invocation->trace_id))));
}

static DaemonStatus
handle_event(Handler *handler, const Invocation *invocation, KinesisEvent *event, int64_t started)
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
		numbers.records = counts.counted + counts.duplicates + counts.rejected;
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
