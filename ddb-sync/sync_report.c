/*
 * sync_report.c
 *	  Tells PostgreSQL, and the log, what became of rows.
 *
 * Must not know SQL (mirror.c) nor HTTP (dynamodb.c).
 */
#include "daemon/clock.h"
#include "mirror.h"
#include "sync_internal.h"

/* That rows are cut is said once in this time. */
#define CUT_LOG_MS 60000

static bool
is_stored(const Write *write)
{
	return write->outcome == PUT_STORED || write->outcome == PUT_REPLACED_FOREIGN;
}

/* ---- sending ---- */

/* The operator has asked for it: the row in the way is to be overwritten by the next offer. */
static DaemonStatus
take_over(Sync *sync, Write *write)
{
	const SyncParts *parts = &sync->parts;
	const Row		*row = &write->row;
	DaemonStatus	 status = mirror_take_over(parts->session, row->pipeline, row->key, row->bucket,
											   write->version_there);

	if (status != DAEMON_OK)
		return status;
	log_warning(parts->log, "a row is taken over", LOG_TEXT("key", row->key),
				LOG_INTEGER("bucket", row->bucket), LOG_INTEGER("version", write->version_there),
				LOG_TEXT("problem", write->problem));
	metric_add(sync->metrics.taken_over, 1);
	writes_remove(&sync->writes, write);
	sync->exhausted = false;
	schedule_want(&sync->schedule);
	return DAEMON_OK;
}

static DaemonStatus
take_over_rows(Sync *sync)
{
	DaemonStatus status = DAEMON_OK;

	for (int i = sync->writes.count - 1; i >= 0 && status == DAEMON_OK; i--)
	{
		Write *write = sync->writes.items[i];

		if (write->state == WRITE_ENDED && write->version_there >= 0 &&
			(write->outcome == PUT_FOREIGN || write->outcome == PUT_AHEAD))
			status = take_over(sync, write);
	}
	return status;
}

static json_t *
make_outcome(const Write *write)
{
	json_t *problem = is_stored(write) ? json_null() : json_string(write->problem);

	if (problem == NULL) /* cut amid a character */
		problem = json_string("the problem is in the log");
	return json_pack("{s:s, s:I, s:I, s:o}", "key", write->row.key, "bucket",
					 (json_int_t) write->row.bucket, "version", (json_int_t) write->row.version,
					 "problem", problem);
}

DaemonStatus
sync_report_send(Sync *sync)
{
	json_t		*outcomes;
	DaemonStatus status = DAEMON_OK;

	if (sync->parts.config->take_over)
		status = take_over_rows(sync);
	if (status != DAEMON_OK || writes_ended(&sync->writes) == NULL)
		return status;
	outcomes = json_array();
	for (int i = 0; i < sync->writes.count; i++)
	{
		Write *write = sync->writes.items[i];

		if (write->state != WRITE_ENDED)
			continue;
		json_array_append_new(outcomes, make_outcome(write));
		write->state = WRITE_REPORTING;
	}
	status = mirror_report_send(sync->parts.session, sync->parts.config->pipeline, outcomes);
	json_decref(outcomes);
	if (status == DAEMON_OK)
		sync->job = JOB_REPORT;
	return status;
}

/* ---- when it has arrived ---- */

static void
log_stored(Sync *sync, const Write *write)
{
	const Log *log = sync->parts.log;
	const Row *row = &write->row;

	log_debug(log, "window mirrored", LOG_TEXT("key", row->key), LOG_INTEGER("bucket", row->bucket),
			  LOG_INTEGER("version", row->version), LOG_INTEGER("bytes", row->value_length));
	if (write->outcome == PUT_REPLACED_FOREIGN)
		log_warning(log, "a row of someone else was replaced", LOG_TEXT("key", row->key),
					LOG_INTEGER("bucket", row->bucket), LOG_TEXT("problem", write->problem));
	if (row->left_out > 0 && clock_milliseconds() >= sync->next_cut_log)
	{
		log_warning(log, "a row has fewer items than the pipeline's k, for want of room",
					LOG_TEXT("key", row->key), LOG_INTEGER("bucket", row->bucket),
					LOG_INTEGER("left_out", row->left_out),
					LOG_TEXT("hint", "DynamoDB takes 400 kB: a smaller k, or shorter items"));
		sync->next_cut_log = clock_milliseconds() + CUT_LOG_MS;
	}
}

static void
log_failed(Sync *sync, const Write *write)
{
	const Row *row = &write->row;

	log_error(sync->parts.log, "window could not be mirrored, will be offered again",
			  LOG_TEXT("key", row->key), LOG_INTEGER("bucket", row->bucket),
			  LOG_INTEGER("version", row->version), LOG_TEXT("problem", write->problem),
			  LOG_TEXT("hint", write->outcome == PUT_REFUSED
								   ? NULL
								   : "if the row is this pipeline's to write, see --take-over"));
	sync->failed++;
}

/* A judgement on a version that is not the last one offered is nobody's business any more. */
static bool
is_current(const PGresult *result, int64_t version)
{
	for (int i = 0; i < PQntuples(result); i++)
		if (!PQgetisnull(result, i, 0) && pg_get_bigint(result, i, 0) == version)
			return true;
	return false;
}

void
sync_report_done(Sync *sync, const PGresult *result)
{
	int64_t now = clock_milliseconds();

	for (int i = sync->writes.count - 1; i >= 0; i--)
	{
		Write *write = sync->writes.items[i];

		if (write->state != WRITE_REPORTING)
			continue;
		if (is_stored(write))
			log_stored(sync, write);
		else if (is_current(result, write->row.version))
			log_failed(sync, write);
		sync_metrics_outcome(&sync->metrics, &write->row, write->outcome);
		/* it may have changed meanwhile, and nobody notified of that */
		if (now - write->added > sync->parts.config->interval_ms)
			schedule_want(&sync->schedule);
		writes_remove(&sync->writes, write);
	}
}

void
sync_report_again(Sync *sync)
{
	for (int i = 0; i < sync->writes.count; i++)
		if (sync->writes.items[i]->state == WRITE_REPORTING)
			sync->writes.items[i]->state = WRITE_ENDED;
}
