/*
 * status_database.h
 *	  What topk_pipeline's views say of a pipeline; for status.c.
 */
#ifndef QUERY_STATUS_DATABASE_H
#define QUERY_STATUS_DATABASE_H

#include "daemon/log.h"
#include "daemon/pg.h"
#include "figures.h"
#include "wait.h"

typedef struct StatusDatabase
{
	/* private */
	const Log  *log;
	const char *pipeline;
	PgSession  *session;
	PgSettings	settings;
	int64_t		next; /* when to ask (or connect) again */

	/* what it last said */
	bool	known;	/* false: it does not answer, or not yet */
	bool	failed; /* it does not */
	Figures figures;
	double	last_ingest; /* Unix seconds; NAN: never */
} StatusDatabase;

/* settings, log, signals and pipeline must outlive it.  FATAL, logged. */
extern DaemonStatus status_database_open(StatusDatabase *database, const PgSettings *settings,
										 const char *pipeline, const Log *log, Signals *signals);
extern void			status_database_close(StatusDatabase *database);

extern void status_database_prepare(const StatusDatabase *database, Wait *wait);
extern void status_database_dispatch(StatusDatabase *database);

#endif /* QUERY_STATUS_DATABASE_H */
