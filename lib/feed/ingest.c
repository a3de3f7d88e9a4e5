/*
 * ingest.c
 *	  A batch as the bound, binary parameters of topk_pipeline.ingest, or of
 *	  ingest_records.
 *
 * Must not know a connection.
 */
#include "feed/ingest.h"

#include <stdlib.h>
#include <string.h>

/* The arrays that are parameters of topk_pipeline.ingest or of ingest_records. */
typedef enum IngestArray
{
	INGEST_SHARDS,
	INGEST_FROM_POSITIONS,
	INGEST_TO_POSITIONS,
	INGEST_IDS,
	INGEST_ID_TIMES,
	INGEST_KEYS,
	INGEST_BUCKETS,
	INGEST_RECORDS,
	INGEST_SUMMARIES,
	INGEST_ITEMS,
	INGEST_WEIGHTS,
	INGEST_REJECTED_SHARDS,
	INGEST_REJECTED_POSITIONS,
	INGEST_REJECTED_TIMES,
	INGEST_REJECTED_REASONS,
	INGEST_REJECTED_DETAILS,
	INGEST_REJECTED_KEYS,
	INGEST_REJECTED_PAYLOADS,
	INGEST_REJECTED_IDS,
	INGEST_REJECTED_ID_TIMES,
	INGEST_REJECTED_HEADER_RECORDS,
	INGEST_REJECTED_HEADER_NAMES,
	INGEST_REJECTED_HEADER_VALUES,
	INGEST_LAST_POSITIONS,
	INGEST_LAST_TIMES
} IngestArray;

/* The functions that an array is a parameter of. */
#define OF_SUMMARIES (1 << FEED_SUMMARIES)
#define OF_RECORDS (1 << FEED_RECORDS)
#define OF_BOTH (OF_SUMMARIES | OF_RECORDS)

/* The order of the parameters, after pipeline and source, is that of the arrays, in both functions. */
static const struct
{
	uint32_t element_type;
	unsigned functions;
} ingest_parameters[FEED_INGEST_ARRAYS] = {
	[INGEST_SHARDS] = {PGARRAY_TEXT, OF_BOTH},
	[INGEST_FROM_POSITIONS] = {PGARRAY_BIGINT, OF_BOTH},
	[INGEST_TO_POSITIONS] = {PGARRAY_BIGINT, OF_BOTH},
	[INGEST_IDS] = {PGARRAY_TEXT, OF_RECORDS},
	[INGEST_ID_TIMES] = {PGARRAY_TIMESTAMPTZ, OF_RECORDS},
	[INGEST_KEYS] = {PGARRAY_TEXT, OF_BOTH},
	[INGEST_BUCKETS] = {PGARRAY_BIGINT, OF_BOTH},
	[INGEST_RECORDS] = {PGARRAY_BIGINT, OF_SUMMARIES},
	[INGEST_SUMMARIES] = {0, OF_SUMMARIES}, /* topk_summary, as the batch knows it */
	[INGEST_ITEMS] = {PGARRAY_TEXT, OF_RECORDS},
	[INGEST_WEIGHTS] = {PGARRAY_BIGINT, OF_RECORDS},
	[INGEST_REJECTED_SHARDS] = {PGARRAY_TEXT, OF_BOTH},
	[INGEST_REJECTED_POSITIONS] = {PGARRAY_TEXT, OF_BOTH},
	[INGEST_REJECTED_TIMES] = {PGARRAY_TIMESTAMPTZ, OF_BOTH},
	[INGEST_REJECTED_REASONS] = {PGARRAY_TEXT, OF_BOTH},
	[INGEST_REJECTED_DETAILS] = {PGARRAY_TEXT, OF_BOTH},
	[INGEST_REJECTED_KEYS] = {PGARRAY_BYTEA, OF_BOTH},
	[INGEST_REJECTED_PAYLOADS] = {PGARRAY_BYTEA, OF_BOTH},
	[INGEST_REJECTED_IDS] = {PGARRAY_TEXT, OF_RECORDS},
	[INGEST_REJECTED_ID_TIMES] = {PGARRAY_TIMESTAMPTZ, OF_RECORDS},
	[INGEST_REJECTED_HEADER_RECORDS] = {PGARRAY_BIGINT, OF_BOTH},
	[INGEST_REJECTED_HEADER_NAMES] = {PGARRAY_BYTEA, OF_BOTH},
	[INGEST_REJECTED_HEADER_VALUES] = {PGARRAY_BYTEA, OF_BOTH},
	[INGEST_LAST_POSITIONS] = {PGARRAY_BIGINT, OF_BOTH},
	[INGEST_LAST_TIMES] = {PGARRAY_TIMESTAMPTZ, OF_BOTH},
};

static void
ingest_add_position(PgArray *array, int64_t position)
{
	if (position == FEED_NO_POSITION)
		pgarray_append(array, NULL, 0);
	else
		pgarray_append_bigint(array, position);
}

static void
ingest_add_shards(FeedIngest *ingest, const FeedBatch *batch)
{
	for (int i = 0; i < feed_batch_shard_count(batch); i++)
	{
		const FeedShard *shard = &feed_batch_shards(batch)[i];

		if (shard->from == FEED_POSITION_NOT_KEPT)
			continue;
		pgarray_append_text(&ingest->arrays[INGEST_SHARDS], shard->name);
		ingest_add_position(&ingest->arrays[INGEST_FROM_POSITIONS], shard->from);
		ingest_add_position(&ingest->arrays[INGEST_TO_POSITIONS], shard->to);
		ingest_add_position(&ingest->arrays[INGEST_LAST_POSITIONS], shard->last);
		pgarray_append_time(&ingest->arrays[INGEST_LAST_TIMES], shard->last_time);
	}
}

static bool
ingest_add_windows(FeedIngest *ingest, FeedBatch *batch)
{
	for (const FeedWindow *window = feed_batch_windows(batch); window != NULL;
		 window = window->next)
	{
		unsigned char *bytes;
		size_t		   size;

		if (mg_encode(window->summary, MG_PARTIAL, 0, &bytes, &size) != MG_OK)
			return false;
		pgarray_append(&ingest->arrays[INGEST_KEYS], window->key, window->key_length);
		pgarray_append_bigint(&ingest->arrays[INGEST_BUCKETS], window->bucket);
		pgarray_append_bigint(&ingest->arrays[INGEST_RECORDS], window->records);
		pgarray_append(&ingest->arrays[INGEST_SUMMARIES], bytes, size);
		free(bytes);
	}
	return true;
}

static void
ingest_add_records(FeedIngest *ingest, const FeedBatch *batch)
{
	for (const FeedCounted *counted = feed_batch_counted(batch); counted != NULL;
		 counted = counted->next)
	{
		const FeedWindow *window = counted->window;

		pgarray_append(&ingest->arrays[INGEST_IDS], counted->id, counted->id_length);
		pgarray_append_time(&ingest->arrays[INGEST_ID_TIMES], counted->id_time);
		pgarray_append(&ingest->arrays[INGEST_KEYS], window->key, window->key_length);
		pgarray_append_bigint(&ingest->arrays[INGEST_BUCKETS], window->bucket);
		pgarray_append(&ingest->arrays[INGEST_ITEMS], counted->item, counted->item_length);
		pgarray_append_bigint(&ingest->arrays[INGEST_WEIGHTS], counted->weight);
	}
}

static void
ingest_add_rejected(FeedIngest *ingest, const FeedBatch *batch)
{
	const FeedShard *shards = feed_batch_shards(batch);

	for (int i = 0; i < feed_batch_rejected_count(batch); i++)
	{
		const FeedRejected *rejected = &feed_batch_rejected(batch)[i];

		pgarray_append_text(&ingest->arrays[INGEST_REJECTED_SHARDS], shards[rejected->shard].name);
		pgarray_append_text(&ingest->arrays[INGEST_REJECTED_POSITIONS], rejected->position);
		pgarray_append_time(&ingest->arrays[INGEST_REJECTED_TIMES], rejected->time);
		pgarray_append_text(&ingest->arrays[INGEST_REJECTED_REASONS],
							feed_reason_code(rejected->reason));
		pgarray_append_text(&ingest->arrays[INGEST_REJECTED_DETAILS], rejected->detail);
		pgarray_append(&ingest->arrays[INGEST_REJECTED_KEYS], rejected->key, rejected->key_length);
		pgarray_append(&ingest->arrays[INGEST_REJECTED_PAYLOADS], rejected->payload,
					   rejected->payload_length);
		pgarray_append(&ingest->arrays[INGEST_REJECTED_IDS], rejected->id, rejected->id_length);
		pgarray_append_time(&ingest->arrays[INGEST_REJECTED_ID_TIMES], rejected->id_time);
	}
}

static void
ingest_add_headers(FeedIngest *ingest, const FeedBatch *batch)
{
	for (int i = 0; i < feed_batch_header_count(batch); i++)
	{
		const FeedHeader *header = &feed_batch_headers(batch)[i];

		/* SQL counts from 1 */
		pgarray_append_bigint(&ingest->arrays[INGEST_REJECTED_HEADER_RECORDS],
							  header->rejected + 1);
		pgarray_append(&ingest->arrays[INGEST_REJECTED_HEADER_NAMES], header->name,
					   header->name_length);
		pgarray_append(&ingest->arrays[INGEST_REJECTED_HEADER_VALUES], header->value,
					   header->value_length);
	}
}

static void
ingest_put_text(FeedIngest *ingest, const char *text)
{
	ingest->values[ingest->count] = text;
	ingest->lengths[ingest->count] = (int) strlen(text);
	ingest->formats[ingest->count++] = 0;
}

/* Finish the arrays and make those of the form's function the next parameters. */
static bool
ingest_put_arrays(FeedIngest *ingest, FeedForm form)
{
	for (int i = 0; i < FEED_INGEST_ARRAYS; i++)
	{
		PgArray *array = &ingest->arrays[i];

		if ((ingest_parameters[i].functions & 1U << form) == 0)
			continue;
		pgarray_finish(array);
		if (array->failed)
			return false;
		ingest->values[ingest->count] = array->data;
		ingest->lengths[ingest->count] = (int) array->size;
		ingest->formats[ingest->count++] = 1;
	}
	return true;
}

bool
feed_ingest_prepare(FeedIngest *ingest, const char *pipeline, const char *source, FeedBatch *batch)
{
	FeedForm form = feed_batch_form(batch);

	for (int i = 0; i < FEED_INGEST_ARRAYS; i++)
		pgarray_start(&ingest->arrays[i], i == INGEST_SUMMARIES
											  ? feed_batch_settings(batch)->summary_type
											  : ingest_parameters[i].element_type);
	ingest->count = 0;
	ingest_put_text(ingest, pipeline);
	ingest_put_text(ingest, source);
	ingest_add_shards(ingest, batch);
	ingest_add_rejected(ingest, batch);
	ingest_add_headers(ingest, batch);
	if (form == FEED_RECORDS)
		ingest_add_records(ingest, batch);
	else if (!ingest_add_windows(ingest, batch))
		return false;
	return ingest_put_arrays(ingest, form);
}

void
feed_ingest_windows(const FeedIngest *ingest, const char *values[2], int lengths[2])
{
	values[0] = ingest->arrays[INGEST_KEYS].data;
	lengths[0] = (int) ingest->arrays[INGEST_KEYS].size;
	values[1] = ingest->arrays[INGEST_BUCKETS].data;
	lengths[1] = (int) ingest->arrays[INGEST_BUCKETS].size;
}

void
feed_ingest_free(FeedIngest *ingest)
{
	for (int i = 0; i < FEED_INGEST_ARRAYS; i++)
		pgarray_free(&ingest->arrays[i]);
}
