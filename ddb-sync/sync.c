/*
 * sync.c
 *	  Waits for changes, claims windows, stores them, reports on each.
 *
 * Must not know SQL (mirror.c) nor HTTP (dynamodb.c).
 */
#include "sync.h"

#include <poll.h>
#include <time.h>

#include "daemon/backoff.h"
#include "daemon/clock.h"
#include "daemon/notify.h"
#include "mirror.h"

/* A window is due when its interval has passed; asked on the dot, it would not be. */
#define CLAIM_MARGIN_MS 5

/* How often a worker that waits for another one to end looks. */
#define STANDBY_MS 1000

/* A worker that waits longer shows meanwhile that it is alive. */
#define PROGRESS_MS 10000

typedef struct Sync
{
	SyncParts parts;
	Backoff	  pg_backoff;
	Backoff	  dynamodb_backoff;
	bool	  locked; /* on this connection we are the one worker */
	bool	  standby_logged;
	int64_t	  next_claim;  /* clock_milliseconds; also without a notification */
	bool	  eager;	   /* the last round found nothing: a notification is followed at once */
	int64_t	  next_expire; /* -1: never */
	int64_t	  failed;	   /* windows that could not be mirrored */

	Metric *written;
	Metric *written_bytes;
	Metric *put_seconds;
	Metric *put_retries;
	Metric *failed_foreign;
	Metric *failed_ahead;
	Metric *failed_refused;
	Metric *replaced_foreign;
	Metric *last_success;
	Metric *active;
	Metric *expired_windows;
} Sync;

static Metric *
failed_metric(Metrics *metrics, const char *reason)
{
	const char *const labels[] = {"reason", reason, NULL};

	return metrics_counter(metrics, "topk_mirror_windows_failed_total",
						   "Offers of windows that could not be stored.", labels);
}

static void
register_metrics(Sync *sync)
{
	Metrics *metrics = sync->parts.metrics;

	sync->written = metrics_counter(metrics, "topk_mirror_windows_written_total",
									"Rows stored in DynamoDB.", NULL);
	sync->written_bytes = metrics_counter(metrics, "topk_mirror_value_bytes_total",
										  "Bytes of the summaries stored.", NULL);
	sync->put_seconds =
		metrics_counter(metrics, "topk_mirror_put_seconds_total", "Time spent in PutItem.", NULL);
	sync->put_retries = metrics_counter(metrics, "topk_mirror_put_retries_total",
										"PutItem calls that have to be repeated.", NULL);
	sync->failed_foreign = failed_metric(metrics, "foreign");
	sync->failed_ahead = failed_metric(metrics, "ahead");
	sync->failed_refused = failed_metric(metrics, "refused");
	sync->replaced_foreign =
		metrics_counter(metrics, "topk_mirror_foreign_rows_replaced_total",
						"Rows with a lower version that someone else had written.", NULL);
	sync->last_success =
		metrics_gauge(metrics, "topk_mirror_last_success_timestamp_seconds",
					  "When PostgreSQL last had nothing left to mirror, in Unix time.", NULL);
	sync->active = metrics_gauge(metrics, "topk_mirror_active",
								 "1 if this is the pipeline's one worker, 0 if it waits.", NULL);
	sync->expired_windows = metrics_counter(metrics, "topk_expired_windows_total",
											"Windows deleted past the retention.", NULL);

	metrics_ready(metrics, "postgresql", false);
	metrics_ready(metrics, "dynamodb", true); /* until a request says otherwise */
}

/* ---- one window ---- */

/* Put, again and again while DynamoDB is away.  RETRY: a stop was requested meanwhile. */
static DaemonStatus
put_row(Sync *sync, const Row *row, PutOutcome *outcome)
{
	const SyncParts *parts = &sync->parts;

	for (;;)
	{
		int64_t		 start = clock_milliseconds();
		DaemonStatus status = dynamodb_put(parts->dynamodb, row, outcome);

		metric_add(sync->put_seconds, (double) (clock_milliseconds() - start) / 1000);
		metrics_progress(parts->metrics);
		metrics_ready(parts->metrics, "dynamodb", status == DAEMON_OK);
		if (status == DAEMON_OK)
			backoff_succeeded(&sync->dynamodb_backoff, parts->log);
		if (status != DAEMON_RETRY)
			return status;

		metric_add(sync->put_retries, 1);
		if (signals_wait(parts->signals, -1, 0,
						 backoff_failed(&sync->dynamodb_backoff, parts->log,
										dynamodb_problem(parts->dynamodb))) == SIGNALS_STOP)
			return DAEMON_RETRY;
	}
}

static DaemonStatus
report_stored(Sync *sync, const Row *row, PutOutcome outcome)
{
	const SyncParts *parts = &sync->parts;

	metric_add(sync->written, 1);
	metric_add(sync->written_bytes, (double) row->value_length);
	log_debug(parts->log, "window mirrored", LOG_TEXT("key", row->key),
			  LOG_INTEGER("bucket", row->bucket), LOG_INTEGER("version", row->version),
			  LOG_INTEGER("bytes", row->value_length));
	if (outcome == PUT_REPLACED_FOREIGN)
	{
		metric_add(sync->replaced_foreign, 1);
		log_warning(parts->log, "a row of someone else was replaced", LOG_TEXT("key", row->key),
					LOG_INTEGER("bucket", row->bucket),
					LOG_TEXT("problem", dynamodb_problem(parts->dynamodb)));
	}
	return mirror_done(parts->session, row);
}

static DaemonStatus
report_failed(Sync *sync, const Row *row, PutOutcome outcome)
{
	const SyncParts *parts = &sync->parts;
	const char		*problem = dynamodb_problem(parts->dynamodb);
	DaemonStatus	 status = mirror_failed(parts->session, row, problem);

	/* if the session is gone, so is the lock, and the judgement with it: say nothing */
	if (status != DAEMON_OK)
		return status;
	sync->failed++;
	metric_add(outcome == PUT_FOREIGN ? sync->failed_foreign
			   : outcome == PUT_AHEAD ? sync->failed_ahead
									  : sync->failed_refused,
			   1);
	log_error(
		parts->log, "window could not be mirrored, will be offered again",
		LOG_TEXT("key", row->key), LOG_INTEGER("bucket", row->bucket),
		LOG_INTEGER("version", row->version), LOG_TEXT("problem", problem),
		LOG_TEXT(
			"hint",
			outcome == PUT_REFUSED
				? NULL
				: "if the row is this pipeline's to write, call topk_pipeline.mirror_take_over with its version"));
	return DAEMON_OK;
}

static DaemonStatus
mirror_window(Sync *sync, const Row *row)
{
	PutOutcome	 outcome;
	DaemonStatus status = put_row(sync, row, &outcome);

	if (status != DAEMON_OK)
		return status;
	if (outcome == PUT_STORED || outcome == PUT_REPLACED_FOREIGN)
		return report_stored(sync, row, outcome);
	return report_failed(sync, row, outcome);
}

/* ---- one round ---- */

/* Windows until there are none, or a stop is requested. */
static DaemonStatus
mirror_changed(Sync *sync, int64_t *windows)
{
	const SyncParts *parts = &sync->parts;
	const Config	*config = parts->config;
	int64_t			 min_interval = config->once ? 0 : config->interval_ms;
	DaemonStatus	 status = DAEMON_OK;
	int				 claimed = MIRROR_CLAIM_MAX;

	*windows = 0;
	while (status == DAEMON_OK && claimed > 0 && !signals_stop_requested(parts->signals))
	{
		PGresult *result;

		status = mirror_claim(parts->session, config->pipeline, min_interval, &result);
		if (status != DAEMON_OK)
			return status;
		claimed = PQntuples(result);
		for (int i = 0;
			 i < claimed && status == DAEMON_OK && !signals_stop_requested(parts->signals); i++)
		{
			Row row = mirror_row(result, i, config->pipeline);

			status = mirror_window(sync, &row);
			(*windows)++;
		}
		PQclear(result);
	}
	return status;
}

static DaemonStatus
expire_if_due(Sync *sync)
{
	const SyncParts *parts = &sync->parts;
	const Config	*config = parts->config;
	int64_t			 windows;
	int64_t			 rejected_records;
	DaemonStatus	 status;

	if (sync->next_expire < 0 || clock_milliseconds() < sync->next_expire)
		return DAEMON_OK;
	status = mirror_expire(parts->session, config->pipeline, &windows, &rejected_records);
	if (status != DAEMON_OK)
		return status;
	sync->next_expire = clock_milliseconds() + config->expire_interval_ms;
	metric_add(sync->expired_windows, (double) windows);
	log_info(parts->log, "expired", LOG_INTEGER("windows", windows),
			 LOG_INTEGER("rejected_records", rejected_records));
	return DAEMON_OK;
}

/* Connect if need be, and be the one worker if possible. */
static DaemonStatus
take_lock(Sync *sync)
{
	const SyncParts *parts = &sync->parts;
	const Config	*config = parts->config;
	DaemonStatus	 status;

	if (!pg_session_connected(parts->session))
	{
		sync->locked = false;
		metric_set(sync->active, 0);
	}
	status = pg_session_connect_once(parts->session);
	if (status != DAEMON_OK || sync->locked)
		return status;

	status = mirror_lock(parts->session, config->pipeline, &sync->locked);
	if (status != DAEMON_OK)
		return status;
	metric_set(sync->active, sync->locked ? 1 : 0);
	if (sync->locked)
		log_info(parts->log, "mirroring", LOG_TEXT("pipeline", config->pipeline),
				 LOG_TEXT("table", config->table));
	else if (!sync->standby_logged)
		log_info(parts->log, "waiting: another worker mirrors this pipeline",
				 LOG_TEXT("pipeline", config->pipeline));
	sync->standby_logged = !sync->locked;
	return DAEMON_OK;
}

static DaemonStatus
run_round(Sync *sync)
{
	const SyncParts *parts = &sync->parts;
	int64_t			 windows = 0;
	DaemonStatus	 status = take_lock(sync);

	if (status == DAEMON_OK && sync->locked)
		status = mirror_changed(sync, &windows);
	if (status == DAEMON_OK && sync->locked)
		status = expire_if_due(sync);

	metrics_progress(parts->metrics);
	metrics_ready(parts->metrics, "postgresql", status == DAEMON_OK);
	if (status != DAEMON_OK)
		return status;
	if (sync->locked)
		metric_set(sync->last_success, (double) time(NULL));
	sync->eager = windows == 0;
	sync->next_claim = clock_milliseconds() +
					   (sync->locked ? parts->config->interval_ms + CLAIM_MARGIN_MS : STANDBY_MS);
	return DAEMON_OK;
}

/* ---- the loop ---- */

/*
 * Until the next round is due: after an idle one when a change is notified, after a
 * busy one when the interval has passed, so that no window is asked for too early.
 */
static DaemonStatus
wait_for_change(Sync *sync)
{
	const SyncParts *parts = &sync->parts;
	bool			 notified = false;

	for (;;)
	{
		bool		 any;
		int			 left;
		DaemonStatus status;

		/* first, because one may have come with a result, and then the socket stays silent */
		status = pg_take_notifications(parts->session, parts->config->pipeline, &any);
		if (status != DAEMON_OK)
			return status;
		notified = notified || any;
		if (notified && sync->eager && sync->locked)
			return DAEMON_OK;

		left = clock_left(sync->next_claim);
		if (left == 0 || signals_wait(parts->signals, pg_socket(parts->session), POLLIN,
									  left < PROGRESS_MS ? left : PROGRESS_MS) == SIGNALS_STOP)
			return DAEMON_OK;
		metrics_progress(parts->metrics);
	}
}

/* After a failed round: say so once, wait, and then start from the connection. */
static void
wait_after_failure(Sync *sync)
{
	const SyncParts *parts = &sync->parts;
	int				 wait;

	if (signals_stop_requested(parts->signals))
		return;
	wait = backoff_failed(&sync->pg_backoff, parts->log, pg_problem(parts->session)->message);
	signals_wait(parts->signals, -1, 0, wait);
}

static DaemonStatus
end_of_once(const Sync *sync)
{
	if (sync->locked)
		return sync->failed > 0 ? DAEMON_FATAL : DAEMON_OK;
	log_error(sync->parts.log, "not mirrored: another worker mirrors this pipeline",
			  LOG_TEXT("hint", "stop it first"));
	return DAEMON_FATAL;
}

static DaemonStatus
run_loop(Sync *sync)
{
	const SyncParts *parts = &sync->parts;

	while (!signals_stop_requested(parts->signals))
	{
		DaemonStatus status = run_round(sync);

		if (status == DAEMON_OK)
		{
			backoff_succeeded(&sync->pg_backoff, parts->log);
			if (parts->config->once && !signals_stop_requested(parts->signals))
				return end_of_once(sync);
			status = wait_for_change(sync);
		}
		if (status == DAEMON_FATAL)
			return DAEMON_FATAL;
		if (status == DAEMON_RETRY)
			wait_after_failure(sync);
	}
	return DAEMON_OK;
}

static DaemonStatus
log_preview(const SyncParts *parts)
{
	PGresult	*result;
	DaemonStatus status = pg_session_connect_once(parts->session);

	if (status == DAEMON_OK)
		status = mirror_preview(parts->session, parts->config->pipeline, &result);
	if (status != DAEMON_OK)
		return status;
	for (int i = 0; i < PQntuples(result); i++)
	{
		Row row = mirror_row(result, i, parts->config->pipeline);

		log_info(parts->log, "would be written", LOG_TEXT("key", row.key),
				 LOG_INTEGER("bucket", row.bucket), LOG_INTEGER("bytes", row.value_length),
				 LOG_INTEGER("ttl", row.ttl));
	}
	log_info(parts->log, "dry run done", LOG_INTEGER("windows", PQntuples(result)),
			 LOG_BOOLEAN("maybe_more", PQntuples(result) == MIRROR_CLAIM_MAX));
	PQclear(result);
	return DAEMON_OK;
}

/* One look, when PostgreSQL is there. */
static DaemonStatus
run_preview(Sync *sync)
{
	const SyncParts *parts = &sync->parts;

	while (!signals_stop_requested(parts->signals))
	{
		DaemonStatus status = log_preview(parts);

		if (status != DAEMON_RETRY)
			return status;
		wait_after_failure(sync);
	}
	return DAEMON_OK;
}

DaemonStatus
sync_run(const SyncParts *parts)
{
	Sync		  sync = {.parts = *parts};
	const Config *config = parts->config;
	DaemonStatus  status;

	backoff_init(&sync.pg_backoff, "PostgreSQL");
	backoff_init(&sync.dynamodb_backoff, "DynamoDB");
	sync.next_expire = config->expire_interval_ms > 0 && !config->once ? clock_milliseconds() : -1;
	register_metrics(&sync);

	notify_systemd("READY=1");
	status = config->dry_run ? run_preview(&sync) : run_loop(&sync);
	notify_systemd("STOPPING=1");
	return status;
}
