/*
 * batch.c
 *	  A batch: the counts, the rejected records and the source positions that
 *	  become one transaction.
 *
 * Must not know Kafka, Lambda or a connection.
 */
#include "feed/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Only main.c may end a program: a table that can't grow says so instead. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((element)->out_of_memory = true)
#include <uthash.h>

#include "feed/arena.h"
#include "feed/time.h"

/* What identifies a window in the table: compared as bytes. */
typedef struct BatchWindowId
{
	int64_t bucket;
	char	key[FEED_KEY_MAX_LENGTH];
} BatchWindowId;

typedef struct BatchWindow
{
	FeedWindow public;			  /* first: a FeedWindow is a BatchWindow */
	bool		   out_of_memory; /* set by uthash when the table can't grow */
	UT_hash_handle hh;
	size_t		   id_length;
	char		   id[]; /* the used part of a BatchWindowId, and a NUL */
} BatchWindow;

struct FeedBatch
{
	const FeedSettings	  *settings;
	const FeedFields	  *fields;
	const FeedFullWindows *full;
	FeedForm			   form;
	int64_t				   records;
	int64_t				   weight;
	size_t				   bytes;
	FeedArena			   arena; /* of what is counted, rejected, and of its headers */

	BatchWindow *table;	  /* uthash */
	FeedWindow	*windows; /* the same, as a list */
	BatchWindow *last;	  /* of the last event: mostly of the next one too */

	FeedCounted	 *counted; /* a list, in the order of the records */
	FeedCounted **counted_end;

	FeedShard *shards;
	int		   shard_count;
	int		   shard_room;

	FeedRejected *rejected;
	int			  rejected_count;
	int			  rejected_room;

	FeedHeader *headers;
	int			header_count;
	int			header_room;
};

FeedBatch *
feed_batch_create(const FeedSettings *settings, const FeedFields *fields,
				  const FeedFullWindows *full, FeedForm form)
{
	FeedBatch *batch = calloc(1, sizeof(*batch));

	if (batch != NULL)
	{
		batch->settings = settings;
		batch->fields = fields;
		batch->full = full;
		batch->form = form;
		batch->counted_end = &batch->counted;
	}
	return batch;
}

void
feed_batch_reset(FeedBatch *batch)
{
	FeedWindow *window = batch->windows;

	HASH_CLEAR(hh, batch->table);
	while (window != NULL)
	{
		FeedWindow *next = window->next;

		mg_free(window->summary);
		free(window);
		window = next;
	}
	feed_arena_free(&batch->arena);
	batch->counted = NULL;
	batch->counted_end = &batch->counted;
	batch->windows = NULL;
	batch->last = NULL;
	batch->records = 0;
	batch->weight = 0;
	batch->bytes = 0;
	batch->shard_count = 0;
	batch->rejected_count = 0;
	batch->header_count = 0;
}

void
feed_batch_free(FeedBatch *batch)
{
	if (batch == NULL)
		return;
	feed_batch_reset(batch);
	free(batch->shards);
	free(batch->rejected);
	free(batch->headers);
	free(batch);
}

/* Room for one more element; NULL when out of memory, and the array is as before. */
static void *
batch_grow(void *array, int count, int *room, size_t element_size)
{
	int	  wanted = *room > 0 ? *room * 2 : 8;
	void *grown;

	if (count < *room)
		return array;
	grown = realloc(array, (size_t) wanted * element_size);
	if (grown != NULL)
		*room = wanted;
	return grown;
}

int
feed_batch_shard(FeedBatch *batch, const char *name, int64_t from)
{
	FeedShard *shards =
		batch_grow(batch->shards, batch->shard_count, &batch->shard_room, sizeof(*shards));

	if (shards == NULL)
		return -1;
	batch->shards = shards;
	shards += batch->shard_count;
	snprintf(shards->name, sizeof(shards->name), "%s", name);
	shards->from = from;
	shards->to = from;
	shards->last = FEED_NO_POSITION;
	shards->last_time = FEED_NO_TIME;
	return batch->shard_count++;
}

void
feed_batch_advance(FeedBatch *batch, int shard, int64_t position)
{
	batch->shards[shard].to = position;
}

/* ---- windows ---- */

static int64_t
batch_bucket(const FeedBatch *batch, int64_t time)
{
	int64_t window_ms = batch->settings->window_seconds * 1000;

	return time / window_ms - (time % window_ms < 0 ? 1 : 0);
}

/* A new window in the table and the list, or NULL when out of memory. */
static BatchWindow *
batch_add_window(FeedBatch *batch, const BatchWindowId *id, size_t id_length, size_t key_length)
{
	BatchWindow *window = calloc(1, sizeof(*window) + id_length + 1);

	if (window == NULL)
		return NULL;
	if (batch->form == FEED_SUMMARIES && mg_create(&mg_malloc_allocator, batch->settings->counters,
												   &window->public.summary) != MG_OK)
	{
		free(window);
		return NULL;
	}
	memcpy(window->id, id, id_length);
	window->id_length = id_length;
	window->public.bucket = id->bucket;
	window->public.key = window->id + offsetof(BatchWindowId, key);
	window->public.key_length = key_length;
	HASH_ADD_KEYPTR(hh, batch->table, window->id, id_length, window);
	if (window->out_of_memory)
	{
		mg_free(window->public.summary);
		free(window);
		return NULL;
	}
	window->public.next = batch->windows;
	batch->windows = &window->public;
	batch->bytes += sizeof(*window) + id_length;
	if (window->public.summary != NULL)
		batch->bytes += mg_memory(window->public.summary);
	return window;
}

static FeedReason
batch_refuse_full(const FeedBatch *batch, int64_t bucket, char detail[FEED_DETAIL_SIZE])
{
	char start[FEED_TIME_SIZE];

	feed_time_format(bucket * batch->settings->window_seconds * 1000, start);
	return feed_refuse(
		FEED_WINDOW_FULL, detail,
		"the window that begins at %s has no room for more: its total is 2^56, or above", start);
}

/* The window of an event, made if need be; NULL with a *reason. */
static BatchWindow *
batch_find_window(FeedBatch *batch, const FeedEvent *event, FeedReason *reason,
				  char detail[FEED_DETAIL_SIZE])
{
	BatchWindowId id;
	size_t		  id_length = offsetof(BatchWindowId, key) + event->key_length;
	BatchWindow	 *window = batch->last;

	id.bucket = batch_bucket(batch, event->time);
	if (window != NULL && window->public.bucket == id.bucket &&
		window->public.key_length == event->key_length &&
		memcmp(window->public.key, event->key, event->key_length) == 0)
		return window;
	memcpy(id.key, event->key, event->key_length);
	/* NOLINTNEXTLINE(clang-analyzer-core.*): the used part of the id, and no more, is set and read */
	HASH_FIND(hh, batch->table, &id, id_length, window);
	if (window == NULL &&
		feed_full_windows_have(batch->full, event->key, event->key_length, id.bucket))
	{
		*reason = batch_refuse_full(batch, id.bucket, detail);
		return NULL;
	}
	if (window == NULL)
		window = batch_add_window(batch, &id, id_length, event->key_length);
	if (window == NULL)
		*reason = FEED_OUT_OF_MEMORY;
	else
		batch->last = window;
	return window;
}

/* ---- records ---- */

static bool
batch_id_fits(const FeedRecord *record)
{
	return record->id_length >= 1 && record->id_length <= FEED_ID_MAX_LENGTH;
}

/* Does the event's time lie within what the pipeline keeps? */
static FeedReason
batch_place(const FeedBatch *batch, int64_t time, int64_t now, char detail[FEED_DETAIL_SIZE])
{
	int64_t retention = batch->settings->retention_seconds;
	int64_t ahead = batch->settings->max_ahead_seconds;
	char	shown[FEED_TIME_SIZE];

	if (time < now - retention * 1000)
	{
		feed_time_format(time, shown);
		snprintf(detail, FEED_DETAIL_SIZE,
				 "the event is of %s, older than the retention of "
				 "%.4g days",
				 shown, (double) retention / 86400);
		return FEED_OUTSIDE_RETENTION;
	}
	if (time > now + ahead * 1000)
	{
		feed_time_format(time, shown);
		snprintf(detail, FEED_DETAIL_SIZE,
				 "the event is of %s, more than the allowed %lld s ahead "
				 "of the clock",
				 shown, (long long) ahead);
		return FEED_TOO_FAR_IN_FUTURE;
	}
	return FEED_ACCEPTED;
}

/* Add an event to the summary of its window. */
static FeedReason
batch_add(FeedBatch *batch, MgSummary *summary, const FeedEvent *event,
		  char detail[FEED_DETAIL_SIZE])
{
	size_t	 before = mg_memory(summary);
	MgStatus status = mg_add(summary, event->entity, event->entity_length, event->weight);

	batch->bytes += mg_memory(summary) - before;
	if (status == MG_OUT_OF_MEMORY)
		return FEED_OUT_OF_MEMORY;
	if (status != MG_OK)
	{
		/* length and sign were checked: only the sum of the weights is left */
		snprintf(detail, FEED_DETAIL_SIZE, "%s", mg_status_message(status));
		return FEED_BAD_WEIGHT;
	}
	return FEED_ACCEPTED;
}

/* Copy bytes to *memory and move it on; NULL stays NULL. */
static void *
batch_copy(char **memory, const void *bytes, size_t length)
{
	void *copy = *memory;

	if (bytes == NULL)
		return NULL;
	memcpy(copy, bytes, length);
	*memory += length;
	return copy;
}

/* List an event, for the server to count. */
static FeedReason
batch_list(FeedBatch *batch, const FeedWindow *window, const FeedEvent *event, int64_t id_time)
{
	size_t		 size = sizeof(FeedCounted) + event->entity_length + event->id_length;
	FeedCounted *counted = feed_arena_allocate(&batch->arena, size);
	char		*memory;

	if (counted == NULL)
		return FEED_OUT_OF_MEMORY;
	memory = (char *) (counted + 1);
	*counted = (FeedCounted) {.window = window,
							  .weight = event->weight,
							  .id_time = id_time,
							  .item_length = (uint32_t) event->entity_length,
							  .id_length = (uint32_t) event->id_length};
	counted->item = batch_copy(&memory, event->entity, event->entity_length);
	counted->id = batch_copy(&memory, event->id, event->id_length);
	*batch->counted_end = counted;
	batch->counted_end = &counted->next;
	batch->bytes += size;
	return FEED_ACCEPTED;
}

static FeedReason
batch_count(FeedBatch *batch, const FeedEvent *event, int64_t record_time,
			char detail[FEED_DETAIL_SIZE])
{
	FeedReason	 reason = FEED_ACCEPTED;
	BatchWindow *window = batch_find_window(batch, event, &reason, detail);

	if (window == NULL)
		return reason;
	reason = batch->form == FEED_SUMMARIES ? batch_add(batch, window->public.summary, event, detail)
										   : batch_list(batch, &window->public, event, record_time);
	if (reason != FEED_ACCEPTED)
		return reason;
	window->public.records++;
	batch->weight += event->weight;
	return FEED_ACCEPTED;
}

/* The id that an event goes by: its own, else what the source calls the record. */
static FeedReason
batch_identify(const FeedRecord *record, FeedEvent *event, char detail[FEED_DETAIL_SIZE])
{
	if (event->id != NULL || record->id == NULL)
		return FEED_ACCEPTED;
	if (!batch_id_fits(record))
		return feed_refuse(FEED_BAD_ID, detail,
						   "the id of the record is %zu bytes long; 1 to %d are allowed",
						   record->id_length, FEED_ID_MAX_LENGTH);
	event->id = record->id;
	event->id_length = record->id_length;
	return FEED_ACCEPTED;
}

/* Keep a rejected record, whole. */
static bool
batch_reject(FeedBatch *batch, const FeedRecord *record, int64_t time, FeedReason reason,
			 const char *detail)
{
	FeedRejected *rejected = batch_grow(batch->rejected, batch->rejected_count,
										&batch->rejected_room, sizeof(*rejected));
	const char	 *id = record->id != NULL && batch_id_fits(record) ? record->id : NULL;
	size_t		  id_length = id != NULL ? record->id_length : 0;
	size_t size = strlen(detail) + 1 + record->key_length + record->payload_length + id_length;
	char  *memory;

	if (rejected == NULL)
		return false;
	batch->rejected = rejected;
	memory = feed_arena_allocate(&batch->arena, size);
	if (memory == NULL)
		return false;
	rejected += batch->rejected_count++;
	*rejected = (FeedRejected) {.shard = record->shard,
								.time = time,
								.reason = reason,
								.key_length = record->key_length,
								.payload_length = record->payload_length,
								.id_length = id_length,
								.id_time = record->time};
	if (record->sequence != NULL)
		snprintf(rejected->position, sizeof(rejected->position), "%s", record->sequence);
	else
		snprintf(rejected->position, sizeof(rejected->position), "%lld",
				 (long long) record->position);
	rejected->detail = batch_copy(&memory, detail, strlen(detail) + 1);
	rejected->key = batch_copy(&memory, record->key, record->key_length);
	rejected->payload = batch_copy(&memory, record->payload, record->payload_length);
	rejected->id = batch_copy(&memory, id, id_length);
	batch->bytes += sizeof(*rejected) + size;
	return true;
}

/* The record is in the batch. */
static bool
batch_pass(FeedBatch *batch, const FeedRecord *record)
{
	FeedShard *shard = &batch->shards[record->shard];

	batch->records++;
	if (shard->from != FEED_POSITION_NOT_KEPT)
	{
		shard->to = record->position + 1;
		shard->last = record->position;
		shard->last_time = record->time;
	}
	return true;
}

bool
feed_batch_keep_header(FeedBatch *batch, const char *name, size_t name_length, const void *value,
					   size_t value_length)
{
	FeedHeader *header =
		batch_grow(batch->headers, batch->header_count, &batch->header_room, sizeof(*header));
	char *memory;

	if (header == NULL)
		return false;
	batch->headers = header;
	memory = feed_arena_allocate(&batch->arena, name_length + value_length);
	if (memory == NULL)
		return false;
	header += batch->header_count++;
	*header = (FeedHeader) {.rejected = batch->rejected_count - 1,
							.name_length = name_length,
							.value_length = value_length};
	header->name = batch_copy(&memory, name, name_length);
	header->value = batch_copy(&memory, value, value_length);
	batch->bytes += sizeof(*header) + name_length + value_length;
	return true;
}

bool
feed_batch_take(FeedBatch *batch, const FeedRecord *record, int64_t now)
{
	char	   detail[FEED_DETAIL_SIZE];
	FeedEvent  event;
	FeedReason reason;
	bool	   taken;

	reason = feed_event_parse(batch->fields, record->payload, record->payload_length, record->time,
							  &event, detail);
	if (reason == FEED_ACCEPTED)
		reason = batch_place(batch, event.time, now, detail);
	if (reason == FEED_ACCEPTED)
		reason = batch_identify(record, &event, detail);
	if (reason == FEED_ACCEPTED)
		reason = batch_count(batch, &event, record->time, detail);

	if (reason == FEED_ACCEPTED)
		taken = true;
	else if (reason == FEED_OUT_OF_MEMORY)
		taken = false;
	else
		taken = batch_reject(batch, record, event.time, reason, detail);
	feed_event_free(&event);
	return taken && batch_pass(batch, record);
}

bool
feed_batch_refuse(FeedBatch *batch, const FeedRecord *record, FeedReason reason, const char *detail)
{
	return batch_reject(batch, record, record->time, reason, detail) && batch_pass(batch, record);
}

/* ---- what is in it ---- */

FeedForm
feed_batch_form(const FeedBatch *batch)
{
	return batch->form;
}

int64_t
feed_batch_records(const FeedBatch *batch)
{
	return batch->records;
}

int64_t
feed_batch_weight(const FeedBatch *batch)
{
	return batch->weight;
}

size_t
feed_batch_bytes(const FeedBatch *batch)
{
	return batch->bytes;
}

int
feed_batch_shard_count(const FeedBatch *batch)
{
	return batch->shard_count;
}

const FeedShard *
feed_batch_shards(const FeedBatch *batch)
{
	return batch->shards;
}

const FeedWindow *
feed_batch_windows(const FeedBatch *batch)
{
	return batch->windows;
}

const FeedCounted *
feed_batch_counted(const FeedBatch *batch)
{
	return batch->counted;
}

int
feed_batch_rejected_count(const FeedBatch *batch)
{
	return batch->rejected_count;
}

const FeedRejected *
feed_batch_rejected(const FeedBatch *batch)
{
	return batch->rejected;
}

int
feed_batch_header_count(const FeedBatch *batch)
{
	return batch->header_count;
}

const FeedHeader *
feed_batch_headers(const FeedBatch *batch)
{
	return batch->headers;
}

const FeedSettings *
feed_batch_settings(const FeedBatch *batch)
{
	return batch->settings;
}
