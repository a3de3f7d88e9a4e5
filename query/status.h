/*
 * status.h
 *	  GET /v1/status: how the pipeline is, from the daemons' /metrics, from PostgreSQL, or from both.
 */
#ifndef QUERY_STATUS_H
#define QUERY_STATUS_H

#include "daemon/log.h"
#include "daemon/pg.h"
#include "exchange.h"
#include "store.h"

typedef struct Status Status;

typedef struct StatusSettings
{
	const char		 *program;		/* the HTTP client's name */
	const char		 *metrics_urls; /* comma-separated, each URL or NAME=URL; NULL: none */
	const PgSettings *pg;			/* NULL: PostgreSQL is not asked */
	const char		 *pipeline;
} StatusSettings;

/* All arguments must outlive it.  NULL, logged. */
extern Status *status_open(const StatusSettings *settings, const Store *store, const Log *log,
						   Signals *signals);
extern void	   status_close(Status *status);

/* What is wrong with a list of URLs, or NULL; for the check before anything is opened. */
extern const char *status_check_urls(const char *metrics_urls);

/* The handler of the route; context is the Status.  Never waits: it tells what was last seen. */
extern void status_answer(void *context, Exchange *exchange);

/* For the loop. */
extern void status_prepare(const Status *status, Wait *wait);
extern void status_dispatch(Status *status);

#endif /* QUERY_STATUS_H */
