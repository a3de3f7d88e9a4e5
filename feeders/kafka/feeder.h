/*
 * feeder.h
 *	  The loop: records of Kafka into batches, batches into PostgreSQL.
 *
 * One thread.  While PostgreSQL commits one batch the next is filled.  The
 * positions of a batch continue those of the one before it, so that a batch
 * can only be committed after it: whatever goes wrong, what is stored is a
 * prefix of each partition, counted once.
 */
#ifndef KAFKA_FEEDER_H
#define KAFKA_FEEDER_H

#include "config.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/signals.h"
#include "daemon/status.h"
#include "feed/batch.h"
#include "store.h"

typedef struct Feeder Feeder;

/*
 * A feeder that writes to store, with the settings of its pipeline.  All
 * arguments must outlive it.  FATAL, logged, when Kafka's client can't be
 * made.
 */
extern DaemonStatus feeder_open(const FeederConfig *config, const FeedSettings *settings,
								Store *store, const Log *log, Signals *signals, Metrics *metrics,
								Feeder **feeder);

/*
 * Run until a stop is requested, or with --once until the topic is drained.
 * OK: what was read is committed, or its positions did not move.  FATAL:
 * logged.
 */
extern DaemonStatus feeder_run(Feeder *feeder);

/* Leave the consumer group and free everything.  NULL does nothing. */
extern void feeder_close(Feeder *feeder);

#endif /* KAFKA_FEEDER_H */
