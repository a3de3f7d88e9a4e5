/*
 * config.c
 *	  The options of topk-kafka-feeder.
 *
 * Must not know a connection: all of it is checked before the first one.
 */
#include "config.h"

#include <string.h>

#include "daemon/version.h"
#include "mg/mg.h"
#include "properties.h"

/* In the order of ConfigLostPosition. */
static const char *const config_lost_positions[] = {"stop", "oldest", NULL};

static const OptionSpec config_options[] = {
	{.name = "brokers",
	 .letter = 'b',
	 .environment = "KAFKA_BROKERS",
	 .metavar = "HOST:PORT,...",
	 .initial = "localhost:9092",
	 .help = "Kafka brokers to start from",
	 .offset = offsetof(FeederConfig, brokers)},
	{.name = "topic",
	 .letter = 't',
	 .environment = "KAFKA_TOPIC",
	 .metavar = "NAME",
	 .initial = "interactions",
	 .help = "topic to read",
	 .offset = offsetof(FeederConfig, topic)},
	{.name = "group",
	 .letter = 'G',
	 .environment = "CONSUMER_GROUP",
	 .metavar = "NAME",
	 .initial = "recently_interacted_worker",
	 .help = "consumer group; all feeders of one pipeline and source belong to the same",
	 .offset = offsetof(FeederConfig, group)},
	{.name = "dlq-topic",
	 .environment = "DLQ_TOPIC",
	 .metavar = "NAME",
	 .help = "dead-letter topic: rejected records are also written there, once or more, with the "
			 "reason in their headers",
	 .offset = offsetof(FeederConfig, dlq_topic)},
	{.name = "property",
	 .letter = 'X',
	 .environment = "KAFKA_CONF_",
	 .metavar = "NAME=VALUE",
	 .type = OPTION_PROPERTIES,
	 .help = "property of librdkafka, such as security.protocol=sasl_ssl; repeatable",
	 .offset = offsetof(FeederConfig, properties)},
	{.name = "pipeline",
	 .letter = 'p',
	 .environment = "TOPK_PIPELINE",
	 .metavar = "NAME",
	 .initial = "recently_interacted",
	 .help = "pipeline to feed, made with topk_pipeline.create",
	 .offset = offsetof(FeederConfig, pipeline)},
	{.name = "source",
	 .environment = "TOPK_SOURCE",
	 .metavar = "NAME",
	 .help = "name under which positions are kept; by default the topic's name, so set it when "
			 "topics of the same name in two clusters feed one pipeline",
	 .offset = offsetof(FeederConfig, source)},
	{.name = "k",
	 .environment = "TOPK_K",
	 .metavar = "NUMBER",
	 .type = OPTION_INTEGER,
	 .help = "refuse to start unless the pipeline publishes this many items",
	 .offset = offsetof(FeederConfig, k),
	 .minimum = MG_K_MIN,
	 .maximum = MG_K_MAX},
	{.name = "on-lost-position",
	 .environment = "TOPK_ON_LOST_POSITION",
	 .metavar = "ACTION",
	 .type = OPTION_CHOICE,
	 .initial = "stop",
	 .help = "what to do when a stored position is not in the topic any more: stop, or accept the "
			 "loss and go on with the oldest record there is",
	 .offset = offsetof(FeederConfig, on_lost_position),
	 .choices = config_lost_positions},
	FIELD_OPTIONS(FeederConfig, field_options, "the timestamp of the Kafka record",
				  ", a string or an integer, by which an event counts once however "
				  "often and from whatever source it comes, within the pipeline's dedup TTL"),
	{.name = "batch-records",
	 .environment = "TOPK_BATCH_RECORDS",
	 .metavar = "NUMBER",
	 .type = OPTION_INTEGER,
	 .initial = "200000",
	 .help = "most records in one transaction",
	 .offset = offsetof(FeederConfig, batch_records),
	 .minimum = 1,
	 .maximum = 10000000},
	{.name = "batch-bytes",
	 .environment = "TOPK_BATCH_BYTES",
	 .metavar = "NUMBER",
	 .type = OPTION_INTEGER,
	 .initial = "16777216",
	 .help =
		 "bytes of summaries, of records with ids and of rejected records after which a batch is full",
	 .offset = offsetof(FeederConfig, batch_bytes),
	 .minimum = 1,
	 .maximum = 268435456},
	{.name = "batch-ms",
	 .environment = "TOPK_BATCH_MS",
	 .metavar = "DURATION",
	 .type = OPTION_DURATION,
	 .initial = "20ms",
	 .help = "least time from one transaction to the next unless a batch is full; the first "
			 "record after a pause is committed at once",
	 .offset = offsetof(FeederConfig, batch_ms),
	 .maximum = 60000},
	{.name = "once",
	 .environment = "TOPK_ONCE",
	 .type = OPTION_FLAG,
	 .help = "read up to where the topic ends at the start, commit, and exit",
	 .offset = offsetof(FeederConfig, once)},
	{.name = "check-config",
	 .environment = "TOPK_CHECK_CONFIG",
	 .type = OPTION_FLAG,
	 .help = "check the options and the properties of librdkafka, connect nowhere, and exit",
	 .offset = offsetof(FeederConfig, check_config)},
	COMMON_OPTIONS(FeederConfig, common, "127.0.0.1:9187"),
};

const OptionsProgram feeder_program = {
	.name = "topk-kafka-feeder",
	.version = TOPK_VERSION,
	.purpose =
		"counts the events of a Kafka topic in a pipeline of topk_pipeline, each exactly once",
	.options = config_options,
	.count = sizeof(config_options) / sizeof(config_options[0]),
};

static bool
config_check(FeederConfig *config)
{
	char problem[512];

	if (!common_options_check(&feeder_program, &config->common) ||
		!field_options_parse(&feeder_program, &config->field_options, &config->fields))
		return false;
	if (config->dlq_topic != NULL && strcmp(config->dlq_topic, config->topic) == 0)
	{
		options_error(&feeder_program, "dlq-topic",
					  "\"%s\" is the topic that is read; give another", config->dlq_topic);
		return false;
	}
	if (!properties_check(config, problem, sizeof(problem)))
	{
		options_error(&feeder_program, "property", "%s", problem);
		return false;
	}
	return true;
}

OptionsResult
config_parse(int argc, char **argv, FeederConfig *config)
{
	OptionsResult result;

	memset(config, 0, sizeof(*config));
	result = options_parse(&feeder_program, argc, argv, config);
	if (result != OPTIONS_RUN)
		return result;
	if (config->source == NULL)
		config->source = config->topic;
	return config_check(config) ? OPTIONS_RUN : OPTIONS_INVALID;
}

void
config_free(FeederConfig *config)
{
	feed_fields_free(&config->fields);
	options_release(&feeder_program, config);
}
