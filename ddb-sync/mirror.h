/*
 * mirror.h
 *	  topk_pipeline's mirror functions, typed.
 *
 * Must not know DynamoDB.  Each answers as pg_call does.
 */
#ifndef DDB_SYNC_MIRROR_H
#define DDB_SYNC_MIRROR_H

#include "daemon/pg.h"
#include "row.h"

#define MIRROR_CLAIM_MAX 100

/* Check the extension's version and listen for changes; for PgSettings.on_connect. */
extern DaemonStatus mirror_prepare(PgSession *session);

/* Become the pipeline's one mirror worker, until the session ends; *locked false if there is another one. */
extern DaemonStatus mirror_lock(PgSession *session, const char *pipeline, bool *locked);

/*
 * Claim windows that are to be written now, MIRROR_CLAIM_MAX at most.  The
 * caller owns *result, whose row i mirror_row reads.
 */
extern DaemonStatus mirror_claim(PgSession *session, const char *pipeline, int64_t min_interval_ms,
								 PGresult **result);

/* Row number index of a claim; its pointers live as long as result and pipeline. */
extern Row mirror_row(const PGresult *result, int index, const char *pipeline);

/* Claim, read, and take the claim back. */
extern DaemonStatus mirror_preview(PgSession *session, const char *pipeline, PGresult **result);

/* Report on a claimed row. */
extern DaemonStatus mirror_done(PgSession *session, const Row *row);
extern DaemonStatus mirror_failed(PgSession *session, const Row *row, const char *problem);

/* Delete what is past the retention. */
extern DaemonStatus mirror_expire(PgSession *session, const char *pipeline, int64_t *windows,
								  int64_t *rejected_records);

#endif /* DDB_SYNC_MIRROR_H */
