/*
 * store.h
 *	  What the function asks of PostgreSQL: a live connection, the pipeline's settings, one
 *	  transaction a batch.
 *
 * Must not know Lambda.  RETRY: PostgreSQL is away, the cause is in pg_problem.
 */
#ifndef LAMBDA_STORE_H
#define LAMBDA_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "daemon/pg.h"
#include "feed/batch.h"
#include "feed/ingest.h"
#include "secret.h"

/* What became of the records of a batch. */
typedef struct StoreCounts
{
	int64_t counted;
	int64_t duplicates;
	int64_t rejected;
} StoreCounts;

typedef struct Store
{
	const FeederConfig *config;
	const Log		   *log;
	Secret			   *secret;
	FeedSettings		settings; /* of the pipeline, as of the last connect */
	Signals				signals;  /* none: they wait until the batch is answered */
	PgSettings			pg_settings;
	PgSession		   *session;
	FeedIngest			ingest;
	FeedFullWindows		full;	   /* that take nothing more */
	bool				no_secret; /* the last try to connect ended before PostgreSQL was asked */
	int64_t used_at; /* Unix milliseconds of the last answer: time goes on in a freeze */
} Store;

/* Release it with store_close, whatever the result.  FATAL, logged, if the DSN can't be parsed. */
extern DaemonStatus store_open(Store *store, const FeederConfig *config, Secret *secret,
							   const Log *log);
extern void			store_close(Store *store);

/*
 * Be connected, with settings read: check a connection that was idle, else make one try to get a new
 * one, until deadline (clock_milliseconds).  FATAL, logged, for what only a person can mend.
 */
extern DaemonStatus store_connect(Store *store, int64_t deadline);

/* Why the last function did not answer OK, as pg_problem has it; names no password. */
extern const PgProblem *store_problem(const Store *store);

/*
 * Make a batch of records what store_ingest commits; the batch, but not source, may go then.  False when
 * out of memory.
 */
extern bool store_prepare(Store *store, const char *source, FeedBatch *batch);

/*
 * Commit what was prepared as one transaction, or find out by deadline that it is not known to be.  It may
 * be tried again, also over another connection.
 */
extern DaemonStatus store_ingest(Store *store, int64_t deadline, StoreCounts *counts);

/* Give back the memory of what was prepared. */
extern void store_release(Store *store);

#endif /* LAMBDA_STORE_H */
