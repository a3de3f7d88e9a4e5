/*
 * ingest.h
 *	  A batch as the bound, binary parameters of topk_pipeline.ingest, or of
 *	  ingest_records.
 *
 * Must not know a connection: whoever holds one passes the three arrays to
 * libpq.
 */
#ifndef FEED_INGEST_H
#define FEED_INGEST_H

#include "feed/batch.h"
#include "feed/pgarray.h"

/* What to call with the parameters of a batch that has summaries; it has no result. */
#define FEED_INGEST_PARAMETERS 21

/* The type of the summaries follows from the function: its schema is not ours to know. */
#define FEED_INGEST_SQL                                                                                 \
	"SELECT topk_pipeline.ingest($1::text, $2::text, $3::text[], $4::bigint[], $5::bigint[], "          \
	"$6::text[], $7::bigint[], $8::bigint[], $9, $10::text[], $11::text[], $12::timestamptz[], "        \
	"$13::text[], $14::text[], $15::bytea[], $16::bytea[], $17::bigint[], $18::bytea[], $19::bytea[], " \
	"$20::bigint[], $21::timestamptz[])"

/* What to call with those of one that has records. */
#define FEED_INGEST_RECORDS_PARAMETERS 25
#define FEED_INGEST_RECORDS_SQL                                                                  \
	"SELECT counted, duplicates, rejected FROM topk_pipeline.ingest_records("                    \
	"$1::text, $2::text, $3::text[], $4::bigint[], $5::bigint[], "                               \
	"$6::text[], $7::timestamptz[], $8::text[], $9::bigint[], $10::text[], $11::bigint[], "      \
	"$12::text[], $13::text[], $14::timestamptz[], $15::text[], $16::text[], $17::bytea[], "     \
	"$18::bytea[], $19::text[], $20::timestamptz[], $21::bigint[], $22::bytea[], $23::bytea[], " \
	"$24::bigint[], $25::timestamptz[])"

/* Most parameters, and the arrays that there are among those of both. */
#define FEED_INGEST_PARAMETERS_MAX FEED_INGEST_RECORDS_PARAMETERS
#define FEED_INGEST_ARRAYS 25

/* All zero is a valid start; the memory is kept from one use to the next. */
typedef struct FeedIngest
{
	const char *values[FEED_INGEST_PARAMETERS_MAX];
	int			lengths[FEED_INGEST_PARAMETERS_MAX];
	int			formats[FEED_INGEST_PARAMETERS_MAX];
	int			count;
	PgArray		arrays[FEED_INGEST_ARRAYS]; /* private */
} FeedIngest;

/*
 * Set values, lengths, formats and count from a batch.  They point into
 * ingest, pipeline and source.  Summaries go with all the counters they hold:
 * nothing is cut before the server has merged them.  Returns false when out of
 * memory.
 */
extern bool feed_ingest_prepare(FeedIngest *ingest, const char *pipeline, const char *source,
								FeedBatch *batch);

/* The keys and the buckets that were prepared, binary, as parameters of topk_pipeline.full_windows. */
extern void feed_ingest_windows(const FeedIngest *ingest, const char *values[2], int lengths[2]);

extern void feed_ingest_free(FeedIngest *ingest);

#endif /* FEED_INGEST_H */
