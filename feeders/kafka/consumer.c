/*
 * consumer.c
 *	  One member of a Kafka consumer group: records, assignments, errors.
 *
 * Must not know PostgreSQL, nor what a record means.
 */
#include "consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "daemon/clock.h"

/* A topic that does not exist may be about to be made. */
#define TOPIC_GRACE_MS 30000

#define PROBE_INTERVAL_MS 2000
#define PROBE_TIMEOUT_MS 200

struct Consumer
{
	const FeederConfig *config;
	const Log		   *log;
	Client				client;
	bool				closing;
	ConsumerRebalance	rebalance;
	rd_kafka_topic_partition_list_t
				*partitions; /* of the rebalance that waits, else of the assignment */
	DaemonStatus health;
	bool		 reached;
	char		 last_error[256]; /* of a connection, for the message that Kafka is away */
	int64_t		 next_probe;
	int64_t		 topic_missing_since; /* 0: it is not missing */
	bool		 topic_gone;		  /* with partitions that were being read */
};

/* ---- callbacks: called by consumer_read ---- */

static Consumer *
consumer_of(void *opaque)
{
	return ((Client *) opaque)->owner;
}

static void
on_rebalance(rd_kafka_t *kafka, rd_kafka_resp_err_t what,
			 rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
	Consumer *consumer = consumer_of(opaque);

	if (consumer->closing || (what != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS &&
							  what != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS))
	{
		rd_kafka_assign(kafka, NULL);
		return;
	}
	rd_kafka_topic_partition_list_destroy(consumer->partitions);
	consumer->partitions = rd_kafka_topic_partition_list_copy(partitions);
	consumer->rebalance =
		what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS ? CONSUMER_ASSIGNED : CONSUMER_REVOKED;
}

/* An error of a connection: tried again, unless the broker is not the one that was meant. */
static void
on_connection_error(Consumer *consumer, int error, const char *reason)
{
	snprintf(consumer->last_error, sizeof(consumer->last_error), "%s", reason);
	log_debug(consumer->log, "Kafka client", LOG_TEXT("error", reason));
	/* OpenSSL's words; other errors of TLS may pass, as when a broker stops amid the handshake */
	if (error != RD_KAFKA_RESP_ERR__SSL || strstr(reason, "certificate verify failed") == NULL ||
		consumer->health == DAEMON_FATAL)
		return;
	log_error(
		consumer->log, "broker's certificate could not be verified", LOG_TEXT("error", reason),
		LOG_TEXT("hint", "check that ssl.ca.location (-X, KAFKA_CONF_...) is the authority that "
						 "signed it, and that it names the host that the broker is reached by"));
	consumer->health = DAEMON_FATAL;
}

static void
on_error(rd_kafka_t *kafka, int error, const char *reason, void *opaque)
{
	Consumer *consumer = consumer_of(opaque);
	char	  message[512];

	switch (error)
	{
		case RD_KAFKA_RESP_ERR__FATAL:
			rd_kafka_fatal_error(kafka, message, sizeof(message));
			log_error(consumer->log, "Kafka client failed", LOG_TEXT("error", message));
			consumer->health = DAEMON_FATAL;
			break;
		case RD_KAFKA_RESP_ERR__AUTHENTICATION:
		case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
			log_error(consumer->log, "Kafka authentication failed", LOG_TEXT("error", reason),
					  LOG_TEXT("hint", "check the SASL and TLS properties (-X, KAFKA_CONF_...)"));
			consumer->health = DAEMON_FATAL;
			break;
		case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
			if (consumer->reached)
				log_warning(consumer->log, "Kafka is away, waiting for it",
							LOG_TEXT("error", consumer->last_error));
			consumer->reached = false;
			break;
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
			/* said here of partitions that are assigned, else by consumer_error */
			consumer->topic_gone = true;
			break;
		default:
			on_connection_error(consumer, error, reason);
			break;
	}
}

/* ---- opening and closing ---- */

static DaemonStatus
consumer_subscribe(Consumer *consumer)
{
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_resp_err_t				 error;

	rd_kafka_topic_partition_list_add(topics, consumer->config->topic, RD_KAFKA_PARTITION_UA);
	error = rd_kafka_subscribe(consumer->client.kafka, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		return DAEMON_OK;
	log_error(consumer->log, "could not subscribe", LOG_TEXT("topic", consumer->config->topic),
			  LOG_TEXT("error", rd_kafka_err2str(error)));
	return DAEMON_FATAL;
}

DaemonStatus
consumer_open(const FeederConfig *config, const Log *log, Consumer **consumer)
{
	static const ClientCallbacks callbacks = {.error = on_error, .rebalance = on_rebalance};
	Consumer *new = calloc(1, sizeof(*new));

	*consumer = NULL;
	if (new == NULL)
	{
		log_error(log, "out of memory");
		return DAEMON_FATAL;
	}
	new->config = config;
	new->log = log;
	new->reached = true;
	new->partitions = rd_kafka_topic_partition_list_new(0);
	if (client_open(&new->client, PROPERTIES_CONSUMER, config, &callbacks, log, new) != DAEMON_OK ||
		consumer_subscribe(new) != DAEMON_OK)
	{
		consumer_close(new);
		return DAEMON_FATAL;
	}
	*consumer = new;
	return DAEMON_OK;
}

void
consumer_close(Consumer *consumer)
{
	if (consumer == NULL)
		return;
	consumer->closing = true;
	if (consumer->client.kafka != NULL)
	{
		/* librdkafka waits for the answer to a rebalance before it leaves the group */
		if (consumer->rebalance != CONSUMER_STABLE)
			rd_kafka_assign(consumer->client.kafka, NULL);
		client_mute(&consumer->client);
		rd_kafka_consumer_close(consumer->client.kafka);
	}
	/* rd_kafka_destroy would wait for ever (2.0.2): partitions that are gone keep a broker's thread */
	if (consumer->topic_gone)
		return;
	/* a list holds references that rd_kafka_destroy waits for (librdkafka issue 3796) */
	rd_kafka_topic_partition_list_destroy(consumer->partitions);
	client_close(&consumer->client);
	free(consumer);
}

/* ---- reading ---- */

int
consumer_fd(const Consumer *consumer)
{
	return consumer->client.fd;
}

size_t
consumer_read(Consumer *consumer, rd_kafka_message_t **messages, size_t count)
{
	ssize_t taken;

	client_heard(&consumer->client);
	taken = rd_kafka_consume_batch_queue(consumer->client.queue, 0, messages, count);
	return taken > 0 ? (size_t) taken : 0;
}

bool
consumer_position_lost(const rd_kafka_message_t *message)
{
	return message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
		   message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
}

DaemonStatus
consumer_error(Consumer *consumer, const rd_kafka_message_t *message)
{
	const char *text = rd_kafka_message_errstr(message);

	switch (message->err)
	{
		case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
		case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
		case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
			log_error(consumer->log, "Kafka refused access", LOG_TEXT("error", text),
					  LOG_TEXT("hint", "grant READ on the topic and on the consumer group"));
			return DAEMON_FATAL;
		case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
		case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
			log_error(consumer->log, "Kafka refused the name of the topic or the group",
					  LOG_TEXT("error", text));
			return DAEMON_FATAL;
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
			if (consumer->topic_missing_since == 0)
			{
				log_warning(consumer->log, "topic does not exist, waiting for it",
							LOG_TEXT("topic", consumer->config->topic),
							LOG_INTEGER("seconds", TOPIC_GRACE_MS / 1000));
				consumer->topic_missing_since = clock_milliseconds();
			}
			return DAEMON_OK;
		default:
			log_warning(consumer->log, "Kafka error, going on", LOG_TEXT("error", text));
			return DAEMON_OK;
	}
}

bool
consumer_topic_gone(const Consumer *consumer)
{
	return consumer->topic_gone;
}

DaemonStatus
consumer_health(Consumer *consumer)
{
	if (consumer->topic_missing_since != 0 &&
		clock_milliseconds() - consumer->topic_missing_since > TOPIC_GRACE_MS)
	{
		log_error(consumer->log, "topic does not exist", LOG_TEXT("topic", consumer->config->topic),
				  LOG_TEXT("hint", "create it, or name another (--topic, KAFKA_TOPIC)"));
		consumer->health = DAEMON_FATAL;
	}
	return consumer->health;
}

/* ---- assignment ---- */

ConsumerRebalance
consumer_rebalance(const Consumer *consumer)
{
	return consumer->rebalance;
}

const rd_kafka_topic_partition_list_t *
consumer_partitions(const Consumer *consumer)
{
	return consumer->partitions;
}

static DaemonStatus
consumer_set_assignment(Consumer *consumer, const rd_kafka_topic_partition_list_t *partitions)
{
	rd_kafka_resp_err_t error = rd_kafka_assign(consumer->client.kafka, partitions);

	consumer->rebalance = CONSUMER_STABLE;
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		return DAEMON_OK;
	log_error(consumer->log, "Kafka client refused an assignment",
			  LOG_TEXT("error", rd_kafka_err2str(error)));
	return DAEMON_FATAL;
}

DaemonStatus
consumer_assign(Consumer *consumer, const rd_kafka_topic_partition_list_t *partitions)
{
	if (partitions->cnt > 0)
		consumer->topic_missing_since = 0;
	return consumer_set_assignment(consumer, partitions);
}

DaemonStatus
consumer_unassign(Consumer *consumer)
{
	rd_kafka_topic_partition_list_destroy(consumer->partitions);
	consumer->partitions = rd_kafka_topic_partition_list_new(0);
	return consumer_set_assignment(consumer, NULL);
}

void
consumer_pause(Consumer *consumer)
{
	rd_kafka_pause_partitions(consumer->client.kafka, consumer->partitions);
}

void
consumer_resume(Consumer *consumer)
{
	rd_kafka_resume_partitions(consumer->client.kafka, consumer->partitions);
}

/* ---- what the broker knows ---- */

DaemonStatus
consumer_query_range(Consumer *consumer, int32_t partition, int timeout_ms, ConsumerRange *range)
{
	rd_kafka_resp_err_t error =
		rd_kafka_query_watermark_offsets(consumer->client.kafka, consumer->config->topic, partition,
										 &range->start, &range->end, timeout_ms);

	return error == RD_KAFKA_RESP_ERR_NO_ERROR ? DAEMON_OK : DAEMON_RETRY;
}

/* Ask for the offsets at one end of each partition: RD_KAFKA_OFFSET_BEGINNING or _END; -1 where it is not known. */
static DaemonStatus
consumer_query_ends(Consumer *consumer, const rd_kafka_topic_partition_list_t *partitions,
					int64_t which, int timeout_ms, ConsumerRange *ranges)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(partitions);
	rd_kafka_resp_err_t				 error;
	DaemonStatus					 status = DAEMON_OK;

	for (int i = 0; i < list->cnt; i++)
		list->elems[i].offset = which;
	error = rd_kafka_offsets_for_times(consumer->client.kafka, list, timeout_ms);
	for (int i = 0; i < list->cnt; i++)
	{
		bool known = error == RD_KAFKA_RESP_ERR_NO_ERROR &&
					 list->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR && list->elems[i].offset >= 0;
		int64_t offset = known ? list->elems[i].offset : -1;

		if (which == RD_KAFKA_OFFSET_BEGINNING)
			ranges[i].start = offset;
		else
			ranges[i].end = offset;
		if (!known)
			status = DAEMON_RETRY;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return status;
}

DaemonStatus
consumer_query_ranges(Consumer *consumer, const rd_kafka_topic_partition_list_t *partitions,
					  int timeout_ms, ConsumerRange *ranges)
{
	DaemonStatus starts =
		consumer_query_ends(consumer, partitions, RD_KAFKA_OFFSET_BEGINNING, timeout_ms, ranges);
	DaemonStatus ends =
		consumer_query_ends(consumer, partitions, RD_KAFKA_OFFSET_END, timeout_ms, ranges);

	return starts == DAEMON_OK ? ends : starts;
}

bool
consumer_known_range(const Consumer *consumer, int32_t partition, ConsumerRange *range)
{
	return rd_kafka_get_watermark_offsets(consumer->client.kafka, consumer->config->topic,
										  partition, &range->start,
										  &range->end) == RD_KAFKA_RESP_ERR_NO_ERROR &&
		   range->start >= 0 && range->end >= 0; /* else RD_KAFKA_OFFSET_INVALID */
}

bool
consumer_reached(Consumer *consumer)
{
	const struct rd_kafka_metadata *metadata;

	if (consumer->reached || clock_milliseconds() < consumer->next_probe)
		return consumer->reached;
	consumer->next_probe = clock_milliseconds() + PROBE_INTERVAL_MS;
	if (rd_kafka_metadata(consumer->client.kafka, 0, NULL, &metadata, PROBE_TIMEOUT_MS) ==
		RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		rd_kafka_metadata_destroy(metadata);
		log_info(consumer->log, "Kafka is reached again");
		consumer->reached = true;
	}
	return consumer->reached;
}
