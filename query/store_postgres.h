/*
 * store_postgres.h
 *	  Windows from topk_pipeline itself, for those without DynamoDB.
 *
 * The role needs what docs/pipeline.md grants a reader.
 */
#ifndef QUERY_STORE_POSTGRES_H
#define QUERY_STORE_POSTGRES_H

#include "daemon/metrics.h"
#include "daemon/pg.h"
#include "store.h"

typedef struct StorePostgresSettings
{
	PgSettings	pg; /* its call_timeout_ms bounds a read */
	const char *pipeline;
} StorePostgresSettings;

/* settings, log and signals must outlive it.  NULL, logged, if the DSN can't be parsed. */
extern Store *store_postgres_open(const StorePostgresSettings *settings, const Log *log,
								  Signals *signals, Metrics *metrics);

#endif /* QUERY_STORE_POSTGRES_H */
