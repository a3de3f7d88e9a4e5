/*
 * mirror.c
 *	  The statements of topk-ddb-sync; must not know DynamoDB.
 */
#include "mirror.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

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
	CLAIM_SLACKS,
	CLAIM_TTL,
	CLAIM_UPDATED_AT,
	CLAIM_WRITER,
	CLAIM_LEFT_OUT
} ClaimColumn;

/* So too. */
typedef enum ExpectedColumn
{
	EXPECTED_KEY,
	EXPECTED_BUCKET,
	EXPECTED_VERSION,
	EXPECTED_DIGEST,
	EXPECTED_TTL,
	EXPECTED_WRITER,
	EXPECTED_OPEN
} ExpectedColumn;

static const PgStatement begin_statement = {"begin", "BEGIN"};
static const PgStatement rollback_statement = {"rollback", "ROLLBACK"};
static const PgStatement listen_statement = {"listen", "LISTEN topk_pipeline"};
static const PgStatement lock_statement = {"mirror_lock",
										   "SELECT topk_pipeline.mirror_lock($1::text)"};
static const PgStatement claim_statement = {
	"mirror_claim",
	"SELECT key, bucket, version, value, total, error, array_to_string(slacks, ','), ttl, updated_at, writer, left_out::bigint"
	"  FROM topk_pipeline.mirror_claim($1::text, $2::bigint * interval '1 millisecond', $3::int)"};
static const PgStatement report_statement = {
	"mirror_report",
	"SELECT topk_pipeline.mirror_report($1::text, coalesce(array_agg(r.key), '{}'),"
	"       coalesce(array_agg(r.bucket), '{}'), coalesce(array_agg(r.version), '{}'),"
	"       coalesce(array_agg(r.problem), '{}'))"
	"  FROM json_to_recordset($2::json) AS r (key text, bucket bigint, version bigint, problem text)"};
static const PgStatement take_over_statement = {
	"mirror_take_over",
	"SELECT topk_pipeline.mirror_take_over($1::text, $2::text, $3::bigint, $4::bigint)"};
static const PgStatement oldest_statement = {
	"mirror_oldest", "SELECT (1000 * topk_pipeline.mirror_oldest($1::text))::bigint"};
static const PgStatement expire_statement = {
	"expire", "SELECT coalesce(sum(windows), 0)::bigint, coalesce(sum(rejected_records), 0)::bigint"
			  "  FROM topk_pipeline.expire($1::text)"};
static const PgStatement expected_statement = {
	"mirror_expected",
	"SELECT key, bucket, version, digest, ttl, writer, open"
	"  FROM topk_pipeline.mirror_expected($1::text, $2::bigint, $3::text, $4::int)"};
static const PgStatement import_statement = {
	"import_window",
	"SELECT topk_pipeline.import_window($1::text, $2::text, $3::bigint, $4::bytea, $5::bigint)"};
static const PgStatement buckets_statement = {
	"buckets",
	"SELECT topk_pipeline.bucket($1::text, now() - s.retention_seconds * interval '1 second'),"
	"       topk_pipeline.bucket($1::text)"
	"  FROM topk_pipeline.settings($1::text) AS s"};

/* A bigint parameter as text. */
typedef struct Number
{
	char text[32];
} Number;

static Number
number(int64_t value)
{
	Number result;

	snprintf(result.text, sizeof(result.text), "%" PRId64, value);
	return result;
}

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

/* ---- claims ---- */

DaemonStatus
mirror_claim_send(PgSession *session, const char *pipeline, int64_t min_interval_ms,
				  int max_windows)
{
	Number		interval = number(min_interval_ms);
	Number		most = number(max_windows);
	const char *values[] = {pipeline, interval.text, most.text};

	return pg_send(session, &claim_statement, 3, values, NULL, NULL);
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
		.known = !PQgetisnull(result, index, CLAIM_TOTAL) &&
				 !PQgetisnull(result, index, CLAIM_ERROR) &&
				 !PQgetisnull(result, index, CLAIM_SLACKS),
		.total = pg_get_bigint(result, index, CLAIM_TOTAL),
		.error = pg_get_bigint(result, index, CLAIM_ERROR),
		.slacks = pg_get_text(result, index, CLAIM_SLACKS),
		.ttl = pg_get_bigint(result, index, CLAIM_TTL),
		.updated_at = pg_get_bigint(result, index, CLAIM_UPDATED_AT),
		.writer = pg_get_text(result, index, CLAIM_WRITER),
		.left_out = pg_get_bigint(result, index, CLAIM_LEFT_OUT),
	};
}

DaemonStatus
mirror_preview(PgSession *session, const char *pipeline, PGresult **result)
{
	Number		 most = number(MIRROR_CLAIM_MAX);
	const char	*values[] = {pipeline, "0", most.text};
	PGresult	*claimed = NULL;
	DaemonStatus status = pg_call(session, &begin_statement, 0, NULL, NULL, NULL, NULL);

	if (status == DAEMON_OK)
		status = pg_call(session, &claim_statement, 3, values, NULL, NULL, &claimed);
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

/* ---- reports ---- */

DaemonStatus
mirror_report_send(PgSession *session, const char *pipeline, const json_t *outcomes)
{
	char		*text = json_dumps(outcomes, JSON_COMPACT);
	const char	*values[] = {pipeline, text};
	DaemonStatus status;

	if (text == NULL)
		return DAEMON_RETRY;
	status = pg_send(session, &report_statement, 2, values, NULL, NULL);
	free(text);
	return status;
}

DaemonStatus
mirror_take_over(PgSession *session, const char *pipeline, const char *key, int64_t bucket,
				 int64_t above_version)
{
	Number		bucket_text = number(bucket);
	Number		version_text = number(above_version);
	const char *values[] = {pipeline, key, bucket_text.text, version_text.text};

	return pg_call(session, &take_over_statement, 4, values, NULL, NULL, NULL);
}

DaemonStatus
mirror_oldest_send(PgSession *session, const char *pipeline)
{
	return pg_send(session, &oldest_statement, 1, &pipeline, NULL, NULL);
}

double
mirror_oldest(const PGresult *result)
{
	return PQgetisnull(result, 0, 0) ? 0 : (double) pg_get_bigint(result, 0, 0) / 1000;
}

DaemonStatus
mirror_expire_send(PgSession *session, const char *pipeline)
{
	return pg_send(session, &expire_statement, 1, &pipeline, NULL, NULL);
}

int64_t
mirror_expired_windows(const PGresult *result)
{
	return pg_get_bigint(result, 0, 0);
}

int64_t
mirror_expired_records(const PGresult *result)
{
	return pg_get_bigint(result, 0, 1);
}

/* ---- verify and import ---- */

DaemonStatus
mirror_expected(PgSession *session, const char *pipeline, const Expected *after, PGresult **result)
{
	Number		bucket = number(after != NULL ? after->bucket : 0);
	Number		most = number(MIRROR_CLAIM_MAX);
	const char *values[] = {pipeline, after != NULL ? bucket.text : NULL,
							after != NULL ? after->key : NULL, most.text};

	return pg_call(session, &expected_statement, 4, values, NULL, NULL, result);
}

Expected
mirror_expected_row(const PGresult *result, int index)
{
	return (Expected) {
		.key = pg_get_text(result, index, EXPECTED_KEY),
		.bucket = pg_get_bigint(result, index, EXPECTED_BUCKET),
		.mirrored = !PQgetisnull(result, index, EXPECTED_VERSION) &&
					!PQgetisnull(result, index, EXPECTED_DIGEST),
		.version = pg_get_bigint(result, index, EXPECTED_VERSION),
		.digest = PQgetvalue(result, index, EXPECTED_DIGEST),
		.ttl = pg_get_bigint(result, index, EXPECTED_TTL),
		.writer = pg_get_text(result, index, EXPECTED_WRITER),
		.open = pg_get_boolean(result, index, EXPECTED_OPEN),
	};
}

DaemonStatus
mirror_import(PgSession *session, const char *pipeline, const char *key, int64_t bucket,
			  const void *value, size_t length, int64_t version, bool *added)
{
	Number		 bucket_text = number(bucket);
	Number		 version_text = number(version);
	const char	*values[] = {pipeline, key, bucket_text.text, value, version_text.text};
	const int	 lengths[] = {0, 0, 0, (int) length, 0};
	const int	 formats[] = {0, 0, 0, 1, 0};
	PGresult	*result;
	DaemonStatus status = pg_call(session, &import_statement, 5, values, lengths, formats, &result);

	if (status != DAEMON_OK)
		return status;
	*added = pg_get_boolean(result, 0, 0);
	PQclear(result);
	return DAEMON_OK;
}

DaemonStatus
mirror_buckets(PgSession *session, const char *pipeline, int64_t *first, int64_t *current)
{
	PGresult	*result;
	DaemonStatus status = pg_call(session, &buckets_statement, 1, &pipeline, NULL, NULL, &result);

	if (status != DAEMON_OK)
		return status;
	*first = pg_get_bigint(result, 0, 0);
	*current = pg_get_bigint(result, 0, 1);
	PQclear(result);
	return DAEMON_OK;
}
