/*
 * ingest.c
 *	  A batch as the bound, binary parameters of topk_pipeline.ingest.
 *
 * Must not know a connection.
 */
#include "feed/ingest.h"

#include <stdlib.h>
#include <string.h>

/* The parameters of topk_pipeline.ingest, in their order. */
enum
{
	INGEST_PIPELINE,
	INGEST_SOURCE,
	INGEST_SHARDS,
	INGEST_FROM_POSITIONS,
	INGEST_TO_POSITIONS,
	INGEST_KEYS,
	INGEST_BUCKETS,
	INGEST_RECORDS,
	INGEST_SUMMARIES,
	INGEST_REJECTED_SHARDS,
	INGEST_REJECTED_POSITIONS,
	INGEST_REJECTED_TIMES,
	INGEST_REJECTED_REASONS,
	INGEST_REJECTED_DETAILS,
	INGEST_REJECTED_KEYS,
	INGEST_REJECTED_PAYLOADS
};

static const uint32_t ingest_element_types[FEED_INGEST_PARAMETERS] = {
	[INGEST_SHARDS] = PGARRAY_TEXT,
	[INGEST_FROM_POSITIONS] = PGARRAY_BIGINT,
	[INGEST_TO_POSITIONS] = PGARRAY_BIGINT,
	[INGEST_KEYS] = PGARRAY_TEXT,
	[INGEST_BUCKETS] = PGARRAY_BIGINT,
	[INGEST_RECORDS] = PGARRAY_BIGINT,
	[INGEST_REJECTED_SHARDS] = PGARRAY_TEXT,
	[INGEST_REJECTED_POSITIONS] = PGARRAY_TEXT,
	[INGEST_REJECTED_TIMES] = PGARRAY_TIMESTAMPTZ,
	[INGEST_REJECTED_REASONS] = PGARRAY_TEXT,
	[INGEST_REJECTED_DETAILS] = PGARRAY_TEXT,
	[INGEST_REJECTED_KEYS] = PGARRAY_BYTEA,
	[INGEST_REJECTED_PAYLOADS] = PGARRAY_BYTEA,
};

static void
ingest_add_shards(FeedIngest *ingest, const FeedBatch *batch)
{
	for (int i = 0; i < feed_batch_shard_count(batch); i++)
	{
		const FeedShard *shard = &feed_batch_shards(batch)[i];

		pgarray_append_text(&ingest->arrays[INGEST_SHARDS], shard->name);
		if (shard->from == FEED_NO_POSITION)
			pgarray_append(&ingest->arrays[INGEST_FROM_POSITIONS], NULL, 0);
		else
			pgarray_append_bigint(&ingest->arrays[INGEST_FROM_POSITIONS], shard->from);
		pgarray_append_bigint(&ingest->arrays[INGEST_TO_POSITIONS], shard->to);
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
	}
}

bool
feed_ingest_prepare(FeedIngest *ingest, const char *pipeline, const char *source, FeedBatch *batch)
{
	for (int i = INGEST_SHARDS; i < FEED_INGEST_PARAMETERS; i++)
		pgarray_start(&ingest->arrays[i], i == INGEST_SUMMARIES
											  ? feed_batch_settings(batch)->summary_type
											  : ingest_element_types[i]);
	ingest_add_shards(ingest, batch);
	if (!ingest_add_windows(ingest, batch))
		return false;
	ingest_add_rejected(ingest, batch);

	ingest->values[INGEST_PIPELINE] = pipeline;
	ingest->lengths[INGEST_PIPELINE] = (int) strlen(pipeline);
	ingest->values[INGEST_SOURCE] = source;
	ingest->lengths[INGEST_SOURCE] = (int) strlen(source);
	for (int i = INGEST_SHARDS; i < FEED_INGEST_PARAMETERS; i++)
	{
		pgarray_finish(&ingest->arrays[i]);
		if (ingest->arrays[i].failed)
			return false;
		ingest->values[i] = ingest->arrays[i].data;
		ingest->lengths[i] = (int) ingest->arrays[i].size;
		ingest->formats[i] = 1;
	}
	return true;
}

void
feed_ingest_free(FeedIngest *ingest)
{
	for (int i = 0; i < FEED_INGEST_PARAMETERS; i++)
		pgarray_free(&ingest->arrays[i]);
}
