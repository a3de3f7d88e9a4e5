/*
 * mirror.c
 *	  The statements of topk-ddb-sync; must not know DynamoDB.
 */
#include "mirror.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/version.h"

/* Columns of a claim, in the order of its statement. */
typedef enum ClaimColumn
{
	CLAIM_KEY,
	CLAIM_BUCKET,
	CLAIM_VERSION,
	CLAIM_VALUE,
	CLAIM_TOTAL,
	CLAIM_ERROR,
	CLAIM_TTL,
	CLAIM_UPDATED_AT,
	CLAIM_WRITER
} ClaimColumn;

static const PgStatement begin_statement = {"begin", "BEGIN"};
static const PgStatement rollback_statement = {"rollback", "ROLLBACK"};
static const PgStatement listen_statement = {"listen", "LISTEN topk_pipeline"};
static const PgStatement lock_statement = {"mirror_lock",
										   "SELECT topk_pipeline.mirror_lock($1::text)"};
static const PgStatement claim_statement = {
	"mirror_claim",
	"SELECT key, bucket, version, value, total, error, ttl, updated_at, writer"
	"  FROM topk_pipeline.mirror_claim($1::text, $2::bigint * interval '1 millisecond', $3::int)"};
static const PgStatement done_statement = {
	"mirror_done", "SELECT topk_pipeline.mirror_done($1::text, $2::text, $3::bigint, $4::bigint)"};
static const PgStatement failed_statement = {
	"mirror_failed",
	"SELECT topk_pipeline.mirror_failed($1::text, $2::text, $3::bigint, $4::bigint, $5::text)"};
static const PgStatement expire_statement = {
	"expire", "SELECT coalesce(sum(windows), 0)::bigint, coalesce(sum(rejected_records), 0)::bigint"
			  "  FROM topk_pipeline.expire($1::text)"};

DaemonStatus
mirror_prepare(PgSession *session)
{
	DaemonStatus status = pg_check_extension(session, "topk_pipeline", TOPK_PIPELINE_VERSION);

	if (status == DAEMON_OK)
		status = pg_call(session, &listen_statement, 0, NULL, NULL, NULL, NULL);
	return status;
}

DaemonStatus
mirror_lock(PgSession *session, const char *pipeline, bool *locked)
{
	PGresult	*result;
	DaemonStatus status = pg_call(session, &lock_statement, 1, &pipeline, NULL, NULL, &result);

	if (status != DAEMON_OK)
		return status;
	*locked = pg_get_boolean(result, 0, 0);
	PQclear(result);
	return DAEMON_OK;
}

DaemonStatus
mirror_claim(PgSession *session, const char *pipeline, int64_t min_interval_ms, PGresult **result)
{
	char		interval[32];
	char		most[32];
	const char *values[] = {pipeline, interval, most};

	snprintf(interval, sizeof(interval), "%" PRId64, min_interval_ms);
	snprintf(most, sizeof(most), "%d", MIRROR_CLAIM_MAX);
	return pg_call(session, &claim_statement, 3, values, NULL, NULL, result);
}

Row
mirror_row(const PGresult *result, int index, const char *pipeline)
{
	return (Row) {
		.pipeline = pipeline,
		.key = pg_get_text(result, index, CLAIM_KEY),
		.bucket = pg_get_bigint(result, index, CLAIM_BUCKET),
		.version = pg_get_bigint(result, index, CLAIM_VERSION),
		.value = PQgetvalue(result, index, CLAIM_VALUE),
		.value_length = (size_t) PQgetlength(result, index, CLAIM_VALUE),
		.known =
			!PQgetisnull(result, index, CLAIM_TOTAL) && !PQgetisnull(result, index, CLAIM_ERROR),
		.total = pg_get_bigint(result, index, CLAIM_TOTAL),
		.error = pg_get_bigint(result, index, CLAIM_ERROR),
		.ttl = pg_get_bigint(result, index, CLAIM_TTL),
		.updated_at = pg_get_bigint(result, index, CLAIM_UPDATED_AT),
		.writer = pg_get_text(result, index, CLAIM_WRITER),
	};
}

DaemonStatus
mirror_preview(PgSession *session, const char *pipeline, PGresult **result)
{
	PGresult	*claimed = NULL;
	DaemonStatus status = pg_call(session, &begin_statement, 0, NULL, NULL, NULL, NULL);

	if (status == DAEMON_OK)
		status = mirror_claim(session, pipeline, 0, &claimed);
	if (status == DAEMON_OK)
		status = pg_call(session, &rollback_statement, 0, NULL, NULL, NULL, NULL);
	else
		pg_session_disconnect(session); /* which rolls back as well */
	if (status == DAEMON_OK)
		*result = claimed;
	else
		PQclear(claimed);
	return status;
}

DaemonStatus
mirror_done(PgSession *session, const Row *row)
{
	char		bucket[32];
	char		version[32];
	const char *values[] = {row->pipeline, row->key, bucket, version};

	snprintf(bucket, sizeof(bucket), "%" PRId64, row->bucket);
	snprintf(version, sizeof(version), "%" PRId64, row->version);
	return pg_call(session, &done_statement, 4, values, NULL, NULL, NULL);
}

DaemonStatus
mirror_failed(PgSession *session, const Row *row, const char *problem)
{
	char		bucket[32];
	char		version[32];
	const char *values[] = {row->pipeline, row->key, bucket, version, problem};

	snprintf(bucket, sizeof(bucket), "%" PRId64, row->bucket);
	snprintf(version, sizeof(version), "%" PRId64, row->version);
	return pg_call(session, &failed_statement, 5, values, NULL, NULL, NULL);
}

DaemonStatus
mirror_expire(PgSession *session, const char *pipeline, int64_t *windows, int64_t *rejected_records)
{
	PGresult	*result;
	DaemonStatus status = pg_call(session, &expire_statement, 1, &pipeline, NULL, NULL, &result);

	if (status != DAEMON_OK)
		return status;
	*windows = pg_get_bigint(result, 0, 0);
	*rejected_records = pg_get_bigint(result, 0, 1);
	PQclear(result);
	return DAEMON_OK;
}
