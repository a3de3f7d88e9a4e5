/*
 * mirror.h
 *	  topk_pipeline's mirror functions, typed.
 *
 * Must not know DynamoDB.  Each answers as pg_call does; those that end in _send only send, and
 * pg_receive gives their result.
 */
#ifndef DDB_SYNC_MIRROR_H
#define DDB_SYNC_MIRROR_H

#include <jansson.h>

#include "daemon/pg.h"
#include "row.h"

/* A claim has this many rows at most. */
#define MIRROR_CLAIM_MAX 100

/* Check the extension's version and listen for changes; for PgSettings.on_connect. */
extern DaemonStatus mirror_prepare(PgSession *session);

/* Become the pipeline's one mirror worker, until the session ends; *locked false if there is another one. */
extern DaemonStatus mirror_lock(PgSession *session, const char *pipeline, bool *locked);

/* Claim windows that are to be written now, at most max_windows; mirror_row reads row i of the result. */
extern DaemonStatus mirror_claim_send(PgSession *session, const char *pipeline,
									  int64_t min_interval_ms, int max_windows);

/* Row number index of a claim; its pointers live as long as result and pipeline. */
extern Row mirror_row(const PGresult *result, int index, const char *pipeline);

/* Claim, read, and take the claim back. */
extern DaemonStatus mirror_preview(PgSession *session, const char *pipeline, PGresult **result);

/*
 * Report on claimed rows: an array of {"key", "bucket", "version", "problem": null if stored}.
 * The result lists the versions that failed and are still the last ones offered.
 */
extern DaemonStatus mirror_report_send(PgSession *session, const char *pipeline,
									   const json_t *outcomes);

/* Overwrite the row in the way, which has this version: the window is offered at once with a higher one. */
extern DaemonStatus mirror_take_over(PgSession *session, const char *pipeline, const char *key,
									 int64_t bucket, int64_t above_version);

/* Age of the oldest change that is not mirrored, in seconds, 0 if there is none. */
extern DaemonStatus mirror_oldest_send(PgSession *session, const char *pipeline);
extern double		mirror_oldest(const PGresult *result);

/* Delete what is past the retention. */
extern DaemonStatus mirror_expire_send(PgSession *session, const char *pipeline);
extern int64_t		mirror_expired_windows(const PGresult *result);
extern int64_t		mirror_expired_records(const PGresult *result);

/* ---- for --verify ---- */

/* What a mirrored row should be; the pointers live as long as the result. */
typedef struct Expected
{
	const char *key;
	int64_t		bucket;
	bool		mirrored; /* false: version and digest are not set */
	int64_t		version;
	const void *digest; /* SHA-256 of the value, 32 bytes */
	int64_t		ttl;
	const char *writer;
	bool		open; /* a change is yet to be mirrored */
} Expected;

/* The next windows after one (NULL: from the first). */
extern DaemonStatus mirror_expected(PgSession *session, const char *pipeline, const Expected *after,
									PGresult **result);
extern Expected		mirror_expected_row(const PGresult *result, int index);

/* ---- for --import ---- */

/*
 * Add the row of another system to a window; *added false if that was done before.  RETRY
 * with an SQLSTATE means that this row can't be imported.
 */
extern DaemonStatus mirror_import(PgSession *session, const char *pipeline, const char *key,
								  int64_t bucket, const void *value, size_t length, int64_t version,
								  bool *added);

/* The bucket of now, and the first one within the retention. */
extern DaemonStatus mirror_buckets(PgSession *session, const char *pipeline, int64_t *first,
								   int64_t *current);

#endif /* DDB_SYNC_MIRROR_H */
