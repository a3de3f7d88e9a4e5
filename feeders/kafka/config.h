/*
 * config.h
 *	  The options of topk-kafka-feeder.
 *
 * Must not know a connection: all of it is checked before the first one.
 */
#ifndef KAFKA_CONFIG_H
#define KAFKA_CONFIG_H

#include "../field_options.h"
#include "daemon/common_options.h"
#include "daemon/options.h"
#include "feed/event.h"

/* What to do about a stored position that is not in the topic: expired unread, or the topic was made anew. */
typedef enum ConfigLostPosition
{
	CONFIG_LOST_STOP,
	CONFIG_LOST_OLDEST
} ConfigLostPosition;

typedef struct FeederConfig
{
	CommonOptions common;

	/* Kafka */
	const char		*brokers;
	const char		*topic;
	const char		*group;
	const char		*dlq_topic;	 /* NULL: no dead letters */
	OptionProperties properties; /* of librdkafka */

	/* the pipeline */
	const char *pipeline;
	const char *source;			  /* name of the topic's positions; the topic unless given */
	int64_t		k;				  /* 0: whatever the pipeline has */
	int			on_lost_position; /* ConfigLostPosition */

	/* where the fields of an event lie, as JSON Pointers */
	FieldOptions field_options;
	FeedFields	 fields; /* the same, parsed */

	/* batches */
	int64_t batch_records;
	int64_t batch_bytes;
	int64_t batch_ms;
	bool	once;
	bool	check_config;
} FeederConfig;

extern const OptionsProgram feeder_program;

/*
 * Read arguments and environment into config, and check it.  Release it with
 * config_free, whatever the result.
 */
extern OptionsResult config_parse(int argc, char **argv, FeederConfig *config);
extern void			 config_free(FeederConfig *config);

#endif /* KAFKA_CONFIG_H */
