/*
 * sync_metrics.c
 *	  What topk-ddb-sync counts; must not know when.
 */
#include "sync_metrics.h"

static Metric *
labelled(Metrics *metrics, const char *name, const char *help, const char *label, const char *value)
{
	const char *const labels[] = {label, value, NULL};

	return metrics_counter(metrics, name, help, labels);
}

static void
register_requests(SyncMetrics *metrics)
{
	static const char *const results[] = {
		[DYNAMODB_DONE] = "stored",		 [DYNAMODB_CONDITION] = "condition",
		[DYNAMODB_REFUSED] = "refused",	 [DYNAMODB_THROTTLED] = "throttled",
		[DYNAMODB_AWAY] = "unavailable", [DYNAMODB_FATAL] = "fatal",
	};

	for (int i = 0; i <= DYNAMODB_FATAL; i++)
		metrics->requests[i] =
			labelled(metrics->metrics, "topk_mirror_requests_total",
					 "PutItem calls, by what came of them.", "result", results[i]);
}

static void
register_failures(SyncMetrics *metrics)
{
	static const char *const reasons[] = {
		[PUT_FOREIGN] = "foreign", [PUT_AHEAD] = "ahead", [PUT_REFUSED] = "refused"};

	for (int i = PUT_FOREIGN; i <= PUT_REFUSED; i++)
		metrics->failed[i] =
			labelled(metrics->metrics, "topk_mirror_windows_failed_total",
					 "Offers of windows that could not be stored.", "reason", reasons[i]);
}

void
sync_metrics_init(SyncMetrics *metrics, Metrics *registry, const Credentials *credentials)
{
	*metrics = (SyncMetrics) {.metrics = registry, .credentials = credentials};
	register_requests(metrics);
	register_failures(metrics);
	metrics->seconds = metrics_counter(registry, "topk_mirror_put_seconds_total",
									   "Time that PutItem calls took; they overlap.", NULL);
	metrics->consumed_units =
		metrics_counter(registry, "topk_mirror_consumed_write_units_total",
						"Write units that DynamoDB says were consumed.", NULL);
	metrics->written = metrics_counter(registry, "topk_mirror_windows_written_total",
									   "Rows stored in DynamoDB.", NULL);
	metrics->written_bytes = metrics_counter(registry, "topk_mirror_value_bytes_total",
											 "Bytes of the summaries stored.", NULL);
	metrics->cut = metrics_counter(registry, "topk_mirror_rows_cut_total",
								   "Rows stored with fewer items, for want of room.", NULL);
	metrics->replaced_foreign =
		metrics_counter(registry, "topk_mirror_foreign_rows_replaced_total",
						"Rows with a lower version that someone else had written.", NULL);
	metrics->taken_over = metrics_counter(registry, "topk_mirror_rows_taken_over_total",
										  "Rows that --take-over is to overwrite.", NULL);
	metrics->under_way = metrics_gauge(registry, "topk_mirror_requests_under_way",
									   "PutItem calls that are not answered yet.", NULL);
	metrics->oldest = metrics_gauge(
		registry, "topk_mirror_oldest_unmirrored_seconds",
		"Age of the oldest change that is not mirrored, when last looked at; 0: none.", NULL);
	metrics->last_success =
		metrics_gauge(registry, "topk_mirror_last_success_timestamp_seconds",
					  "When PostgreSQL last had nothing left to mirror, in Unix time.", NULL);
	metrics->active = metrics_gauge(registry, "topk_mirror_active",
									"1 if this is the pipeline's one worker, 0 if it waits.", NULL);
	metrics->expired_windows = metrics_counter(registry, "topk_expired_windows_total",
											   "Windows deleted past the retention.", NULL);
	metrics->credentials_expiry =
		metrics_gauge(registry, "topk_aws_credentials_expiry_timestamp_seconds",
					  "When the credentials in use expire, in Unix time; 0: never.", NULL);
	metrics_ready(registry, "postgresql", false);
	metrics_ready(registry, "dynamodb", true); /* until a request says otherwise */
}

void
sync_metrics_answer(SyncMetrics *metrics, const DynamoDbAnswer *answer)
{
	metric_add(metrics->requests[answer->verdict], 1);
	metric_add(metrics->seconds, answer->seconds);
	metric_add(metrics->consumed_units, dynamodb_consumed_units(answer));
	metric_set(metrics->credentials_expiry, (double) credentials_expiry(metrics->credentials));
	metrics_ready(metrics->metrics, "dynamodb",
				  answer->verdict != DYNAMODB_AWAY && answer->verdict != DYNAMODB_FATAL &&
					  answer->verdict != DYNAMODB_THROTTLED);
	metrics_progress(metrics->metrics);
}

void
sync_metrics_outcome(SyncMetrics *metrics, const Row *row, PutOutcome outcome)
{
	if (outcome != PUT_STORED && outcome != PUT_REPLACED_FOREIGN)
	{
		metric_add(metrics->failed[outcome], 1);
		return;
	}
	metric_add(metrics->written, 1);
	metric_add(metrics->written_bytes, (double) row->value_length);
	metric_add(metrics->cut, row->left_out > 0 ? 1 : 0);
	metric_add(metrics->replaced_foreign, outcome == PUT_REPLACED_FOREIGN ? 1 : 0);
}
