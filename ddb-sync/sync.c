/*
 * sync.c
 *	  Claims changed windows, keeps their writes going, and has them reported on.
 *
 * PostgreSQL answers one question at a time, DynamoDB many requests; nothing
 * here waits for one of them alone.  Must not know SQL (mirror.c) nor HTTP (dynamodb.c).
 */
#include <time.h>

#include "daemon/clock.h"
#include "daemon/notify.h"
#include "mirror.h"
#include "sync_internal.h"
#include "table.h"

/* How often a worker that waits for another one to end looks, and how long one that is to work once does. */
#define STANDBY_MS 250
#define STANDBY_ONCE_MS 100
#define STANDBY_ONCE_TRIES 20

/* A worker that waits longer shows meanwhile that it is alive. */
#define PROGRESS_MS 10000

/* How often to look for the oldest change that is not mirrored. */
#define OLDEST_MS 5000

/* Bytes of the values of a claim, about. */
#define CLAIM_BYTES (2 * 1024 * 1024)

/* ---- what PostgreSQL is asked ---- */

/* As many rows as fit into the memory for a claim, going by the last one. */
static int
claim_size(const Sync *sync)
{
	int64_t rows = sync->row_bytes > 0 ? CLAIM_BYTES / sync->row_bytes : MIRROR_CLAIM_MAX;

	return rows > MIRROR_CLAIM_MAX ? MIRROR_CLAIM_MAX : rows < 1 ? 1 : (int) rows;
}

static DaemonStatus
send_claim(Sync *sync)
{
	const Config *config = sync->parts.config;
	DaemonStatus  status;

	sync->asked = claim_size(sync);
	schedule_begin(&sync->schedule);
	status = mirror_claim_send(sync->parts.session, config->pipeline,
							   config->once ? 0 : config->interval_ms, sync->asked);
	if (status == DAEMON_OK)
		sync->job = JOB_CLAIM;
	return status;
}

static bool
may_claim(const Sync *sync)
{
	return writes_have_room(&sync->writes, MIRROR_CLAIM_MAX) &&
		   !signals_stop_requested(sync->parts.signals);
}

/* The next question.  Reports wait for company while there is enough to do without them. */
static DaemonStatus
send_job(Sync *sync)
{
	const char	*pipeline = sync->parts.config->pipeline;
	int64_t		 now = clock_milliseconds();
	bool		 claim = may_claim(sync) && now >= schedule_next(&sync->schedule);
	int			 ended = writes_count(&sync->writes, WRITE_ENDED);
	DaemonStatus status;

	if (ended > 0 && (!claim || ended >= MIRROR_CLAIM_MAX))
		return sync_report_send(sync);
	if (claim)
		return send_claim(sync);
	if (now >= sync->next_oldest)
	{
		status = mirror_oldest_send(sync->parts.session, pipeline);
		sync->next_oldest = now + OLDEST_MS;
		sync->job = status == DAEMON_OK ? JOB_OLDEST : JOB_NONE;
		return status;
	}
	if (sync->next_expire >= 0 && now >= sync->next_expire)
	{
		status = mirror_expire_send(sync->parts.session, pipeline);
		sync->job = status == DAEMON_OK ? JOB_EXPIRE : JOB_NONE;
		return status;
	}
	return DAEMON_OK;
}

/* ---- what it answers ---- */

static DaemonStatus
take_claim(Sync *sync, const PGresult *result)
{
	int			 rows = PQntuples(result);
	int64_t		 bytes = 0;
	DaemonStatus status = DAEMON_OK;

	for (int i = 0; i < rows && status == DAEMON_OK; i++)
	{
		Row row = mirror_row(result, i, sync->parts.config->pipeline);

		bytes += (int64_t) row.value_length;
		status = writes_add(&sync->writes, &row);
	}
	if (rows > 0)
		sync->row_bytes = bytes / rows + 1;
	schedule_end(&sync->schedule, rows, sync->asked);
	sync->exhausted = rows == 0;
	if (sync->parts.config->once && rows > 0)
		schedule_want(&sync->schedule);
	if (rows == 0 && sync->writes.count == 0)
		metric_set(sync->metrics.last_success, (double) time(NULL));
	return status;
}

static void
take_expired(Sync *sync, const PGresult *result)
{
	sync->next_expire = clock_milliseconds() + sync->parts.config->expire_interval_ms;
	metric_add(sync->metrics.expired_windows, (double) mirror_expired_windows(result));
	log_info(sync->parts.log, "expired", LOG_INTEGER("windows", mirror_expired_windows(result)),
			 LOG_INTEGER("rejected_records", mirror_expired_records(result)));
}

static DaemonStatus
take_result(Sync *sync, SyncJob job, const PGresult *result)
{
	switch (job)
	{
		case JOB_CLAIM:
			return take_claim(sync, result);
		case JOB_REPORT:
			sync_report_done(sync, result);
			break;
		case JOB_OLDEST:
			metric_set(sync->metrics.oldest, mirror_oldest(result));
			break;
		case JOB_EXPIRE:
			take_expired(sync, result);
			break;
		case JOB_NONE:
			break;
	}
	return DAEMON_OK;
}

static DaemonStatus
receive_job(Sync *sync)
{
	const SyncParts *parts = &sync->parts;
	SyncJob			 job = sync->job;
	PGresult		*result = NULL;
	bool			 finished;
	DaemonStatus	 status = pg_receive(parts->session, 0, &result, &finished);

	if (status != DAEMON_OK || !finished)
		return status;
	sync->job = JOB_NONE;
	backoff_succeeded(&sync->pg_backoff, parts->log);
	metrics_ready(parts->metrics, "postgresql", true);
	status = take_result(sync, job, result);
	PQclear(result);
	return status;
}

static DaemonStatus
take_notifications(Sync *sync)
{
	bool		 any;
	DaemonStatus status =
		pg_take_notifications(sync->parts.session, sync->parts.config->pipeline, &any);

	if (any && status == DAEMON_OK)
		schedule_want(&sync->schedule);
	return status;
}

/* Questions and answers, until one has to be waited for. */
static DaemonStatus
talk_to_postgres(Sync *sync)
{
	DaemonStatus status = DAEMON_OK;

	for (;;)
	{
		if (sync->job != JOB_NONE)
			status = receive_job(sync);
		if (status != DAEMON_OK || sync->job != JOB_NONE)
			return status;
		status = take_notifications(sync);
		if (status == DAEMON_OK)
			status = send_job(sync);
		if (status != DAEMON_OK || sync->job == JOB_NONE)
			return status;
	}
}

/* ---- being the one worker ---- */

static void
lose_lock(Sync *sync)
{
	sync->locked = false;
	sync->job = JOB_NONE;
	metric_set(sync->metrics.active, 0);
	writes_abandon(&sync->writes);
}

static DaemonStatus
take_lock(Sync *sync)
{
	const SyncParts *parts = &sync->parts;
	const Config	*config = parts->config;
	DaemonStatus	 status;

	if (!pg_session_connected(parts->session))
		lose_lock(sync);
	status = pg_session_connect_once(parts->session);
	if (status != DAEMON_OK || sync->locked)
		return status;

	status = mirror_lock(parts->session, config->pipeline, &sync->locked);
	if (status != DAEMON_OK)
		return status;
	backoff_succeeded(&sync->pg_backoff, parts->log);
	metrics_ready(parts->metrics, "postgresql", true);
	metric_set(sync->metrics.active, sync->locked ? 1 : 0);
	if (sync->locked)
	{
		schedule_init(&sync->schedule, config->interval_ms);
		log_info(parts->log, "mirroring", LOG_TEXT("pipeline", config->pipeline),
				 LOG_TEXT("table", config->dynamodb.table));
	}
	else if (!sync->standby_logged)
		log_info(parts->log, "waiting: another worker mirrors this pipeline",
				 LOG_TEXT("pipeline", config->pipeline));
	sync->standby_logged = !sync->locked;
	return DAEMON_OK;
}

/* ---- the loop ---- */

static int64_t
earlier(int64_t one, int64_t other)
{
	return other >= 0 && other < one ? other : one;
}

/* When there is something to do that nobody will tell of (clock_milliseconds). */
static int64_t
next_deadline(const Sync *sync)
{
	int64_t deadline = clock_milliseconds() + PROGRESS_MS;

	if (dynamodb_free_slots(sync->parts.dynamodb) > 0 &&
		!signals_stop_requested(sync->parts.signals))
		deadline = earlier(deadline, writes_next_retry(&sync->writes));
	if (sync->job != JOB_NONE)
		return deadline;
	if (may_claim(sync))
		deadline = earlier(deadline, schedule_next(&sync->schedule));
	deadline = earlier(deadline, sync->next_oldest);
	return earlier(deadline, sync->next_expire);
}

static void
wait_for_something(Sync *sync)
{
	struct pollfd fds[] = {
		{.fd = pg_socket(sync->parts.session), .events = POLLIN},
		{.fd = signals_fd(sync->parts.signals), .events = POLLIN},
	};

	dynamodb_wait(sync->parts.dynamodb, fds, signals_stop_requested(sync->parts.signals) ? 1 : 2,
				  clock_left(next_deadline(sync)));
	metric_set(sync->metrics.under_way, sync->writes.started);
	metrics_progress(sync->parts.metrics);
}

/* Has everything been said and done that can be? */
static bool
is_finished(const Sync *sync)
{
	if (sync->job != JOB_NONE || sync->writes.count > 0)
		return false;
	return signals_stop_requested(sync->parts.signals) ||
		   (sync->parts.config->once && sync->exhausted && !sync->schedule.wanted);
}

/* One step of a worker that has the lock. */
static DaemonStatus
work(Sync *sync)
{
	DaemonStatus status = talk_to_postgres(sync);

	if (signals_stop_requested(sync->parts.signals))
		writes_forget_waiting(&sync->writes);
	if (status != DAEMON_OK || is_finished(sync))
		return status;
	writes_start(&sync->writes);
	wait_for_something(sync);
	return writes_collect(&sync->writes);
}

/* Before the first row: a wrong table may take it in the place of another one. */
static DaemonStatus
check_table(Sync *sync)
{
	metrics_progress(sync->parts.metrics);
	return table_check(&sync->parts, &sync->table_backoff, &sync->table_checked);
}

/* PostgreSQL failed: say so once, and wait.  What is under way may be a stranger's when it is back. */
static void
wait_after_failure(Sync *sync)
{
	const SyncParts *parts = &sync->parts;
	int				 wait;

	metrics_ready(parts->metrics, "postgresql", false);
	metrics_progress(parts->metrics);
	if (!pg_session_connected(parts->session))
		lose_lock(sync);
	sync->job = JOB_NONE;
	sync_report_again(sync);
	schedule_want(&sync->schedule);
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

/* Another worker has the lock.  The server takes a moment to notice that one has ended. */
static void
stand_by(Sync *sync)
{
	sync->standby_tries++;
	metrics_progress(sync->parts.metrics);
	signals_wait(sync->parts.signals, -1, 0,
				 sync->parts.config->once ? STANDBY_ONCE_MS : STANDBY_MS);
}

static bool
is_over(const Sync *sync)
{
	if (sync->locked)
		return is_finished(sync);
	return signals_stop_requested(sync->parts.signals) ||
		   (sync->parts.config->once && sync->standby_tries > STANDBY_ONCE_TRIES);
}

static DaemonStatus
run_loop(Sync *sync)
{
	DaemonStatus status;

	do
	{
		status =
			sync->locked && pg_session_connected(sync->parts.session) ? DAEMON_OK : take_lock(sync);
		if (status == DAEMON_OK && sync->locked)
			status = sync->table_checked ? work(sync) : check_table(sync);
		else if (status == DAEMON_OK)
			stand_by(sync);
		if (status == DAEMON_RETRY)
			wait_after_failure(sync);
	} while (status != DAEMON_FATAL && !is_over(sync));
	if (status == DAEMON_FATAL || signals_stop_requested(sync->parts.signals) ||
		!sync->parts.config->once)
		return status == DAEMON_FATAL ? DAEMON_FATAL : DAEMON_OK;
	return end_of_once(sync);
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
	Sync		  sync = {.parts = *parts, .next_expire = -1};
	const Config *config = parts->config;
	DaemonStatus  status;

	backoff_init(&sync.pg_backoff, "PostgreSQL");
	backoff_init(&sync.table_backoff, "DynamoDB");
	sync_metrics_init(&sync.metrics, parts->metrics, parts->credentials);
	schedule_init(&sync.schedule, config->interval_ms);
	writes_init(&sync.writes, parts->dynamodb, parts->log, &sync.metrics, config->pipeline);
	if (config->expire_interval_ms > 0 && !config->once)
		sync.next_expire = clock_milliseconds();

	notify_systemd("READY=1");
	status = config->dry_run ? run_preview(&sync) : run_loop(&sync);
	notify_systemd("STOPPING=1");
	writes_free(&sync.writes);
	return status;
}
