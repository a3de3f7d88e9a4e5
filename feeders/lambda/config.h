/*
 * config.h
 *	  The options of topk-lambda-feeder: in a function, its environment variables.
 *
 * Must not know a connection: all of it is checked before the first one.
 */
#ifndef LAMBDA_CONFIG_H
#define LAMBDA_CONFIG_H

#include "../field_options.h"
#include "daemon/common_options.h"
#include "daemon/options.h"
#include "feed/event.h"

typedef enum ConfigMetrics
{
	CONFIG_METRICS_EMF,
	CONFIG_METRICS_OFF
} ConfigMetrics;

typedef struct FeederConfig
{
	CommonOptions common;
	const char	 *runtime_address;

	/* the pipeline */
	const char *pipeline;
	const char *source; /* NULL: the stream's name */
	int64_t		k;		/* 0: whatever the pipeline has */

	/* where the fields of an event lie, as JSON Pointers */
	FieldOptions field_options;
	FeedFields	 fields; /* the same, parsed */

	/* PostgreSQL's password */
	const char *password_file;
	const char *secret_arn;
	const char *secrets_endpoint;

	int64_t		connect_timeout_ms;
	int			metrics; /* ConfigMetrics */
	const char *metrics_namespace;
} FeederConfig;

extern const OptionsProgram feeder_program;

/*
 * Read arguments and environment into config, and check it.  Release it with
 * config_free, whatever the result.
 */
extern OptionsResult config_parse(int argc, char **argv, FeederConfig *config);
extern void			 config_free(FeederConfig *config);

#endif /* LAMBDA_CONFIG_H */
