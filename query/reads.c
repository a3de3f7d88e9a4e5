/*
 * reads.c
 *	  One flight for each entity and range: who asks while it is under way waits for it, who
 *	  asks soon after gets what it brought.
 *
 * A flight belongs to nobody: whoever gives up only leaves it.  Those that all have left before the store could ask
 * are forgotten, so that clients who open requests only to reset them have it ask for nothing.  Those that have landed
 * stand in the order in which they did, so that the first are the first to be forgotten.
 */
#include "reads.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#include <utlist.h>

#include "daemon/clock.h"

typedef struct FlightKey
{
	Range	 range;
	uint64_t own; /* 0: shared; else the number of the one request whose duplicates share it */
	char	 entity[];
} FlightKey;

/* One to look up. */
typedef union KeyRoom
{
	FlightKey key;
	char	  room[sizeof(FlightKey) + ENTITY_MAX];
} KeyRoom;

typedef struct Batch Batch;

typedef struct Flight
{
	UT_hash_handle hh;
	struct Flight *prev, *next; /* among those that are remembered */
	bool		   remembered;
	ReadWaiter	  *waiters;
	Batch		  *batch;	/* with which it is under way */
	Reading		  *reading; /* NULL while it is under way */
	int64_t		   started; /* clock_milliseconds */
	size_t		   bytes;
	FlightKey	   key; /* ends with the entity, and so does this */
} Flight;

struct ReadWaiter
{
	ReadWaiter	*prev, *next;
	Flight		*flight; /* NULL: not waiting */
	ReadRequest *request;
};

/* Flights that take off together. */
struct Batch
{
	Reads	  *reads;
	StoreRead  read;
	Flight	 **flights;
	RpcEntity *entities;
	bool	   under_way; /* the store has it */
	int		   wanted;	  /* of the flights, those that somebody waits for */
};

struct Reads
{
	ReadsSettings settings;
	Store		 *store;
	const Log	 *log;
	Flight		 *table;
	Flight		 *remembered; /* the one that landed first is the head */
	size_t		  bytes;	  /* of all flights */
	uint64_t	  requests;
	Metric		 *from_cache, *from_flight, *from_store;
};

Reads *
reads_open(const ReadsSettings *settings, Store *store, const Log *log, Metrics *metrics)
{
	static const char name[] = "topk_query_reads_total";
	static const char help[] = "Entities that were asked for, by where the answer came from.";
	Reads			 *reads = calloc(1, sizeof(*reads));

	if (reads == NULL)
		return NULL;
	reads->settings = *settings;
	reads->store = store;
	reads->log = log;
	reads->from_cache =
		metrics_counter(metrics, name, help, (const char *const[]) {"from", "cache", NULL});
	reads->from_flight =
		metrics_counter(metrics, name, help, (const char *const[]) {"from", "flight", NULL});
	reads->from_store =
		metrics_counter(metrics, name, help, (const char *const[]) {"from", "store", NULL});
	return reads;
}

const Shape *
reads_shape(const Reads *reads)
{
	return &reads->store->shape;
}

size_t
reads_memory(const Reads *reads)
{
	return reads->bytes;
}

/* ---- what was read ---- */

static void
release_reading(const Reading *shared)
{
	Reading *reading = (Reading *) shared;

	if (reading == NULL || --reading->references > 0)
		return;
	windows_free(&reading->windows);
	free(reading->answer);
	free(reading);
}

/* Takes over the windows; NULL, logged, if a summary among them is damaged. */
static Reading *
make_reading(const Reads *reads, Windows *windows)
{
	Reading	   *reading = calloc(1, sizeof(*reading));
	const char *problem = "out of memory";

	if (reading != NULL)
	{
		reading->references = 1;
		reading->windows = *windows;
		*windows = (Windows) {0};
		if (windows_merge(&reading->windows, reads->store->shape.k, &reading->answer,
						  &reading->length, &problem) == MG_OK)
			return reading;
	}
	log_error(reads->log, "a stored summary can not be read", LOG_TEXT("problem", problem),
			  LOG_TEXT("store", reads->store->name));
	release_reading(reading);
	return NULL;
}

/* ---- flights ---- */

static size_t
make_key(FlightKey *key, const RpcEntity *entity, const Range *range, uint64_t own)
{
	key->range = *range;
	key->own = own;
	memcpy(key->entity, entity->bytes, entity->length);
	return sizeof(FlightKey) + entity->length;
}

static void
remove_flight(Reads *reads, Flight *flight)
{
	HASH_DEL(reads->table, flight); /* NOLINT(clang-analyzer-core.*): it is in there */
	if (flight->remembered)
		DL_DELETE(reads->remembered, flight);
	reads->bytes -= flight->bytes;
	flight->remembered = false;
}

static void
forget_flight(Reads *reads, Flight *flight)
{
	remove_flight(reads, flight);
	release_reading(flight->reading);
	free(flight);
}

static bool
is_fresh_enough(const Reads *reads, const Flight *flight)
{
	return clock_milliseconds() - flight->started < reads->settings.cache_ttl_ms;
}

static Flight *
find_flight(Reads *reads, const FlightKey *key, size_t length)
{
	Flight *flight;

	HASH_FIND(hh, reads->table, key, length, flight);
	if (flight == NULL || !flight->remembered || is_fresh_enough(reads, flight))
		return flight;
	forget_flight(reads, flight);
	return NULL;
}

/* NULL without memory. */
static Flight *
add_flight(Reads *reads, const FlightKey *key, size_t length)
{
	size_t	size = sizeof(Flight) - sizeof(FlightKey) + length;
	Flight *flight = calloc(1, size);

	if (flight == NULL)
		return NULL;
	memcpy(&flight->key, key, length);
	flight->started = clock_milliseconds();
	flight->bytes = size;
	reads->bytes += size;
	HASH_ADD_KEYPTR(hh, reads->table, &flight->key, length, flight);
	return flight;
}

/* ---- flights that nobody waits for ---- */

static void
free_batch(Batch *batch)
{
	if (batch == NULL)
		return;
	for (int i = 0; i < batch->read.count && batch->read.windows != NULL; i++)
		windows_free(&batch->read.windows[i]);
	free(batch->read.windows);
	free(batch->flights);
	free(batch->entities);
	free(batch);
}

/* If all have left, and the store has not asked yet, it need not. */
static void
forget_batch(Batch *batch)
{
	Reads *reads = batch->reads;

	if (!batch->under_way || batch->wanted > 0 || !reads->store->forget(reads->store, &batch->read))
		return;
	for (int i = 0; i < batch->read.count; i++)
		forget_flight(reads, batch->flights[i]);
	free_batch(batch);
}

static void
leave_flight(ReadWaiter *waiter)
{
	Flight *flight = waiter->flight;

	DL_DELETE(flight->waiters, waiter);
	waiter->flight = NULL;
	if (flight->waiters != NULL)
		return;
	flight->batch->wanted--;
	forget_batch(flight->batch);
}

/* ---- requests ---- */

static void
unlink_waiters(ReadRequest *request)
{
	for (int i = 0; i < request->count && request->waiters != NULL; i++)
		if (request->waiters[i].flight != NULL)
			leave_flight(&request->waiters[i]);
}

void
reads_end(ReadRequest *request)
{
	unlink_waiters(request);
	for (int i = 0; i < request->count && request->readings != NULL; i++)
		release_reading(request->readings[i]);
	free(request->readings);
	free(request->waiters);
	request->readings = NULL;
	request->waiters = NULL;
}

static void
fail_request(ReadRequest *request, ReadOutcome outcome)
{
	unlink_waiters(request);
	request->done(request, outcome);
}

static void
give_reading(ReadRequest *request, int index, Reading *reading)
{
	reading->references++;
	request->readings[index] = reading;
	request->missing--;
}

/* ---- landing ---- */

/* Keep it for those who ask soon, as long as there is room. */
static void
remember_flight(Reads *reads, Flight *flight)
{
	size_t more = windows_memory(&flight->reading->windows) + flight->reading->length;

	if (flight->key.own != 0 || !is_fresh_enough(reads, flight))
	{
		forget_flight(reads, flight);
		return;
	}
	flight->bytes += more;
	reads->bytes += more;
	flight->remembered = true;
	DL_APPEND(reads->remembered, flight);
	while (reads->remembered != NULL && (reads->bytes > reads->settings.cache_bytes ||
										 !is_fresh_enough(reads, reads->remembered)))
		forget_flight(reads, reads->remembered);
}

/* While its waiters are told it is in the table with what it brought, but not yet remembered. */
static void
land(Reads *reads, Flight *flight, ReadOutcome outcome)
{
	ReadWaiter *waiter;

	if (outcome != READ_DONE)
		remove_flight(reads, flight);
	while ((waiter = flight->waiters) != NULL)
	{
		ReadRequest *request = waiter->request;

		DL_DELETE(flight->waiters, waiter);
		waiter->flight = NULL;
		if (outcome != READ_DONE)
		{
			fail_request(request, outcome);
			continue;
		}
		give_reading(request, (int) (waiter - request->waiters), flight->reading);
		if (request->missing == 0)
			request->done(request, READ_DONE);
	}
	if (outcome == READ_DONE)
		remember_flight(reads, flight);
	else
		free(flight);
}

static void
land_batch(StoreRead *read, StoreOutcome outcome)
{
	Batch *batch = read->context;

	batch->under_way = false;
	for (int i = 0; i < read->count; i++)
	{
		Flight *flight = batch->flights[i];

		if (outcome == STORE_READ)
			flight->reading = make_reading(batch->reads, &read->windows[i]);
		land(batch->reads, flight,
			 outcome != STORE_READ	   ? READ_AWAY
			 : flight->reading == NULL ? READ_DAMAGED
									   : READ_DONE);
	}
	free_batch(batch);
}

/* ---- taking off ---- */

/* Room for so many flights; NULL without memory. */
static Batch *
make_batch(Reads *reads, const ReadRequest *request)
{
	size_t count = (size_t) request->count;
	Batch *batch = calloc(1, sizeof(*batch));

	if (batch == NULL)
		return NULL;
	batch->reads = reads;
	batch->read = (StoreRead) {
		.range = request->range, .fresh = request->fresh, .done = land_batch, .context = batch};
	batch->flights = calloc(count, sizeof(Flight *));
	batch->entities = calloc(count, sizeof(RpcEntity));
	batch->read.windows = calloc(count, sizeof(Windows));
	if (batch->flights != NULL && batch->entities != NULL && batch->read.windows != NULL)
		return batch;
	free_batch(batch);
	return NULL;
}

/* A new flight, in the batch; NULL without memory. */
static Flight *
join_batch(Batch *batch, const FlightKey *key, size_t length)
{
	Flight *flight = add_flight(batch->reads, key, length);

	if (flight == NULL)
		return NULL;
	batch->entities[batch->read.count] =
		(RpcEntity) {.bytes = flight->key.entity, .length = length - sizeof(FlightKey)};
	flight->batch = batch;
	batch->flights[batch->read.count++] = flight;
	return flight;
}

/* Find or make the flight of one of the request's entities; false without memory. */
static bool
seek(Reads *reads, ReadRequest *request, int index, uint64_t own, Batch **batch)
{
	KeyRoom		sought;
	size_t		length = make_key(&sought.key, &request->entities[index], &request->range, own);
	Flight	   *flight = find_flight(reads, &sought.key, length);
	ReadWaiter *waiter = &request->waiters[index];

	if (flight != NULL && flight->reading != NULL)
	{
		metric_add(reads->from_cache, 1);
		give_reading(request, index, flight->reading);
		return true;
	}
	metric_add(flight != NULL ? reads->from_flight : reads->from_store, 1);
	if (flight == NULL && *batch == NULL)
		*batch = make_batch(reads, request);
	if (flight == NULL && *batch != NULL)
		flight = join_batch(*batch, &sought.key, length);
	if (flight == NULL)
		return false;
	*waiter = (ReadWaiter) {.flight = flight, .request = request};
	flight->batch->wanted += flight->waiters == NULL;
	DL_APPEND(flight->waiters, waiter);
	return true;
}

void
reads_begin(Reads *reads, ReadRequest *request)
{
	uint64_t own = request->fresh ? ++reads->requests : 0;
	Batch	*batch = NULL;
	bool	 sought;

	request->missing = request->count;
	request->readings = calloc((size_t) request->count + 1, sizeof(Reading *));
	request->waiters = calloc((size_t) request->count + 1, sizeof(ReadWaiter));
	sought = request->readings != NULL && request->waiters != NULL;
	for (int i = 0; i < request->count && sought; i++)
		sought = seek(reads, request, i, own, &batch);
	if (!sought)
	{
		log_error(reads->log, "a request was not answered", LOG_TEXT("problem", "out of memory"));
		fail_request(request, READ_AWAY);
	}
	else if (request->missing == 0)
		request->done(request, READ_DONE);
	if (batch != NULL)
	{
		batch->read.entities = batch->entities;
		batch->under_way = true;
		reads->store->begin(reads->store, &batch->read);
	}
}

/* ---- the loop ---- */

void
reads_prepare(Reads *reads, Wait *wait)
{
	reads->store->prepare(reads->store, wait);
}

void
reads_dispatch(Reads *reads)
{
	reads->store->dispatch(reads->store);
}

/* Flights under way leak: the program ends. */
void
reads_close(Reads *reads)
{
	if (reads == NULL)
		return;
	while (reads->remembered != NULL)
		forget_flight(reads, reads->remembered);
	free(reads);
}
