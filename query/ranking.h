/*
 * ranking.h
 *	  The most frequent items of some windows, with their bounds and their counts by window, as JSON.
 *
 * Must not know who asks, nor where the windows come from.
 */
#ifndef QUERY_RANKING_H
#define QUERY_RANKING_H

#include "question.h"
#include "windows.h"

#define RANKING_MAX 1000

/*
 * What GET /v1/top answers (docs/query.md): the first n items, by the sum of their lower bounds, ties
 * by bytes.  A new string, or NULL without memory.  The windows must be sound: windows_merge takes them.
 */
extern char *ranking_json(const char *entity, int n, const Shape *shape, const Range *range,
						  const Windows *windows);

#endif /* QUERY_RANKING_H */
