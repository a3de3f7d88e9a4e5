/*
 * dead_letters.h
 *	  Rejected records to the dead-letter topic, each at least once.
 *
 * They come from PostgreSQL, where the transaction that rejected them left them,
 * so one that was committed gets there whatever happens: what was not reported
 * to PostgreSQL as sent, whoever feeds the partition next sends, perhaps again.
 * Must not know why a record was rejected, nor the batches.
 *
 * All functions take NULL, which is what there is without a dead-letter topic,
 * and have nothing to do then.
 */
#ifndef KAFKA_DEAD_LETTERS_H
#define KAFKA_DEAD_LETTERS_H

#include <stdbool.h>

#include "config.h"
#include "daemon/log.h"
#include "daemon/status.h"
#include "gauges.h"
#include "partitions.h"
#include "store.h"

typedef struct DeadLetters DeadLetters;

/* FATAL, logged, when Kafka's client can't be made.  Without a dead-letter topic *letters is NULL. */
extern DaemonStatus dead_letters_open(const FeederConfig *config, const Log *log, Gauges *gauges,
									  DeadLetters **letters);
extern void			dead_letters_close(DeadLetters *letters);

/* Those of these partitions are ours to send now, and of no others.  Returns false when out of memory, as before then. */
extern bool dead_letters_assign(DeadLetters *letters, const Partitions *partitions);

/* Some more were committed. */
extern void dead_letters_due(DeadLetters *letters);

/*
 * Hear what Kafka says, without waiting (at the start, while the topic is looked for, at
 * most 0.2 s every 2 s).  FATAL, logged, when the topic does not exist or may not be written to.
 */
extern DaemonStatus dead_letters_poll(DeadLetters *letters);

/* Is there something to ask or tell PostgreSQL? */
extern bool dead_letters_want_store(const DeadLetters *letters);

/* Do so, when no other call is under way.  RETRY when PostgreSQL is away. */
extern DaemonStatus dead_letters_exchange(DeadLetters *letters, Store *store);

/* Is everything sent that is known of, and reported? */
extern bool dead_letters_idle(const DeadLetters *letters);

/* For one's own poll(): readable when dead_letters_poll has something to hear; -1 if never. */
extern int dead_letters_fd(const DeadLetters *letters);

#endif /* KAFKA_DEAD_LETTERS_H */
