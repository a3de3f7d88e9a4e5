/*
 * gauges.h
 *	  What the feeder tells of itself: its metrics.
 *
 * Must not know Kafka's or PostgreSQL's client.
 */
#ifndef KAFKA_GAUGES_H
#define KAFKA_GAUGES_H

#include "config.h"
#include "daemon/metrics.h"
#include "feed/batch.h"

typedef struct Gauges
{
	Metrics			   *metrics;
	const FeederConfig *config;
	Metric			   *counted;
	Metric			   *rejected[FEED_OUT_OF_MEMORY + 1]; /* by reason, made when first met */
	Metric			   *duplicates;
	Metric			   *batches;
	Metric			   *dropped;
	Metric			   *commit_seconds;
	Metric			   *letters_sent;
	Metric			   *letters_refused;
} Gauges;

extern void gauges_open(Gauges *gauges, Metrics *metrics, const FeederConfig *config);

/* A batch was committed, this many seconds after it was sent; so many of its records were duplicates. */
extern void gauges_committed(Gauges *gauges, const FeedBatch *batch, int64_t duplicates,
							 double seconds);

/* A batch was dropped; its records are read again. */
extern void gauges_dropped(Gauges *gauges);

/* So many dead letters were written to their topic, and so many refused by the broker. */
extern void gauges_letters(Gauges *gauges, int sent, int refused);

/* The lag of a partition, shown while it is assigned. */
extern Metric *gauges_lag(Gauges *gauges, int32_t partition);

#endif /* KAFKA_GAUGES_H */
