/*
 * sync_internal.h
 *	  The loop's state, shared by sync*.c only.
 */
#ifndef DDB_SYNC_SYNC_INTERNAL_H
#define DDB_SYNC_SYNC_INTERNAL_H

#include "schedule.h"
#include "sync.h"
#include "writes.h"

/* What PostgreSQL is asked, one at a time. */
typedef enum SyncJob
{
	JOB_NONE,
	JOB_CLAIM,
	JOB_REPORT,
	JOB_OLDEST,
	JOB_EXPIRE
} SyncJob;

typedef struct Sync
{
	SyncParts	parts;
	SyncMetrics metrics;
	Writes		writes;
	Schedule	schedule;
	Backoff		pg_backoff;
	Backoff		table_backoff;
	bool		table_checked; /* it has the keys that it must have, as far as we may know */
	SyncJob		job;
	bool		locked; /* on this connection we are the one worker */
	bool		standby_logged;
	int			standby_tries;
	bool		exhausted; /* the last claim found nothing */
	int			asked;	   /* rows of the claim under way, at most */
	int64_t		row_bytes; /* of an average row of the last claim */
	int64_t		next_oldest;
	int64_t		next_expire;  /* -1: never */
	int64_t		next_cut_log; /* not before, that rows are cut */
	int64_t		failed;		  /* windows that could not be mirrored */
} Sync;

/* Send a report on the rows that have ended; JOB_REPORT unless there is nothing to say. */
extern DaemonStatus sync_report_send(Sync *sync);

/* It has arrived: log what failed, and forget the rows. */
extern void sync_report_done(Sync *sync, const PGresult *result);

/* It has not: to be sent again. */
extern void sync_report_again(Sync *sync);

#endif /* DDB_SYNC_SYNC_INTERNAL_H */
