/*
 * pipeline.c
 *	  What both feeders ask of topk_pipeline beside taking a batch.
 *
 * Must not know where records come from.
 */
#include "pipeline.h"

static const PgStatement statement_settings = {
	"settings", "SELECT k, counters, window_seconds, retention_seconds, max_ahead_seconds, "
				"summary_type::bigint FROM topk_pipeline.settings($1::text)"};
static const PgStatement statement_full_windows = {
	"full_windows",
	"SELECT key, bucket FROM topk_pipeline.full_windows($1::text, $2::text[], $3::bigint[])"};

DaemonStatus
pipeline_settings(PgSession *session, const char *pipeline, FeedSettings *settings)
{
	PGresult	*result;
	DaemonStatus status = pg_call(session, &statement_settings, 1, &pipeline, NULL, NULL, &result);

	if (status != DAEMON_OK)
		return status;
	*settings = (FeedSettings) {
		.k = (int) pg_get_bigint(result, 0, 0),
		.counters = (int) pg_get_bigint(result, 0, 1),
		.window_seconds = pg_get_bigint(result, 0, 2),
		.retention_seconds = pg_get_bigint(result, 0, 3),
		.max_ahead_seconds = pg_get_bigint(result, 0, 4),
		.summary_type = (uint32_t) pg_get_bigint(result, 0, 5),
	};
	PQclear(result);
	return DAEMON_OK;
}

DaemonStatus
pipeline_find_full(PgSession *session, const Log *log, const char *pipeline,
				   const FeedIngest *ingest, FeedFullWindows *full)
{
	const char	*values[3] = {pipeline};
	int			 lengths[3] = {0};
	const int	 formats[] = {0, 1, 1};
	PGresult	*result;
	DaemonStatus status;

	log_warning(log, "a window is full, what belongs to it is rejected from now on",
				LOG_TEXT("problem", pg_problem(session)->message));
	feed_ingest_windows(ingest, values + 1, lengths + 1);
	status = pg_call(session, &statement_full_windows, 3, values, lengths, formats, &result);
	if (status != DAEMON_OK)
		return status;
	for (int row = 0; status == DAEMON_OK && row < PQntuples(result); row++)
	{
		if (!feed_full_windows_add(full, PQgetvalue(result, row, 0),
								   (size_t) PQgetlength(result, row, 0),
								   pg_get_bigint(result, row, 1)))
		{
			log_error(log, "out of memory");
			status = DAEMON_FATAL;
		}
	}
	PQclear(result);
	return status;
}
