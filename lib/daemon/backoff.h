/*
 * backoff.h
 *	  How long to wait for a dependency that is away, and what to say of it.
 *
 * One Backoff a dependency.  Full jitter: the n-th wait is uniform over
 * 0 .. min(cap, base * 2^n) (M. Brooker, "Exponential Backoff and Jitter",
 * AWS Architecture Blog, 2015).  An outage is logged when it begins and when
 * it is over, not at each try (those are debug lines).
 *
 *	status = work();
 *	if (status == DAEMON_OK)
 *		backoff_succeeded(&backoff, log);
 *	else if (status == DAEMON_RETRY)
 *		signals_wait(signals, -1, 0, backoff_failed(&backoff, log, problem));
 */
#ifndef DAEMON_BACKOFF_H
#define DAEMON_BACKOFF_H

#include <stdint.h>

#include "daemon/log.h"

#define BACKOFF_BASE_MS 50
#define BACKOFF_CAP_MS 5000

typedef struct Backoff
{
	const char *dependency; /* "PostgreSQL" */
	int			base_ms;
	int			cap_ms;
	/* private */
	int		 failures; /* since the last success */
	int64_t	 since;	   /* clock_milliseconds of the first of them */
	uint64_t random;
} Backoff;

/* dependency must outlive the Backoff; base and cap are the two above unless changed after this. */
extern void backoff_init(Backoff *backoff, const char *dependency);

/*
 * A try failed, because of problem.  Returns the milliseconds to wait.  Warns
 * if this is the first failure of an outage.
 */
extern int backoff_failed(Backoff *backoff, const Log *log, const char *problem);

/* The same without a word, for one of many that are tried again on their own. */
extern int backoff_next(Backoff *backoff);

/* A whole unit of work succeeded.  Says so if this ends an outage. */
extern void backoff_succeeded(Backoff *backoff, const Log *log);

#endif /* DAEMON_BACKOFF_H */
