/*
 * consume.c
 *	  A bare librdkafka consumer: how fast can a topic be read at all?
 *
 * usage: consume BROKERS TOPIC PARTITIONS RECORDS [parse]
 * Reads RECORDS records from the start of all partitions, looks into none, or
 * reads the entity of each as the feeder does, and prints the seconds from the
 * assignment to the last one.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

#include "feed/event.h"

#define READ_MAX 2000

static double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void
set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char problem[256];

	if (rd_kafka_conf_set(conf, name, value, problem, sizeof(problem)) == RD_KAFKA_CONF_OK)
		return;
	fprintf(stderr, "consume: %s\n", problem);
	exit(1);
}

static rd_kafka_t *
open_consumer(const char *brokers)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char			 problem[256];
	rd_kafka_t		*kafka;

	/* as the feeder has them */
	set(conf, "bootstrap.servers", brokers);
	set(conf, "group.id", "consume");
	set(conf, "enable.auto.commit", "false");
	set(conf, "enable.auto.offset.store", "false");
	set(conf, "queued.min.messages", "450000");
	kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, problem, sizeof(problem));
	if (kafka == NULL)
	{
		fprintf(stderr, "consume: %s\n", problem);
		exit(1);
	}
	rd_kafka_poll_set_consumer(kafka);
	return kafka;
}

static void
assign_all(rd_kafka_t *kafka, const char *topic, int count)
{
	rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_new(count);

	for (int i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(partitions, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_assign(kafka, partitions);
	rd_kafka_topic_partition_list_destroy(partitions);
}

static void
parse(const FeedFields *fields, const rd_kafka_message_t *message)
{
	char	  detail[FEED_DETAIL_SIZE];
	FeedEvent event;

	if (feed_event_parse(fields, message->payload, message->len, 0, &event, detail) !=
		FEED_ACCEPTED)
	{
		fprintf(stderr, "consume: %s\n", detail);
		exit(1);
	}
	feed_event_free(&event);
}

/* fields: NULL to look into no record. */
static void
read_records(rd_kafka_t *kafka, long wanted, const FeedFields *fields)
{
	rd_kafka_queue_t   *queue = rd_kafka_queue_get_consumer(kafka);
	rd_kafka_message_t *messages[READ_MAX];
	long				count = 0;

	while (count < wanted)
	{
		ssize_t taken = rd_kafka_consume_batch_queue(queue, 10, messages, READ_MAX);

		for (ssize_t i = 0; i < taken; i++)
		{
			if (messages[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR)
			{
				count++;
				if (fields != NULL)
					parse(fields, messages[i]);
			}
			rd_kafka_message_destroy(messages[i]);
		}
	}
	rd_kafka_queue_destroy(queue);
}

int
main(int argc, char **argv)
{
	rd_kafka_t *kafka;
	double		start;
	FeedFields	fields = {0};
	bool		parsing = argc == 6 && strcmp(argv[5], "parse") == 0;

	if ((argc != 5 && !parsing) || feed_pointer_parse("/entity_id", &fields.entity) != NULL)
	{
		fprintf(stderr, "usage: consume BROKERS TOPIC PARTITIONS RECORDS [parse]\n");
		return 2;
	}
	kafka = open_consumer(argv[1]);
	start = seconds_now();
	assign_all(kafka, argv[2], atoi(argv[3]));
	read_records(kafka, atol(argv[4]), parsing ? &fields : NULL);
	printf("%.3f\n", seconds_now() - start);
	rd_kafka_consumer_close(kafka);
	rd_kafka_destroy(kafka);
	feed_pointer_free(&fields.entity);
	return 0;
}
