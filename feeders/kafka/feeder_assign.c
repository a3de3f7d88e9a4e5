/*
 * feeder_assign.c
 *	  The partitions that Kafka gives and takes, read from where PostgreSQL says.
 *
 * Must not know what a record means.
 */
#include <stdlib.h>

#include "daemon/clock.h"
#include "feeder_internal.h"

#define QUERY_TIMEOUT_MS 5000

void
feeder_forget_partitions(Feeder *feeder)
{
	for (int i = 0; i < feeder->partitions.count; i++)
		metrics_remove(feeder->metrics, feeder->partitions.items[i].lag);
	partitions_clear(&feeder->partitions);
	feeder->assigned = false;
}

/* The stored positions of the partitions in list. */
static DaemonStatus
feeder_find_positions(Feeder *feeder, const rd_kafka_topic_partition_list_t *list)
{
	int32_t		  *ids = calloc((size_t) list->cnt + 1, sizeof(*ids));
	StorePosition *positions = calloc((size_t) list->cnt + 1, sizeof(*positions));
	DaemonStatus   status = DAEMON_FATAL;

	if (ids == NULL || positions == NULL)
		goto done;
	for (int i = 0; i < list->cnt; i++)
		ids[i] = list->elems[i].partition;
	if (!partitions_set(&feeder->partitions, ids, list->cnt))
		goto done;
	status = store_positions(feeder->store, ids, list->cnt, positions);
	if (status != DAEMON_OK)
		goto done;
	for (int i = 0; i < list->cnt; i++)
	{
		Partition *partition = partitions_find(&feeder->partitions, ids[i]);

		partition->next = positions[i].next == FEED_NO_POSITION ? 0 : positions[i].next;
		partition->tip = positions[i].next;
		partition->stored = positions[i].next;
		partition->mark = positions[i].mark;
		partition->lag = gauges_lag(&feeder->gauges, ids[i]);
	}

done:
	free(ids);
	free(positions);
	return status;
}

/*
 * The offset to read a partition from.  That is its mark's, so that feeder_read sees whether this is
 * the topic that was read, as long as the mark is still there and reading on from it leads to
 * the stored position; otherwise the broker says what is wrong with that.
 */
static int64_t
feeder_first_offset(const Partition *partition, const ConsumerRange *range)
{
	if (partition->stored == FEED_NO_POSITION)
		return RD_KAFKA_OFFSET_BEGINNING;
	if (partition->mark.time == FEED_NO_TIME || range->start < 0 ||
		range->start > partition->mark.offset || range->end < partition->stored)
		return partition->stored;
	return partition->mark.offset;
}

/* Where to begin, which becomes the offsets in list, and with --once where to stop.  RETRY when Kafka does not say. */
static DaemonStatus
feeder_find_offsets(Feeder *feeder, rd_kafka_topic_partition_list_t *list)
{
	ConsumerRange *ranges = calloc((size_t) list->cnt + 1, sizeof(*ranges));
	DaemonStatus   status;

	if (ranges == NULL)
		return DAEMON_FATAL;
	status = consumer_query_ranges(feeder->consumer, list, QUERY_TIMEOUT_MS, ranges);
	for (int i = 0; i < list->cnt; i++)
	{
		Partition *partition = partitions_find(&feeder->partitions, list->elems[i].partition);

		list->elems[i].offset = feeder_first_offset(partition, &ranges[i]);
		if (feeder->config->once)
			partition->end = ranges[i].end;
	}
	free(ranges);
	/* a partition without a leader must not keep the others from being read */
	return feeder->config->once ? status : DAEMON_OK;
}

/* The loss of a position was accepted: without a stored one, a partition is read from its oldest record. */
static DaemonStatus
feeder_forget_lost(Feeder *feeder)
{
	DaemonStatus status = DAEMON_OK;

	if (feeder->lost != NOTHING_LOST)
		status = store_reset_position(feeder->store, feeder->lost);
	if (status == DAEMON_OK)
		feeder->lost = NOTHING_LOST;
	return status;
}

/* Read the partitions that Kafka gave us from where PostgreSQL says.  Tried again in the next turn on RETRY. */
static DaemonStatus
feeder_assign(Feeder *feeder)
{
	rd_kafka_topic_partition_list_t *list =
		rd_kafka_topic_partition_list_copy(consumer_partitions(feeder->consumer));
	DaemonStatus status;

	feeder_forget_partitions(feeder);
	status = feeder_find_positions(feeder, list);
	if (status == DAEMON_RETRY)
		feeder_store_failed(feeder);
	if (status == DAEMON_OK)
		status = feeder_find_offsets(feeder, list);
	if (status == DAEMON_OK && !dead_letters_assign(feeder->letters, &feeder->partitions))
		status = DAEMON_FATAL;
	if (status == DAEMON_OK)
		status = consumer_assign(feeder->consumer, list);
	if (status == DAEMON_OK)
	{
		log_info(feeder->log, "partitions assigned", LOG_INTEGER("partitions", list->cnt));
		feeder->assigned = true;
		feeder_store_works(feeder);
	}
	else
		feeder_forget_partitions(feeder);
	rd_kafka_topic_partition_list_destroy(list);
	return status == DAEMON_FATAL ? DAEMON_FATAL : DAEMON_OK;
}

static DaemonStatus
feeder_revoke(Feeder *feeder)
{
	DaemonStatus status = feeder_settle(feeder, "partitions revoked");

	if (status != DAEMON_OK)
		return status;
	log_info(feeder->log, "partitions revoked");
	dead_letters_assign(feeder->letters, &feeder->partitions); /* that is, none */
	feeder->rejoin = false;
	feeder->lost = NOTHING_LOST;
	return consumer_unassign(feeder->consumer);
}

/*
 * After records were dropped, read from the stored positions, in a new consumer: to
 * assign the old one its partitions again ends in an assertion of librdkafka when they
 * are revoked just then, as they are from a feeder that was thought dead
 * (rd_kafka_assignment_partition_stopped, 2.0.2).
 */
static DaemonStatus
feeder_rejoin(Feeder *feeder)
{
	DaemonStatus status = feeder_forget_lost(feeder);

	if (status == DAEMON_RETRY)
		feeder_store_failed(feeder);
	if (status != DAEMON_OK)
		return status == DAEMON_FATAL ? DAEMON_FATAL : DAEMON_OK;
	feeder_forget_messages(feeder);
	consumer_close(feeder->consumer);
	status = consumer_open(feeder->config, feeder->log, &feeder->consumer);
	feeder->rejoin = false;
	feeder->paused = false;
	return status;
}

DaemonStatus
feeder_rebalance(Feeder *feeder)
{
	ConsumerRebalance rebalance = consumer_rebalance(feeder->consumer);

	if (rebalance == CONSUMER_REVOKED)
		return feeder_revoke(feeder);
	if (rebalance != CONSUMER_ASSIGNED && !feeder->rejoin)
		return DAEMON_OK;
	/* positions can be read when PostgreSQL is there and no call is under way */
	if (!pg_session_connected(feeder->store->session) || feeder->sent_state != SENT_NONE ||
		clock_milliseconds() < feeder->retry_at)
		return DAEMON_OK;
	return feeder->rejoin ? feeder_rejoin(feeder) : feeder_assign(feeder);
}
