/*
 * consumer.h
 *	  One member of a Kafka consumer group: records, assignments, errors.
 *
 * Wraps librdkafka.  Must not know PostgreSQL, nor what a record means.  It
 * keeps no positions: whoever uses it says where each partition starts, and no
 * offset is ever committed to Kafka.
 *
 * A rebalance is not answered inside librdkafka's callback.  It waits, with
 * nothing new being fetched, until the caller has brought its batch to an end
 * and calls consumer_assign or consumer_unassign.
 */
#ifndef KAFKA_CONSUMER_H
#define KAFKA_CONSUMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "config.h"
#include "daemon/log.h"
#include "daemon/status.h"

typedef struct Consumer Consumer;

typedef enum ConsumerRebalance
{
	CONSUMER_STABLE,
	CONSUMER_ASSIGNED, /* answer with consumer_assign */
	CONSUMER_REVOKED   /* answer with consumer_unassign */
} ConsumerRebalance;

/* A consumer that has subscribed to the topic.  FATAL, logged, when it can't be made. */
extern DaemonStatus consumer_open(const FeederConfig *config, const Log *log, Consumer **consumer);

/* Leave the group, if still in it, and free the consumer.  NULL does nothing. */
extern void consumer_close(Consumer *consumer);

/* For one's own poll(): readable when consumer_read may have something. */
extern int consumer_fd(const Consumer *consumer);

/*
 * Take at most count messages that have arrived, without waiting; the caller
 * destroys them (rd_kafka_message_destroy).  Returns their number.  Also runs
 * what librdkafka wants run, so it must be called again within
 * max.poll.interval.ms, even by a caller that wants no messages.  A message
 * with an error goes to consumer_error.
 */
extern size_t consumer_read(Consumer *consumer, rd_kafka_message_t **messages, size_t count);

/* Does the message say that the offset which its partition was to be read from is not in the topic? */
extern bool consumer_position_lost(const rd_kafka_message_t *message);

/*
 * What a message with another error means: OK to go on, or FATAL, logged with
 * what to do about it.
 */
extern DaemonStatus consumer_error(Consumer *consumer, const rd_kafka_message_t *message);

/*
 * Was a partition that this consumer had deleted?  Then librdkafka waits for one of that name, and would
 * read on amid the records of another topic: close the consumer, and open a new one.
 */
extern bool consumer_topic_gone(const Consumer *consumer);

/* FATAL, logged, when something that no waiting mends was met since the start. */
extern DaemonStatus consumer_health(Consumer *consumer);

/* The rebalance that waits for an answer, and its partitions (valid until the answer). */
extern ConsumerRebalance					  consumer_rebalance(const Consumer *consumer);
extern const rd_kafka_topic_partition_list_t *consumer_partitions(const Consumer *consumer);

/*
 * The answers to CONSUMER_ASSIGNED, with the offsets from which to read, and to
 * CONSUMER_REVOKED.  FATAL, logged, when refused.
 */
extern DaemonStatus consumer_assign(Consumer							  *consumer,
									const rd_kafka_topic_partition_list_t *partitions);
extern DaemonStatus consumer_unassign(Consumer *consumer);

/* Stop and resume fetching, staying in the group.  What was read ahead is read again. */
extern void consumer_pause(Consumer *consumer);
extern void consumer_resume(Consumer *consumer);

/* The offsets of a partition that exist: start is the oldest record's, end that of the next to come. */
typedef struct ConsumerRange
{
	int64_t start;
	int64_t end;
} ConsumerRange;

/* As it is now; asks the broker.  RETRY when it does not answer in time. */
extern DaemonStatus consumer_query_range(Consumer *consumer, int32_t partition, int timeout_ms,
										 ConsumerRange *range);

/*
 * As they are now: ranges[i] of partitions->elems[i]; asks all brokers at once.
 * RETRY when not all of them answer in time; what is not known is -1.
 */
extern DaemonStatus consumer_query_ranges(Consumer								*consumer,
										  const rd_kafka_topic_partition_list_t *partitions,
										  int timeout_ms, ConsumerRange *ranges);

/* As it was at the last fetch; false when that is not known. */
extern bool consumer_known_range(const Consumer *consumer, int32_t partition, ConsumerRange *range);

/* Are brokers reached?  A guess that is refreshed by a probe while they were not. */
extern bool consumer_reached(Consumer *consumer);

#endif /* KAFKA_CONSUMER_H */
