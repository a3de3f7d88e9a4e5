/*
 * handler.h
 *	  One invocation: its event into a batch, the batch into PostgreSQL, and the answer.
 *
 * Either the whole batch is committed, or AWS is asked to deliver all of it again: the ids of the
 * records keep them from being counted twice.
 */
#ifndef LAMBDA_HANDLER_H
#define LAMBDA_HANDLER_H

#include "config.h"
#include "daemon/backoff.h"
#include "daemon/log.h"
#include "emf.h"
#include "feed/batch.h"
#include "intake.h"
#include "runtime.h"
#include "store.h"

typedef struct Handler
{
	const FeederConfig *config;
	const Log		   *log;
	Runtime			   *runtime;
	Store			   *store;
	EmfScope			metrics;
	FeedBatch		   *batch;
	char				source[INTAKE_SOURCE_SIZE]; /* of the batch that was prepared */
	Backoff				backoff;
} Handler;

/* All arguments must outlive it.  FATAL, logged, without memory. */
extern DaemonStatus handler_open(Handler *handler, const FeederConfig *config, const Log *log,
								 Runtime *runtime, Store *store);
extern void			handler_close(Handler *handler);

/* Deal with one invocation and answer it.  FATAL, logged: it could not be answered, leave. */
extern DaemonStatus handler_handle(Handler *handler, const Invocation *invocation);

#endif /* LAMBDA_HANDLER_H */
