/*
 * store_dynamodb.c
 *	  Reads of windows as requests to DynamoDB.
 *
 * One entity is read by Query: read units are counted for all of its rows together, where
 * BatchGetItem counts 4 kB for each, also for one that is not there.  Many are read by
 * BatchGetItem, 100 rows a request, all requests at once.
 *
 * Must not know what the windows are for.
 */
#include "store_dynamodb.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <utlist.h>

#include "aws/attribute.h"
#include "daemon/backoff.h"
#include "daemon/clock.h"
#include "places.h"

/* Keys that BatchGetItem takes. */
#define BATCH_KEYS 100

/* A read that takes longer has failed. */
#define READ_MS 5000

/* How often a request is sent while DynamoDB does not answer; while it throttles, until the read has failed. */
#define TRIES 3

typedef struct Job Job;

/* One request of a read. */
typedef struct Part
{
	struct Part *prev, *next; /* among those that wait */
	Job			*job;
	const char	*operation;
	json_t		*request;
	bool		 waiting;
	int			 unanswered; /* tries */
	bool		 delayed;	 /* once at least */
	Backoff		 backoff;	 /* since the first delay */
	int64_t		 not_before;
} Part;

/* A read under way. */
struct Job
{
	Job		  *prev, *next;
	StoreRead *read; /* NULL: it is over, but for requests that are still under way */
	int64_t	   started, deadline;
	Places	  *places;
	Part	  *parts;
	int		   count;
	int		   open;	/* without an answer */
	int		   running; /* sent */
	double	   slowest; /* seconds, of one request */
};

typedef struct StoreDynamoDb
{
	Store		 store;
	Credentials *credentials;
	DynamoDb	*dynamodb;
	const Log	*log;
	Metrics		*metrics;
	Backoff		 outage; /* for its log lines */
	Job			*jobs;	 /* the one that began first is the head */
	Part		*waiting;
	Metric		*requests[DYNAMODB_FATAL + 1];
	Metric		*seconds;
	Metric		*units;
} StoreDynamoDb;

/* ---- what is asked ---- */

static json_t *
make_text(const RpcEntity *entity)
{
	return json_pack("{s:s%}", "S", entity->bytes, entity->length);
}

static json_t *
make_query(const char *table, const StoreRead *read)
{
	return json_pack("{s:s, s:s, s:{s:o, s:o, s:o}, s:b, s:s}", "TableName", table,
					 "KeyConditionExpression", "pk = :key AND sk BETWEEN :first AND :last",
					 "ExpressionAttributeValues", ":key", make_text(&read->entities[0]), ":first",
					 attribute_make_number(read->range.first), ":last",
					 attribute_make_number(read->range.last), "ConsistentRead", read->fresh,
					 "ReturnConsumedCapacity", "TOTAL");
}

static json_t *
make_batch(json_t *tables)
{
	return json_pack("{s:o, s:s}", "RequestItems", tables, "ReturnConsumedCapacity", "TOTAL");
}

/* The rows from number at on, each entity's one after the other. */
static json_t *
make_first_batch(const char *table, const StoreRead *read, int64_t at)
{
	int64_t windows = read->range.last - read->range.first + 1;
	json_t *keys = json_array();

	for (int64_t i = at; i < at + BATCH_KEYS && i < windows * read->count; i++)
		json_array_append_new(
			keys, json_pack("{s:o, s:o}", "pk", make_text(&read->entities[i / windows]), "sk",
							attribute_make_number(read->range.first + i % windows)));
	return make_batch(
		json_pack("{s:{s:o, s:b}}", table, "Keys", keys, "ConsistentRead", read->fresh));
}

/* ---- jobs ---- */

static void
free_job(Job *job)
{
	if (job == NULL)
		return;
	for (int i = 0; i < job->count && job->parts != NULL; i++)
		json_decref(job->parts[i].request);
	free(job->parts);
	places_free(job->places);
	free(job);
}

static void
queue_part(StoreDynamoDb *store, Part *part)
{
	part->waiting = true;
	DL_APPEND(store->waiting, part);
}

/* Nothing more is asked; requests that are on their way come to nothing. */
static void
leave_job(StoreDynamoDb *store, Job *job)
{
	job->read = NULL;
	DL_DELETE(store->jobs, job);
	for (int i = 0; i < job->count; i++)
		if (job->parts[i].waiting)
			DL_DELETE(store->waiting, &job->parts[i]);
	if (job->running == 0)
		free_job(job);
}

static void
end_job(StoreDynamoDb *store, Job *job, StoreOutcome outcome)
{
	StoreRead *read = job->read;

	log_debug(store->log, "read", LOG_BOOLEAN("done", outcome == STORE_READ),
			  LOG_INTEGER("requests", job->count), LOG_REAL("slowest_seconds", job->slowest),
			  LOG_REAL("seconds", (double) (clock_milliseconds() - job->started) / 1000));
	leave_job(store, job);
	read->done(read, outcome);
}

/* NULL without memory. */
static Job *
make_job(StoreDynamoDb *store, StoreRead *read)
{
	const char *table = dynamodb_table(store->dynamodb);
	int64_t		rows = (read->range.last - read->range.first + 1) * read->count;
	Job		   *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return NULL;
	job->read = read;
	job->started = clock_milliseconds();
	job->deadline = job->started + READ_MS;
	job->count = read->count == 1 ? 1 : (int) ((rows + BATCH_KEYS - 1) / BATCH_KEYS);
	job->open = job->count;
	job->parts = calloc((size_t) job->count, sizeof(Part));
	job->places = places_make(read->entities, read->count);
	if (job->parts == NULL || job->places == NULL)
	{
		free_job(job);
		return NULL;
	}
	for (int i = 0; i < job->count; i++)
		job->parts[i] = (Part) {
			.job = job,
			.operation = read->count == 1 ? "Query" : "BatchGetItem",
			.request = read->count == 1 ? make_query(table, read)
										: make_first_batch(table, read, (int64_t) i * BATCH_KEYS),
		};
	return job;
}

/* ---- requests ---- */

/* Those that wait, as far as there are free connections and it is their time. */
static void
start_parts(StoreDynamoDb *store)
{
	int64_t now = clock_milliseconds();
	Part   *part, *next;

	DL_FOREACH_SAFE (store->waiting, part, next)
	{
		char *body;

		if (dynamodb_free_slots(store->dynamodb) <= 0)
			return;
		if (part->not_before > now)
			continue;
		DL_DELETE(store->waiting, part);
		part->waiting = false;
		part->job->running++;
		body = json_dumps(part->request, JSON_COMPACT);
		dynamodb_start(store->dynamodb, part->operation, body != NULL ? body : strdup("{}"), part);
	}
}

static void
begin(Store *base, StoreRead *read)
{
	StoreDynamoDb *store = (StoreDynamoDb *) base;
	Job			  *job = make_job(store, read);

	if (job == NULL)
	{
		read->done(read, STORE_AWAY);
		return;
	}
	read->state = job;
	DL_APPEND(store->jobs, job);
	for (int i = 0; i < job->count; i++)
		queue_part(store, &job->parts[i]);
	start_parts(store);
}

static bool
forget(Store *base, StoreRead *read)
{
	Job *job = read->state;

	if (job->running == job->open)
		return false;
	leave_job((StoreDynamoDb *) base, job);
	return true;
}

/* Again later; the wait grows. */
static void
retry_part(StoreDynamoDb *store, Part *part)
{
	if (!part->delayed)
		backoff_init(&part->backoff, "DynamoDB");
	part->delayed = true;
	part->not_before = clock_milliseconds() + backoff_next(&part->backoff);
	queue_part(store, part);
}

/* ---- answers ---- */

/* Numbers with commas between.  Anything else is as good as nothing: the error bounds each item, too. */
static void
read_slacks(const char *text, Window *window)
{
	char *end = (char *) text;

	window->slacks = calloc(strlen(text) / 2 + 1, sizeof(*window->slacks));
	if (window->slacks == NULL)
		return;
	for (; *end != '\0'; text = end + 1)
	{
		int64_t slack = strtoll(text, &end, 10);

		if (end == text || slack < 0 || (*end != ',' && *end != '\0'))
		{
			free(window->slacks);
			window->slacks = NULL;
			window->slack_count = 0;
			return;
		}
		window->slacks[window->slack_count++] = slack;
	}
}

/* A row that has no summary, or one that is past its time and not yet deleted, is none. */
static bool
is_window(const Item *item, Window *window)
{
	const ItemAttribute *slacks;
	int64_t				 ttl;

	*window = (Window) {.version = 0, .total = MG_UNKNOWN, .error = MG_UNKNOWN, .updated_at = -1};
	if (!item_number(item, "sk", &window->bucket) ||
		(item_number(item, "ttl", &ttl) && ttl <= time(NULL)))
		return false;
	item_number(item, "ver", &window->version);
	item_number(item, "updated_at", &window->updated_at);
	if (!item_number(item, "total", &window->total) || !item_number(item, "error", &window->error))
		window->total = window->error = MG_UNKNOWN;
	window->value = item_bytes(item, "v", &window->length);
	if (window->value == NULL)
		return false;
	slacks = item_find(item, "slacks", "S");
	if (slacks != NULL)
		read_slacks(slacks->value, window);
	return true;
}

static void
take_items(const Job *job, const Items *items)
{
	for (int i = 0; i < items->count; i++)
	{
		const ItemAttribute *key = item_find(&items->list[i], "pk", "S");
		int					 place = -1;
		Window				 window;

		if (key != NULL)
			place = places_find(job->places, key->value, key->length);
		if (place >= 0 && is_window(&items->list[i], &window))
			windows_add(&job->read->windows[place], &window);
	}
}

/* The rest of what a Query found; true if there is one. */
static bool
continue_query(Part *part, const json_t *answer)
{
	json_t *last = json_object_get(answer, "LastEvaluatedKey");

	if (last == NULL)
		return false;
	json_object_set(part->request, "ExclusiveStartKey", last);
	return true;
}

/* The rows that DynamoDB had no time for. */
static bool
continue_batch(Part *part, const json_t *answer)
{
	json_t *unprocessed = json_object_get(answer, "UnprocessedKeys");

	if (json_object_size(unprocessed) == 0)
		return false;
	json_decref(part->request);
	part->request = make_batch(json_incref(unprocessed));
	return true;
}

static void
take_done(StoreDynamoDb *store, Part *part, const DynamoDbAnswer *answer)
{
	Job *job = part->job;

	take_items(job, answer->items);
	if (continue_query(part, answer->json))
		queue_part(store, part);
	else if (continue_batch(part, answer->json))
		retry_part(store, part);
	else if (--job->open == 0)
		end_job(store, job, STORE_READ);
}

/* What an answer says of DynamoDB itself. */
static void
observe(StoreDynamoDb *store, const DynamoDbAnswer *answer)
{
	metric_add(store->requests[answer->verdict], 1);
	metric_add(store->seconds, answer->seconds);
	metric_add(store->units, dynamodb_consumed_units(answer));
	store->store.up = answer->verdict == DYNAMODB_DONE || answer->verdict == DYNAMODB_THROTTLED;
	metrics_ready(store->metrics, "dynamodb", store->store.up);
	if (store->store.up)
	{
		backoff_succeeded(&store->outage, store->log);
		return;
	}
	if (store->outage.failures == 0 && answer->hint != NULL)
		log_error(store->log, "DynamoDB can not be used", LOG_TEXT("problem", answer->problem),
				  LOG_TEXT("table", dynamodb_table(store->dynamodb)),
				  LOG_TEXT("hint", answer->hint));
	backoff_failed(&store->outage, store->log, answer->problem);
}

static void
take_answer(StoreDynamoDb *store, const DynamoDbAnswer *answer)
{
	Part *part = answer->tag;
	Job	 *job = part->job;

	observe(store, answer);
	job->running--;
	if (answer->seconds > job->slowest)
		job->slowest = answer->seconds;
	if (job->read == NULL)
	{
		if (job->running == 0)
			free_job(job);
	}
	else if (answer->verdict == DYNAMODB_DONE)
		take_done(store, part, answer);
	else if (answer->verdict == DYNAMODB_THROTTLED ||
			 (answer->verdict == DYNAMODB_AWAY && ++part->unanswered < TRIES))
		retry_part(store, part);
	else
		end_job(store, job, STORE_AWAY);
}

/* ---- the loop ---- */

static void
prepare(Store *base, Wait *wait)
{
	StoreDynamoDb *store = (StoreDynamoDb *) base;
	int			   timeout = dynamodb_timeout(store->dynamodb);
	Part		  *part;

	wait_on(wait, dynamodb_fd(store->dynamodb), POLLIN);
	if (timeout >= 0)
		wait_until(wait, clock_milliseconds() + timeout);
	if (store->jobs != NULL)
		wait_until(wait, store->jobs->deadline);
	if (dynamodb_free_slots(store->dynamodb) > 0)
		DL_FOREACH (store->waiting, part)
			wait_until(wait, part->not_before);
}

static void
dispatch(Store *base)
{
	StoreDynamoDb *store = (StoreDynamoDb *) base;
	DynamoDbAnswer answer;

	dynamodb_dispatch(store->dynamodb);
	while (dynamodb_next(store->dynamodb, &answer))
		take_answer(store, &answer);
	while (store->jobs != NULL && clock_left(store->jobs->deadline) == 0)
		end_job(store, store->jobs, STORE_AWAY);
	start_parts(store);
}

/* Reads under way are forgotten. */
static void
close_store(Store *base)
{
	StoreDynamoDb *store = (StoreDynamoDb *) base;

	dynamodb_close(store->dynamodb);
	credentials_close(store->credentials);
	free(store);
}

static void
register_metrics(StoreDynamoDb *store, Metrics *metrics)
{
	static const char *const results[] = {
		[DYNAMODB_DONE] = "done",		 [DYNAMODB_CONDITION] = "condition",
		[DYNAMODB_REFUSED] = "refused",	 [DYNAMODB_THROTTLED] = "throttled",
		[DYNAMODB_AWAY] = "unavailable", [DYNAMODB_FATAL] = "fatal",
	};

	store->metrics = metrics;
	for (int i = 0; i <= DYNAMODB_FATAL; i++)
		store->requests[i] = metrics_counter(metrics, "topk_query_dynamodb_requests_total",
											 "Requests to DynamoDB, by what came of them.",
											 (const char *const[]) {"result", results[i], NULL});
	store->seconds = metrics_counter(metrics, "topk_query_dynamodb_seconds_total",
									 "Time that requests to DynamoDB took; they overlap.", NULL);
	store->units = metrics_counter(metrics, "topk_query_dynamodb_consumed_read_units_total",
								   "Read units that DynamoDB says were consumed.", NULL);
	metrics_ready(metrics, "dynamodb", true); /* until a request says otherwise */
}

Store *
store_dynamodb_open(const DynamoDbSettings *settings, const Shape *shape, const Log *log,
					Metrics *metrics)
{
	StoreDynamoDb *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return NULL;
	store->store = (Store) {.begin = begin,
							.forget = forget,
							.prepare = prepare,
							.dispatch = dispatch,
							.close = close_store,
							.name = "dynamodb",
							.shape = *shape,
							.up = true};
	store->log = log;
	backoff_init(&store->outage, "DynamoDB");
	if (credentials_open(settings->program, settings->region, log, &store->credentials) !=
			DAEMON_OK ||
		dynamodb_open(settings, store->credentials, log, &store->dynamodb) != DAEMON_OK)
	{
		close_store(&store->store);
		return NULL;
	}
	register_metrics(store, metrics);
	return &store->store;
}
