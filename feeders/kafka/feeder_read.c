/*
 * feeder_read.c
 *	  Records from Kafka's client into the batch that is being filled.
 *
 * Must not know what an event looks like (lib/feed).
 */
#include <stdio.h>
#include <string.h>

#include "daemon/clock.h"
#include "feed/time.h"
#include "feeder_internal.h"

void
feeder_forget_messages(Feeder *feeder)
{
	for (size_t i = feeder->message_next; i < feeder->message_count; i++)
		rd_kafka_message_destroy(feeder->messages[i]);
	feeder->message_count = 0;
	feeder->message_next = 0;
}

/* The headers of a message whose record was rejected: of others nobody needs them. */
static bool
feeder_keep_headers(Feeder *feeder, const rd_kafka_message_t *message)
{
	rd_kafka_headers_t *headers;
	const char		   *name;
	const void		   *value;
	size_t				length;
	bool				kept = true;

	if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return true;
	for (size_t i = 0; kept && rd_kafka_header_get_all(headers, i, &name, &value, &length) ==
								   RD_KAFKA_RESP_ERR_NO_ERROR;
		 i++)
		kept = feed_batch_keep_header(feeder->filling, name, strlen(name), value, length);
	return kept;
}

/* The number of a partition in the batch that is being filled, or PARTITION_NO_SHARD when out of memory. */
static int
feeder_shard(Feeder *feeder, Partition *partition)
{
	char name[16];

	if (partition->shard == PARTITION_NO_SHARD)
	{
		snprintf(name, sizeof(name), "%d", partition->id);
		partition->shard = feed_batch_shard(feeder->filling, name, partition->tip);
	}
	return partition->shard;
}

static int64_t
feeder_time(const rd_kafka_message_t *message)
{
	rd_kafka_timestamp_type_t type;
	int64_t					  time = rd_kafka_message_timestamp(message, &type);

	return time >= 0 ? time : FEED_NO_TIME;
}

static DaemonStatus
feeder_take(Feeder *feeder, Partition *partition, const rd_kafka_message_t *message, int64_t now)
{
	FeedRecord record = {.position = message->offset,
						 .time = feeder_time(message),
						 .key = message->key,
						 .key_length = message->key_len,
						 .payload = message->payload,
						 .payload_length = message->len};
	int		   rejected = feed_batch_rejected_count(feeder->filling);

	record.shard = feeder_shard(feeder, partition);
	if (record.shard == PARTITION_NO_SHARD || !feed_batch_take(feeder->filling, &record, now) ||
		(feed_batch_rejected_count(feeder->filling) > rejected &&
		 !feeder_keep_headers(feeder, message)))
	{
		log_error(feeder->log, "out of memory");
		return DAEMON_FATAL;
	}
	partition->next = message->offset + 1;
	return DAEMON_OK;
}

/*
 * There is no record before this offset any more.  Some may have offsets and be none for us: the marks at the
 * ends of transactions, and what was aborted.  The position passes them, or there would always be a lag, and
 * one day, when they have expired, a position that is gone.
 */
static DaemonStatus
feeder_reach_end(Feeder *feeder, Partition *partition, int64_t offset)
{
	int shard;

	if (partition->drained)
		return DAEMON_OK; /* --once: later records were passed over */
	partition->drained = feeder->config->once;
	if (offset <= partition->next)
		return DAEMON_OK;
	shard = feeder_shard(feeder, partition);
	if (shard == PARTITION_NO_SHARD)
	{
		log_error(feeder->log, "out of memory");
		return DAEMON_FATAL;
	}
	feed_batch_advance(feeder->filling, shard, offset);
	partition->next = offset;
	return DAEMON_OK;
}

/*
 * A partition can't be read on from its stored position: records are missing, or offsets mean others than they
 * did.  Whether that is accepted was said by --on-lost-position.
 */
static DaemonStatus
feeder_lose_position(Feeder *feeder, const Partition *partition, const char *why)
{
	if (feeder->config->on_lost_position == CONFIG_LOST_OLDEST)
	{
		log_warning(feeder->log,
					"stored position is not in the topic any more, going on with the oldest record",
					LOG_INTEGER("partition", partition->id),
					LOG_INTEGER("position", partition->tip), LOG_TEXT("error", why));
		feeder->lost = partition->id;
		feeder_drop(feeder, "position lost");
		return DAEMON_OK;
	}
	log_error(
		feeder->log, "stored position is not in the topic any more",
		LOG_TEXT("topic", feeder->config->topic), LOG_INTEGER("partition", partition->id),
		LOG_INTEGER("position", partition->tip), LOG_TEXT("error", why),
		LOG_TEXT("hint",
				 "records were deleted before they were read, the topic was made anew, or these "
				 "are the brokers of another cluster; to accept that and go on with the oldest "
				 "record there is, start with --on-lost-position=oldest, or call "
				 "topk_pipeline.reset_position"));
	return DAEMON_FATAL;
}

/*
 * A record before the next one: the mark, to see whether this is the topic that was read.  And
 * librdkafka before 2.4 repeats records after some resumes (4636).
 */
static DaemonStatus
feeder_look_back(Feeder *feeder, const Partition *partition, const rd_kafka_message_t *message)
{
	int64_t time = feeder_time(message);
	char	found[FEED_TIME_SIZE];
	char	known[FEED_TIME_SIZE];
	char	why[160];

	if (partition->mark.time == FEED_NO_TIME || message->offset != partition->mark.offset ||
		time == partition->mark.time)
		return DAEMON_OK;
	feed_time_format(time, found);
	feed_time_format(partition->mark.time, known);
	snprintf(why, sizeof(why),
			 "the record at offset %lld is of %s, the one that was read there of %s",
			 (long long) message->offset, found, known);
	return feeder_lose_position(feeder, partition, why);
}

static DaemonStatus
feeder_message(Feeder *feeder, const rd_kafka_message_t *message, int64_t now)
{
	Partition *partition = partitions_find(&feeder->partitions, message->partition);

	if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
		return partition != NULL ? feeder_reach_end(feeder, partition, message->offset) : DAEMON_OK;
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && !consumer_position_lost(message))
		return consumer_error(feeder->consumer, message);
	if (partition == NULL)
		return DAEMON_OK; /* read ahead of a partition that was taken from us */
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return feeder_lose_position(feeder, partition, rd_kafka_message_errstr(message));
	if (message->offset < partition->next)
		return feeder_look_back(feeder, partition, message);
	if (partition->end != PARTITION_NO_END && message->offset >= partition->end - 1)
	{
		partition->drained = true;
		if (message->offset >= partition->end)
			return DAEMON_OK;
	}
	return feeder_take(feeder, partition, message, now);
}

DaemonStatus
feeder_read(Feeder *feeder)
{
	DaemonStatus status = DAEMON_OK;
	int64_t		 now = clock_unix_milliseconds();
	size_t		 taken;

	if (feeder->message_next == feeder->message_count)
		feeder->message_next = feeder->message_count = 0;
	/* while paused only events come, and they must be heard even when the batch is full */
	if (feeder->message_count <= READ_MAX && (feeder->message_count == 0 || feeder->paused))
	{
		if (!feeder->paused && feeder_filling_full(feeder))
			return DAEMON_OK;
		taken = consumer_read(feeder->consumer, feeder->messages + feeder->message_count, READ_MAX);
		feeder->message_count += taken;
		feeder->more = taken == READ_MAX;
	}
	while (status == DAEMON_OK && feeder->message_next < feeder->message_count &&
		   !feeder_filling_full(feeder))
	{
		rd_kafka_message_t *message = feeder->messages[feeder->message_next++];

		status = feeder_message(feeder, message, now);
		rd_kafka_message_destroy(message);
	}
	return status;
}
