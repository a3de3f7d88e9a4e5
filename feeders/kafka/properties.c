/*
 * properties.c
 *	  The properties that librdkafka's clients are made with: our defaults, what
 *	  the user sets, and what nobody may set.
 *
 * Must not know what the clients do.
 */
#include "properties.h"

#include <stdio.h>
#include <string.h>

#define BOTH (PROPERTIES_CONSUMER | PROPERTIES_PRODUCER)
#define CONSUMER PROPERTIES_CONSUMER
#define PRODUCER PROPERTIES_PRODUCER

typedef struct Property
{
	int			clients; /* a set of PropertiesClient */
	const char *name;
	const char *value; /* NULL: filled in at run time */
	const char *why;   /* not NULL: nobody may change it, because */
} Property;

/*
 * Positions live in PostgreSQL.  The queue of records that were read ahead bounds the memory: librdkafka
 * takes some 300 bytes for each record, beside what is in it.  It should also hold nearly a second of work,
 * as librdkafka looks only once a second whether a full queue has room again.  A session timeout at the
 * broker's usual minimum lets another member take over soon after one was killed: heartbeats have their
 * own thread, and a rebalance is cheap.
 * A topic that was deleted is noticed before one of the same name is read: it is asked about sooner
 * than a fetch is tried again.
 *
 * Dead letters go one in a request, as a broker that refuses one refuses its whole request, and are as large
 * as the broker takes them.
 */
static const Property properties[] = {
	{BOTH, "bootstrap.servers", NULL, "use --brokers"},
	{BOTH, "client.id", "topk-kafka-feeder", NULL},
	{BOTH, "reconnect.backoff.max.ms", "2000", NULL},
	{BOTH, "socket.nagle.disable", "true", NULL},
	{BOTH, "socket.keepalive.enable", "true", NULL},
	{CONSUMER, "group.id", NULL, "use --group"},
	{CONSUMER, "enable.auto.commit", "false", "positions are kept in PostgreSQL"},
	{CONSUMER, "enable.auto.offset.store", "false", "positions are kept in PostgreSQL"},
	{CONSUMER, "auto.offset.reset", "error",
	 "a position that is gone must not be passed over silently"},
	{CONSUMER, "enable.partition.eof", "true", "positions pass the ends of transactions by it"},
	{CONSUMER, "partition.assignment.strategy", "range", NULL},
	{CONSUMER, "session.timeout.ms", "6000", NULL},
	{CONSUMER, "heartbeat.interval.ms", "1000", NULL},
	{CONSUMER, "queued.min.messages", "450000", NULL},
	{CONSUMER, "queued.max.messages.kbytes", "49152", NULL},
	{CONSUMER, "fetch.max.bytes", "8388608", NULL},
	{CONSUMER, "fetch.error.backoff.ms", "100", NULL},
	{CONSUMER, "topic.metadata.refresh.fast.interval.ms", "50", NULL},
	{PRODUCER, "acks", "all", "a dead letter must not be lost"},
	{PRODUCER, "batch.num.messages", "1",
	 "a dead letter that a broker refuses must not take others with it"},
	{PRODUCER, "message.max.bytes", "1000000000", NULL},
};

#define PROPERTIES (sizeof(properties) / sizeof(properties[0]))

static const char *
property_value(const Property *property, const FeederConfig *config)
{
	if (property->value != NULL)
		return property->value;
	if (strcmp(property->name, "bootstrap.servers") == 0)
		return config->brokers;
	return config->group;
}

/* Why a user may not set this property, or NULL. */
static const char *
property_refusal(const char *name, const char *value)
{
	if (strcmp(name, "metadata.broker.list") == 0)
		name = "bootstrap.servers";
	if (strcmp(name, "request.required.acks") == 0)
		name = "acks";
	for (size_t i = 0; i < PROPERTIES; i++)
	{
		if (strcmp(name, properties[i].name) == 0 && properties[i].why != NULL)
			return properties[i].why;
	}
	if (strcmp(name, "partition.assignment.strategy") == 0 && strstr(value, "cooperative") != NULL)
		return "only range and roundrobin are supported";
	return NULL;
}

/* Ours first, so that the user's win. */
rd_kafka_conf_t *
properties_conf(const FeederConfig *config, PropertiesClient client, char *problem,
				size_t problem_size)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	for (size_t i = 0; i < PROPERTIES; i++)
	{
		if ((properties[i].clients & client) != 0 &&
			rd_kafka_conf_set(conf, properties[i].name, property_value(&properties[i], config),
							  problem, problem_size) != RD_KAFKA_CONF_OK)
			goto refused;
	}
	for (int i = 0; i < config->properties.count; i++)
	{
		const OptionProperty *property = &config->properties.items[i];
		const char			 *refusal = property_refusal(property->name, property->value);

		if (refusal != NULL)
		{
			snprintf(problem, problem_size, "%s can not be set: %s", property->name, refusal);
			goto refused;
		}
		if (rd_kafka_conf_set(conf, property->name, property->value, problem, problem_size) !=
			RD_KAFKA_CONF_OK)
			goto refused;
	}
	return conf;

refused:
	rd_kafka_conf_destroy(conf);
	return NULL;
}

bool
properties_check(const FeederConfig *config, char *problem, size_t problem_size)
{
	rd_kafka_conf_t *conf = properties_conf(config, PROPERTIES_CONSUMER, problem, problem_size);

	if (conf == NULL)
		return false;
	rd_kafka_conf_destroy(conf);
	return true;
}
