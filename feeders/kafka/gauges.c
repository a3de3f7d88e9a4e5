/*
 * gauges.c
 *	  What the feeder tells of itself: its metrics.
 *
 * Must not know Kafka's or PostgreSQL's client.
 */
#include "gauges.h"

#include <stdio.h>
#include <string.h>

void
gauges_open(Gauges *gauges, Metrics *metrics, const FeederConfig *config)
{
	memset(gauges, 0, sizeof(*gauges));
	gauges->metrics = metrics;
	gauges->config = config;
	gauges->counted = metrics_counter(metrics, "topk_feeder_records_counted_total",
									  "Records counted and committed.", NULL);
	gauges->duplicates =
		metrics_counter(metrics, "topk_feeder_records_duplicate_total",
						"Records whose id was seen before, which changed nothing.", NULL);
	gauges->batches =
		metrics_counter(metrics, "topk_feeder_batches_total", "Batches committed.", NULL);
	gauges->dropped = metrics_counter(metrics, "topk_feeder_batches_dropped_total",
									  "Batches dropped, whose records are read again.", NULL);
	gauges->commit_seconds = metrics_counter(metrics, "topk_feeder_commit_seconds_total",
											 "Time from sending batches to their commit.", NULL);
	if (config->dlq_topic == NULL)
		return;
	gauges->letters_sent =
		metrics_counter(metrics, "topk_feeder_dead_letters_total",
						"Rejected records written to the dead-letter topic.", NULL);
	gauges->letters_refused =
		metrics_counter(metrics, "topk_feeder_dead_letters_refused_total",
						"Rejected records that the broker did not take, as too large.", NULL);
}

void
gauges_committed(Gauges *gauges, const FeedBatch *batch, int64_t duplicates, double seconds)
{
	int rejected = feed_batch_rejected_count(batch);

	metric_add(gauges->counted, (double) (feed_batch_records(batch) - rejected - duplicates));
	metric_add(gauges->duplicates, (double) duplicates);
	metric_add(gauges->batches, 1);
	metric_add(gauges->commit_seconds, seconds);
	for (int i = 0; i < rejected; i++)
	{
		FeedReason	reason = feed_batch_rejected(batch)[i].reason;
		const char *labels[] = {"reason", feed_reason_code(reason), NULL};

		if (gauges->rejected[reason] == NULL)
			gauges->rejected[reason] =
				metrics_counter(gauges->metrics, "topk_feeder_records_rejected_total",
								"Records kept in topk_pipeline.rejected_record.", labels);
		metric_add(gauges->rejected[reason], 1);
	}
}

void
gauges_dropped(Gauges *gauges)
{
	metric_add(gauges->dropped, 1);
}

void
gauges_letters(Gauges *gauges, int sent, int refused)
{
	metric_add(gauges->letters_sent, sent);
	metric_add(gauges->letters_refused, refused);
}

Metric *
gauges_lag(Gauges *gauges, int32_t partition)
{
	char		number[16];
	const char *labels[] = {"consumergroup",
							gauges->config->group,
							"topic",
							gauges->config->topic,
							"partition",
							number,
							NULL};

	snprintf(number, sizeof(number), "%d", partition);
	return metrics_gauge(
		gauges->metrics, "kafka_consumergroup_lag",
		"Records between the position stored in PostgreSQL and the end of the partition.", labels);
}
