/*
 * top.h
 *	  GET /v1/top: the most frequent items as JSON.
 *
 * Must not know which store there is.
 */
#ifndef QUERY_TOP_H
#define QUERY_TOP_H

#include "exchange.h"
#include "reads.h"

typedef struct Top Top;

/* reads must outlive it; a question that takes longer than deadline_ms is refused.  NULL without memory. */
extern Top *top_open(Reads *reads, int64_t deadline_ms);

/* Questions under way are forgotten. */
extern void top_close(Top *top);

/* The handler of the route; context is the Top. */
extern void top_answer(void *context, Exchange *exchange);

/* The questions' deadlines, for the loop. */
extern void top_prepare(const Top *top, Wait *wait);
extern void top_dispatch(Top *top);

#endif /* QUERY_TOP_H */
