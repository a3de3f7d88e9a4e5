/*
 * client.h
 *	  A client of librdkafka: made with our properties, heard by poll(), its own
 *	  log among ours at the level debug.
 *
 * Must not know what it is for.
 */
#ifndef KAFKA_CLIENT_H
#define KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>

#include "config.h"
#include "daemon/log.h"
#include "daemon/status.h"
#include "properties.h"

/* What client_open makes of it. */
typedef struct Client
{
	const Log		 *log;
	void			 *owner;
	rd_kafka_t		 *kafka;
	rd_kafka_queue_t *queue; /* of what librdkafka has to say, and of a consumer's records */
	int				  fd;	 /* for one's own poll(): readable when the queue is no longer empty */
} Client;

/* What librdkafka calls from within a poll; its opaque is the Client, which knows its owner. */
typedef struct ClientCallbacks
{
	void (*error)(rd_kafka_t *kafka, int error, const char *reason, void *opaque);
	void (*rebalance)(rd_kafka_t *kafka, rd_kafka_resp_err_t what,
					  rd_kafka_topic_partition_list_t *partitions,
					  void							  *opaque); /* of a consumer */
	void (*delivery)(rd_kafka_t *kafka, const rd_kafka_message_t *message,
					 void *opaque); /* of a producer */
} ClientCallbacks;

/* FATAL, logged, when it can't be made.  Close it in either case. */
extern DaemonStatus client_open(Client *client, PropertiesClient kind, const FeederConfig *config,
								const ClientCallbacks *callbacks, const Log *log, void *owner);

/* Nothing wakes up fd any more.  For a consumer, before it leaves its group. */
extern void client_mute(Client *client);

/* Topics and lists of partitions that belong to it are to be destroyed before. */
extern void client_close(Client *client);

/* Make fd unreadable again; before the queue is read, lest a wake-up be lost. */
extern void client_heard(const Client *client);

#endif /* KAFKA_CLIENT_H */
