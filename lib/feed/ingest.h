/*
 * ingest.h
 *	  A batch as the bound, binary parameters of topk_pipeline.ingest.
 *
 * Must not know a connection: whoever holds one passes the three arrays to
 * libpq.
 */
#ifndef FEED_INGEST_H
#define FEED_INGEST_H

#include "feed/batch.h"
#include "feed/pgarray.h"

#define FEED_INGEST_PARAMETERS 16

/* The type of the summaries follows from the function: its schema is not ours to know. */
#define FEED_INGEST_SQL                                                                          \
	"SELECT topk_pipeline.ingest($1::text, $2::text, $3::text[], $4::bigint[], $5::bigint[], "   \
	"$6::text[], $7::bigint[], $8::bigint[], $9, $10::text[], $11::text[], $12::timestamptz[], " \
	"$13::text[], $14::text[], $15::bytea[], $16::bytea[])"

/* All zero is a valid start; the memory is kept from one use to the next. */
typedef struct FeedIngest
{
	const char *values[FEED_INGEST_PARAMETERS];
	int			lengths[FEED_INGEST_PARAMETERS];
	int			formats[FEED_INGEST_PARAMETERS];
	PgArray		arrays[FEED_INGEST_PARAMETERS]; /* private */
} FeedIngest;

/*
 * Set values, lengths and formats from a batch.  They point into ingest,
 * pipeline and source.  Summaries go with all the counters they hold: nothing
 * is cut before the server has merged them.  Returns false when out of memory.
 */
extern bool feed_ingest_prepare(FeedIngest *ingest, const char *pipeline, const char *source,
								FeedBatch *batch);
extern void feed_ingest_free(FeedIngest *ingest);

#endif /* FEED_INGEST_H */
