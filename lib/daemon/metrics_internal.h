/*
 * metrics_internal.h
 *	  Between metrics.c, which holds the metrics, and metrics_http.c, which serves them.
 */
#ifndef DAEMON_METRICS_INTERNAL_H
#define DAEMON_METRICS_INTERNAL_H

#include <pthread.h>
#include <stdio.h>

#include "daemon/metrics.h"

typedef struct MetricsState MetricsState;

/* Without metrics yet; the loop is unhealthy when it makes no progress for stall_seconds.  NULL without memory. */
extern MetricsState *metrics_state_create(int stall_seconds);
extern void			 metrics_state_free(MetricsState *state);

/* The state of what metrics_open made; NULL for NULL. */
extern MetricsState *metrics_state(Metrics *metrics);

/* What each path answers; true is 200, false 503. */
extern bool metrics_write_health(MetricsState *state, FILE *file);
extern bool metrics_write_readiness(MetricsState *state, FILE *file);
extern void metrics_write_text(MetricsState *state, FILE *file);

#endif /* DAEMON_METRICS_INTERNAL_H */
