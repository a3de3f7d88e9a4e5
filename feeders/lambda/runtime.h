/*
 * runtime.h
 *	  A client of Lambda's Runtime API: the next invocation, and its answer.
 *
 * Must not know what an event holds.  Follows "Building a custom runtime" and "Using the Lambda
 * runtime API" of AWS' Lambda Developer Guide, version 2018-06-01.
 */
#ifndef LAMBDA_RUNTIME_H
#define LAMBDA_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/log.h"
#include "daemon/status.h"

typedef struct Runtime Runtime;

/* One invocation.  event ends with a NUL beyond length and lives until it is answered. */
typedef struct Invocation
{
	char		request_id[128];
	char		trace_id[512]; /* X-Ray's; empty: none */
	int64_t		deadline;	   /* Unix milliseconds; whoever is not done then is killed */
	const char *event;
	size_t		length;
} Invocation;

/* What went wrong with an invocation or a start, for people and for Lambda's own metrics. */
typedef struct RuntimeError
{
	const char *type; /* "InvalidEvent" */
	const char *message;
} RuntimeError;

/* A client of the API at address (HOST:PORT).  FATAL, logged, without memory. */
extern DaemonStatus runtime_open(const char *address, const Log *log, Runtime **runtime);
extern void			runtime_close(Runtime *runtime);

/*
 * Wait for the next invocation, as long as it takes; the process may be frozen meanwhile, and
 * SIGTERM ends it.  Also sets _X_AMZN_TRACE_ID.  FATAL, logged: the environment is not usable, leave.
 */
extern DaemonStatus runtime_next(Runtime *runtime, Invocation *invocation);

/* Give back the memory of the event of the last invocation, which nobody may read any more; or that before end. */
extern void runtime_release_event(Runtime *runtime);
extern void runtime_release_event_until(Runtime *runtime, const char *end);

/* Answer an invocation.  FATAL, logged: leave. */
extern DaemonStatus runtime_respond(Runtime *runtime, const Invocation *invocation,
									const char *answer);

/* Say that an invocation failed: AWS delivers all of it again.  FATAL, logged: leave. */
extern DaemonStatus runtime_fail(Runtime *runtime, const Invocation *invocation,
								 const RuntimeError *error);

/* Say that the function can't start, and leave. */
extern void runtime_fail_start(Runtime *runtime, const RuntimeError *error);

#endif /* LAMBDA_RUNTIME_H */
