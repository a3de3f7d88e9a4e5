/*
 * metrics.h
 *	  Counters and gauges, served as /metrics beside /healthz and /readyz.
 *
 * Prometheus text format 0.0.4; names in base units, counters end in _total.
 * Never an entity in a label.  All functions may be called from any thread, and with
 * a NULL Metrics or Metric do nothing.
 */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include <stdbool.h>

#include "daemon/log.h"
#include "daemon/status.h"

typedef struct Metrics Metrics;
typedef struct Metric  Metric;

/*
 * Serve on address ("127.0.0.1:9188", "[::1]:9188", ":9188" on all; port 0: any free one;
 * "off": not served, metrics still work).  /healthz answers 503 when metrics_progress was not
 * called for stall_seconds.  FATAL, logged, if the address is malformed or taken.
 */
extern DaemonStatus metrics_open(const Log *log, const char *address, int stall_seconds,
								 Metrics **metrics);
extern void			metrics_close(Metrics *metrics);

/* Is the address well-formed ("off" is)?  For the check before anything is opened. */
extern bool metrics_address_valid(const char *address);

/*
 * A metric of this name and labels, made at the first call and then the same
 * one.  labels are pairs of name and value, NULL-terminated, copied; NULL: none.
 * name and help must be constants.  NULL without memory.
 */
extern Metric *metrics_counter(Metrics *metrics, const char *name, const char *help,
							   const char *const *labels);
extern Metric *metrics_gauge(Metrics *metrics, const char *name, const char *help,
							 const char *const *labels);

/* Stop showing a metric (a partition that was revoked); it is freed. */
extern void metrics_remove(Metrics *metrics, Metric *metric);

/* From any thread; NULL, a metric that could not be made, is no error.  A counter must only grow. */
extern void metric_add(Metric *metric, double amount);
extern void metric_set(Metric *metric, double value);

/* The loop went round: it is alive, even when it has nothing to do or waits for a dependency. */
extern void metrics_progress(Metrics *metrics);

/*
 * Is the dependency (a constant name: "postgresql") reached?  /readyz is 200 when all named ones are, and
 * topk_dependency_up{dependency} tells of each.
 */
extern void metrics_ready(Metrics *metrics, const char *dependency, bool reached);

#endif /* DAEMON_METRICS_H */
