/*
 * sync_metrics.h
 *	  What topk-ddb-sync counts.
 */
#ifndef DDB_SYNC_SYNC_METRICS_H
#define DDB_SYNC_SYNC_METRICS_H

#include "aws/credentials.h"
#include "daemon/metrics.h"
#include "aws/dynamodb.h"
#include "item.h"

typedef struct SyncMetrics
{
	Metrics			  *metrics;
	const Credentials *credentials;
	Metric			  *requests[DYNAMODB_FATAL + 1]; /* by verdict */
	Metric			  *seconds;
	Metric			  *consumed_units;
	Metric			  *written;
	Metric			  *written_bytes;
	Metric			  *cut;
	Metric			  *replaced_foreign;
	Metric			  *failed[PUT_REFUSED + 1]; /* by outcome */
	Metric			  *taken_over;
	Metric			  *under_way;
	Metric			  *oldest;
	Metric			  *last_success;
	Metric			  *active;
	Metric			  *expired_windows;
	Metric			  *credentials_expiry;
} SyncMetrics;

extern void sync_metrics_init(SyncMetrics *metrics, Metrics *registry,
							  const Credentials *credentials);

/* A PutItem was answered. */
extern void sync_metrics_answer(SyncMetrics *metrics, const DynamoDbAnswer *answer);

/* What became of a row, when PostgreSQL knows it. */
extern void sync_metrics_outcome(SyncMetrics *metrics, const Row *row, PutOutcome outcome);

#endif /* DDB_SYNC_SYNC_METRICS_H */
