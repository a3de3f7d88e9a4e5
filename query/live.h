/*
 * live.h
 *	  GET /v1/top/live: the answer of /v1/top as server-sent events, whenever it changes.
 *
 * Streams of the same question share its reads, so that any number of viewers costs one read an interval.
 * "Server-sent events" in the HTML Living Standard.  Must not know which store there is.
 */
#ifndef QUERY_LIVE_H
#define QUERY_LIVE_H

#include "exchange.h"
#include "reads.h"

typedef struct Live Live;

/* reads must outlive it.  NULL without memory. */
extern Live *live_open(Reads *reads, int64_t interval_ms, int64_t streams_max, Metrics *metrics);
extern void	 live_close(Live *live);

/* The handler of the route; context is the Live. */
extern void live_follow(void *context, Exchange *exchange);

/* End all streams, and take no more. */
extern void live_drain(Live *live);

/* For the loop. */
extern void live_prepare(const Live *live, Wait *wait);
extern void live_dispatch(Live *live);

#endif /* QUERY_LIVE_H */
