/*
 * live.c
 *	  Topics, one for each question, and the streams that follow them.
 */
#include "live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "daemon/clock.h"
#include "ranking.h"
#include "top_question.h"

#define HEARTBEAT_MS 15000

typedef struct Topic Topic;

typedef struct Stream
{
	struct Stream *prev, *next;
	Topic		  *topic;
	Exchange	  *exchange;
	bool		   behind; /* the client did not read, and has not got the last event */
} Stream;

struct Topic
{
	Topic	   *prev, *next;
	Live	   *live;
	TopQuestion question;
	RpcEntity	entity;
	ReadRequest request;
	bool		reading;
	Stream	   *streams;
	char	   *event; /* the last one; NULL before the first */
};

struct Live
{
	Reads  *reads;
	int64_t interval_ms;
	int64_t streams_max;
	int64_t streams;
	bool	draining;
	Topic  *topics;
	int64_t next_tick;
	int64_t next_heartbeat;
	Metric *gauge;
};

Live *
live_open(Reads *reads, int64_t interval_ms, int64_t streams_max, Metrics *metrics)
{
	Live *live = calloc(1, sizeof(*live));

	if (live == NULL)
		return NULL;
	live->reads = reads;
	live->interval_ms = interval_ms;
	live->streams_max = streams_max;
	live->next_heartbeat = clock_milliseconds() + HEARTBEAT_MS;
	live->gauge = metrics_gauge(metrics, "topk_query_live_streams",
								"Clients that follow /v1/top/live.", NULL);
	return live;
}

/* ---- topics ---- */

static void
free_topic(Topic *topic)
{
	DL_DELETE(topic->live->topics, topic);
	if (topic->reading)
		reads_end(&topic->request);
	free(topic->event);
	free(topic);
}

static void
send_event(Stream *stream)
{
	const char *event = stream->topic->event;

	stream->behind = !exchange_send(stream->exchange, event, strlen(event));
}

/* The event of an answer, or NULL without memory. */
static char *
make_event(const Topic *topic)
{
	char *json =
		ranking_json(topic->question.entity, topic->question.n, reads_shape(topic->live->reads),
					 &topic->request.range, &topic->request.readings[0]->windows);
	char *event = NULL;

	if (json != NULL && asprintf(&event, "event: top\ndata: %s\n\n", json) < 0)
		event = NULL;
	free(json);
	return event;
}

/* While the store is away the last answer stands; /v1/status says that it is. */
static void
finish_reading(ReadRequest *request, ReadOutcome outcome)
{
	Topic  *topic = request->context;
	char   *event = outcome == READ_DONE ? make_event(topic) : NULL;
	bool	changed = event != NULL && (topic->event == NULL || strcmp(event, topic->event) != 0);
	Stream *stream, *next;

	topic->reading = false;
	reads_end(request);
	if (changed)
	{
		free(topic->event);
		topic->event = event;
	}
	else
		free(event);
	DL_FOREACH_SAFE (topic->streams, stream, next)
		if (topic->event != NULL && (changed || stream->behind))
			send_event(stream);
}

/* A topic that nobody follows any more goes with the next tick. */
static void
free_stream(void *context)
{
	Stream *stream = context;
	Live   *live = stream->topic->live;

	DL_DELETE(stream->topic->streams, stream);
	metric_set(live->gauge, (double) --live->streams);
	free(stream);
}

static void
end_streams(Topic *topic)
{
	while (topic->streams != NULL)
	{
		Exchange *exchange = topic->streams->exchange;

		exchange_on_closed(exchange, NULL, NULL);
		free_stream(topic->streams);
		exchange_end(exchange, NULL);
	}
}

/*
 * Before the store is reached the first time, the question is not known to be right.  If it turns out to be wrong
 * its streams end: who asks again is told why.
 */
static void
read_topic(Topic *topic)
{
	const Shape *shape = reads_shape(topic->live->reads);
	char		 problem[QUESTION_PROBLEM];
	Range		 range;

	if (topic->reading || shape->window_seconds == 0)
		return;
	if (top_question_range(&topic->question, shape, &range, problem) != NULL)
	{
		end_streams(topic);
		return;
	}
	topic->reading = true;
	topic->request = (ReadRequest) {.entities = &topic->entity,
									.count = 1,
									.range = range,
									.done = finish_reading,
									.context = topic};
	reads_begin(topic->live->reads, &topic->request);
}

/* NULL without memory. */
static Topic *
find_topic(Live *live, const TopQuestion *question)
{
	Topic *topic;

	DL_FOREACH (live->topics, topic)
		/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-*): top_question_ask sees to it */
		if (memcmp(&topic->question, question, sizeof(*question)) == 0)
			return topic;
	topic = calloc(1, sizeof(*topic));
	if (topic == NULL)
		return NULL;
	topic->live = live;
	memcpy(&topic->question, question, sizeof(*question));
	topic->entity =
		(RpcEntity) {.bytes = topic->question.entity, .length = strlen(question->entity)};
	if (live->topics == NULL)
		live->next_tick = clock_milliseconds() + live->interval_ms;
	DL_APPEND(live->topics, topic);
	return topic;
}

/* ---- streams ---- */

static const ExchangeHeader stream_headers[] = {{"content-type", "text/event-stream"},
												{"cache-control", "no-store"},
												{"x-accel-buffering", "no"},
												{NULL, NULL}};

/* HEAD wants no more than what a stream begins with. */
static void
answer_head(Exchange *exchange)
{
	exchange_begin(exchange, 200, stream_headers);
	exchange_end(exchange, NULL);
}

static void
begin_stream(Live *live, Exchange *exchange, Topic *topic, Stream *stream)
{
	static const char retry[] = "retry: 1000\n\n";

	*stream = (Stream) {.topic = topic, .exchange = exchange};
	DL_APPEND(topic->streams, stream);
	metric_set(live->gauge, (double) ++live->streams);
	exchange_on_closed(exchange, free_stream, stream);
	exchange_begin(exchange, 200, stream_headers);
	exchange_send(exchange, retry, sizeof(retry) - 1);
	if (topic->event != NULL)
		send_event(stream);
	else
		read_topic(topic);
}

void
live_follow(void *context, Exchange *exchange)
{
	Live	   *live = context;
	TopQuestion question;
	Range		range;
	char		problem[QUESTION_PROBLEM];
	const char *wrong =
		top_question_ask(exchange, reads_shape(live->reads), &question, &range, problem);
	Stream *stream;
	Topic  *topic;

	if (wrong != NULL)
		top_refuse(exchange, RPC_INVALID_ARGUMENT, wrong);
	else if (live->draining)
		top_refuse(exchange, RPC_UNAVAILABLE, "the service is about to end");
	else if (strcmp(exchange_method(exchange), "HEAD") == 0)
		answer_head(exchange);
	else if (live->streams >= live->streams_max)
		top_refuse(exchange, RPC_RESOURCE_EXHAUSTED,
				   "there are too many live streams, try again later");
	else if ((topic = find_topic(live, &question)) == NULL ||
			 (stream = malloc(sizeof(*stream))) == NULL)
		top_refuse(exchange, RPC_RESOURCE_EXHAUSTED, "out of memory");
	else
		begin_stream(live, exchange, topic, stream);
}

void
live_drain(Live *live)
{
	Topic *topic;

	live->draining = true;
	DL_FOREACH (live->topics, topic)
		end_streams(topic);
}

void
live_close(Live *live)
{
	if (live == NULL)
		return;
	while (live->topics != NULL)
	{
		while (live->topics->streams != NULL)
			free_stream(live->topics->streams);
		free_topic(live->topics);
	}
	free(live);
}

/* ---- the loop ---- */

void
live_prepare(const Live *live, Wait *wait)
{
	if (live->topics == NULL)
		return;
	wait_until(wait, live->next_tick);
	wait_until(wait, live->next_heartbeat);
}

static void
beat(const Live *live)
{
	static const char comment[] = ":\n\n";
	Topic			 *topic;
	Stream			 *stream, *next;

	DL_FOREACH (live->topics, topic)
		DL_FOREACH_SAFE (topic->streams, stream, next)
			exchange_send(stream->exchange, comment, sizeof(comment) - 1);
}

void
live_dispatch(Live *live)
{
	Topic *topic, *next;

	if (live->topics == NULL)
		return;
	if (clock_left(live->next_heartbeat) == 0)
	{
		live->next_heartbeat = clock_milliseconds() + HEARTBEAT_MS;
		beat(live);
	}
	if (clock_left(live->next_tick) > 0)
		return;
	live->next_tick = clock_milliseconds() + live->interval_ms;
	DL_FOREACH_SAFE (live->topics, topic, next)
		if (topic->streams == NULL)
			free_topic(topic);
		else
			read_topic(topic);
}
