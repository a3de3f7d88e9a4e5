/*
 * client.c
 *	  A client of librdkafka: made with our properties, heard by poll(), its own
 *	  log among ours at the level debug.
 *
 * Must not know what it is for.
 */
#include "client.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* From librdkafka's own threads.  What a user has to know comes as an error. */
static void
on_log(const rd_kafka_t *kafka, int level, const char *facility, const char *text)
{
	const Client *client = rd_kafka_opaque(kafka);

	log_debug(client->log, "librdkafka", LOG_INTEGER("syslog_level", level),
			  LOG_TEXT("facility", facility), LOG_TEXT("text", text));
}

static DaemonStatus
client_create(Client *client, PropertiesClient kind, const FeederConfig *config,
			  const ClientCallbacks *callbacks)
{
	bool			 consumer = kind == PROPERTIES_CONSUMER;
	char			 problem[512];
	rd_kafka_conf_t *conf = properties_conf(config, kind, problem, sizeof(problem));

	if (conf != NULL)
	{
		rd_kafka_conf_set_opaque(conf, client);
		rd_kafka_conf_set_error_cb(conf, callbacks->error);
		rd_kafka_conf_set_log_cb(conf, on_log);
		if (consumer)
			rd_kafka_conf_set_rebalance_cb(conf, callbacks->rebalance);
		else
			rd_kafka_conf_set_dr_msg_cb(conf, callbacks->delivery);
		client->kafka = rd_kafka_new(consumer ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf,
									 problem, sizeof(problem));
		if (client->kafka == NULL)
			rd_kafka_conf_destroy(conf);
	}
	if (client->kafka != NULL)
		return DAEMON_OK;
	log_error(client->log, "could not create the Kafka client",
			  LOG_TEXT("kind", consumer ? "consumer" : "producer"), LOG_TEXT("error", problem),
			  LOG_TEXT("hint", "check the properties of librdkafka (-X, KAFKA_CONF_...)"));
	return DAEMON_FATAL;
}

DaemonStatus
client_open(Client *client, PropertiesClient kind, const FeederConfig *config,
			const ClientCallbacks *callbacks, const Log *log, void *owner)
{
	static const uint64_t wake = 1;

	*client = (Client) {.log = log, .owner = owner, .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
	if (client->fd < 0)
	{
		log_error(log, "could not create an eventfd", LOG_TEXT("error", strerror(errno)));
		return DAEMON_FATAL;
	}
	if (client_create(client, kind, config, callbacks) != DAEMON_OK)
		return DAEMON_FATAL;
	if (kind == PROPERTIES_CONSUMER)
	{
		rd_kafka_poll_set_consumer(client->kafka);
		client->queue = rd_kafka_queue_get_consumer(client->kafka);
	}
	else
		client->queue = rd_kafka_queue_get_main(client->kafka);
	rd_kafka_queue_io_event_enable(client->queue, client->fd, &wake, sizeof(wake));
	return DAEMON_OK;
}

void
client_mute(Client *client)
{
	if (client->queue == NULL)
		return;
	rd_kafka_queue_io_event_enable(client->queue, -1, NULL, 0);
	rd_kafka_queue_destroy(client->queue);
	client->queue = NULL;
}

void
client_close(Client *client)
{
	client_mute(client);
	if (client->kafka != NULL)
		rd_kafka_destroy(client->kafka);
	if (client->fd >= 0)
		close(client->fd);
}

void
client_heard(const Client *client)
{
	uint64_t wakes;

	while (read(client->fd, &wakes, sizeof(wakes)) > 0)
		;
}
