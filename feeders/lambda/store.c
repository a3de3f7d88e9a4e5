/*
 * store.c
 *	  What the function asks of PostgreSQL: a live connection, the pipeline's settings, one
 *	  transaction a batch.
 *
 * Must not know Lambda.
 */
#include "store.h"

#include <string.h>

#include "../pipeline.h"
#include "daemon/clock.h"
#include "daemon/version.h"

/* A connection that was idle so long is asked whether it is alive: Lambda may have frozen it. */
#define STORE_IDLE_MS 1000

/* An answer to that takes no longer, or the connection is dead. */
#define STORE_PING_MS 500

static const PgStatement statement_ping = {"ping", "SELECT"};
static const PgStatement statement_ingest = {"ingest_records", FEED_INGEST_RECORDS_SQL};

static DaemonStatus
read_settings(Store *store)
{
	DaemonStatus status =
		pipeline_settings(store->session, store->config->pipeline, &store->settings);

	if (status != DAEMON_OK)
		return status;
	if (store->config->k == 0 || store->config->k == store->settings.k)
		return DAEMON_OK;
	log_error(store->log, "the pipeline publishes another number of items",
			  LOG_TEXT("pipeline", store->config->pipeline), LOG_INTEGER("k", store->settings.k),
			  LOG_INTEGER("wanted", store->config->k),
			  LOG_TEXT("hint", "leave TOPK_K out, or create a pipeline with that k"));
	return DAEMON_FATAL;
}

static DaemonStatus
on_connect(PgSession *session, void *context)
{
	DaemonStatus status = pg_check_extension(session, "topk_pipeline", TOPK_PIPELINE_VERSION);

	return status == DAEMON_OK ? read_settings(context) : status;
}

DaemonStatus
store_open(Store *store, const FeederConfig *config, Secret *secret, const Log *log)
{
	*store =
		(Store) {.config = config, .log = log, .secret = secret, .signals = {.log = log, .fd = -1}};
	store->pg_settings = (PgSettings) {.dsn = config->common.dsn,
									   .program = feeder_program.name,
									   .on_connect = on_connect,
									   .context = store};
	return pg_session_open(&store->pg_settings, log, &store->signals, &store->session);
}

void
store_close(Store *store)
{
	pg_session_close(store->session);
	store->session = NULL;
	feed_ingest_free(&store->ingest);
	feed_full_windows_free(&store->full);
}

/* At least a millisecond, because 0 means a default. */
static int
milliseconds_until(int64_t deadline)
{
	int left = clock_left(deadline);

	return left > 0 ? left : 1;
}

/* Drop a connection that does not answer. */
static void
check_idle(Store *store, int64_t deadline)
{
	int left = milliseconds_until(deadline);

	if (!pg_session_connected(store->session) ||
		clock_unix_milliseconds() - store->used_at < STORE_IDLE_MS)
		return;
	store->pg_settings.call_timeout_ms = left < STORE_PING_MS ? left : STORE_PING_MS;
	if (pg_call(store->session, &statement_ping, 0, NULL, NULL, NULL, NULL) == DAEMON_OK)
		return;
	log_info(store->log, "the connection to PostgreSQL did not survive being idle",
			 LOG_TEXT("problem", pg_problem(store->session)->message));
	pg_session_disconnect(store->session);
}

static DaemonStatus
connect_with_secret(Store *store, int64_t deadline)
{
	DaemonStatus status = secret_provide(store->secret, deadline);

	store->no_secret = status != DAEMON_OK;
	if (status != DAEMON_OK)
		return status;
	store->pg_settings.connect_timeout_ms = milliseconds_until(deadline);
	store->pg_settings.call_timeout_ms = milliseconds_until(deadline);
	return pg_session_connect_once(store->session);
}

DaemonStatus
store_connect(Store *store, int64_t deadline)
{
	DaemonStatus status;

	check_idle(store, deadline);
	if (pg_session_connected(store->session))
		return DAEMON_OK;
	status = connect_with_secret(store, deadline);
	/* the password may have been rotated since it was read */
	if (status == DAEMON_FATAL && strncmp(store_problem(store)->sqlstate, "28", 2) == 0 &&
		secret_forget(store->secret))
		status = connect_with_secret(store, deadline);
	if (status == DAEMON_OK)
		store->used_at = clock_unix_milliseconds();
	return status;
}

const PgProblem *
store_problem(const Store *store)
{
	static const PgProblem no_secret = {.message = "there is no password for PostgreSQL"};

	return store->no_secret ? &no_secret : pg_problem(store->session);
}

bool
store_prepare(Store *store, const char *source, FeedBatch *batch)
{
	return feed_ingest_prepare(&store->ingest, store->config->pipeline, source, batch);
}

/* The batch is not kept: AWS delivers it again, then to be made without what the full windows can't take. */
static DaemonStatus
learn_full(Store *store, int64_t deadline)
{
	DaemonStatus status;

	store->pg_settings.call_timeout_ms = milliseconds_until(deadline);
	status = pipeline_find_full(store->session, store->log, store->config->pipeline, &store->ingest,
								&store->full);
	return status == DAEMON_FATAL ? DAEMON_FATAL : DAEMON_RETRY;
}

DaemonStatus
store_ingest(Store *store, int64_t deadline, StoreCounts *counts)
{
	FeedIngest	*ingest = &store->ingest;
	PGresult	*result;
	DaemonStatus status;

	store->pg_settings.call_timeout_ms = milliseconds_until(deadline);
	status = pg_call(store->session, &statement_ingest, ingest->count, ingest->values,
					 ingest->lengths, ingest->formats, &result);
	if (status == DAEMON_RETRY &&
		strcmp(pg_problem(store->session)->sqlstate, PIPELINE_SQLSTATE_FULL) == 0)
		return learn_full(store, deadline);
	if (status != DAEMON_OK)
		return status;
	*counts = (StoreCounts) {.counted = pg_get_bigint(result, 0, 0),
							 .duplicates = pg_get_bigint(result, 0, 1),
							 .rejected = pg_get_bigint(result, 0, 2)};
	PQclear(result);
	store->used_at = clock_unix_milliseconds();
	return DAEMON_OK;
}

void
store_release(Store *store)
{
	feed_ingest_free(&store->ingest);
}
