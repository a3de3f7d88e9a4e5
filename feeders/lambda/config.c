/*
 * config.c
 *	  The options of topk-lambda-feeder: in a function, its environment variables.
 *
 * Must not know a connection: all of it is checked before the first one.
 */
#include "config.h"

#include <string.h>

#include "daemon/version.h"
#include "mg/mg.h"

/* In the order of ConfigMetrics. */
static const char *const config_metrics[] = {"emf", "off", NULL};

static const OptionSpec config_options[] = {
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
	 .help = "name under which rejected records are kept; by default the stream's name",
	 .offset = offsetof(FeederConfig, source)},
	{.name = "k",
	 .environment = "TOPK_K",
	 .metavar = "NUMBER",
	 .type = OPTION_INTEGER,
	 .help = "count nothing unless the pipeline publishes this many items",
	 .offset = offsetof(FeederConfig, k),
	 .minimum = MG_K_MIN,
	 .maximum = MG_K_MAX},
	FIELD_OPTIONS(FeederConfig, field_options, "the time when the record arrived at Kinesis",
				  " that the producer gives the event, a string or an integer, by "
				  "which it counts once however often it is sent; by default stream, shard and "
				  "sequence number are its id"),
	COMMON_DSN_OPTION(FeederConfig, common),
	{.name = "password-file",
	 .environment = "TOPK_PASSWORD_FILE",
	 .metavar = "FILE",
	 .help = "file whose first line is PostgreSQL's password",
	 .offset = offsetof(FeederConfig, password_file)},
	{.name = "secret-arn",
	 .environment = "TOPK_SECRET_ARN",
	 .metavar = "ARN",
	 .help = "secret of AWS Secrets Manager that is PostgreSQL's password, or a JSON object with "
			 "username and password",
	 .offset = offsetof(FeederConfig, secret_arn)},
	{.name = "secrets-endpoint",
	 .environment = "AWS_ENDPOINT_URL_SECRETS_MANAGER",
	 .metavar = "URL",
	 .help = "where Secrets Manager is, if not at AWS's endpoint of the secret's region",
	 .offset = offsetof(FeederConfig, secrets_endpoint)},
	{.name = "connect-timeout",
	 .environment = "TOPK_CONNECT_TIMEOUT",
	 .metavar = "DURATION",
	 .type = OPTION_DURATION,
	 .initial = "2500ms",
	 .help = "how long an invocation tries to reach PostgreSQL before it gives the batch back; "
			 "it ends a second before the function's timeout in any case",
	 .offset = offsetof(FeederConfig, connect_timeout_ms),
	 .minimum = 100,
	 .maximum = 60000},
	{.name = "metrics",
	 .environment = "TOPK_METRICS",
	 .metavar = "FORMAT",
	 .type = OPTION_CHOICE,
	 .initial = "emf",
	 .help = "metrics of each invocation as a line on standard output, for CloudWatch",
	 .offset = offsetof(FeederConfig, metrics),
	 .choices = config_metrics},
	{.name = "metrics-namespace",
	 .environment = "TOPK_METRICS_NAMESPACE",
	 .metavar = "NAME",
	 .initial = "topk",
	 .help = "namespace of these metrics",
	 .offset = offsetof(FeederConfig, metrics_namespace)},
	COMMON_LOG_OPTIONS(FeederConfig, common),
	{.name = "runtime-api",
	 .environment = "AWS_LAMBDA_RUNTIME_API",
	 .metavar = "HOST:PORT",
	 .help = "Lambda's Runtime API; Lambda and its emulator set the variable",
	 .offset = offsetof(FeederConfig, runtime_address)},
};

const OptionsProgram feeder_program = {
	.name = "topk-lambda-feeder",
	.version = TOPK_VERSION,
	.purpose = "an AWS Lambda function that counts the events of a Kinesis stream in a pipeline of "
			   "topk_pipeline, each exactly once",
	.options = config_options,
	.count = sizeof(config_options) / sizeof(config_options[0]),
	.epilogue = "Exit status: 1 Lambda can't be answered, or has been told why the function can't "
				"start, 2 a wrong option.",
};

static bool
check_password(const FeederConfig *config)
{
	const char *endpoint = config->secrets_endpoint;

	if (config->password_file != NULL && config->secret_arn != NULL)
	{
		options_error(
			&feeder_program, NULL,
			"--password-file and --secret-arn are both given; the password has one place");
		return false;
	}
	if (config->secret_arn != NULL && strncmp(config->secret_arn, "arn:", 4) != 0)
	{
		options_error(&feeder_program, "secret-arn",
					  "\"%s\" is not an ARN, such as "
					  "arn:aws:secretsmanager:eu-west-1:123456789012:secret:topk",
					  config->secret_arn);
		return false;
	}
	if (endpoint != NULL && strncmp(endpoint, "http://", 7) != 0 &&
		strncmp(endpoint, "https://", 8) != 0)
	{
		options_error(&feeder_program, "secrets-endpoint",
					  "\"%s\" is not a URL that begins with http:// or https://", endpoint);
		return false;
	}
	return true;
}

static bool
check(FeederConfig *config)
{
	if (!field_options_parse(&feeder_program, &config->field_options, &config->fields) ||
		!check_password(config))
		return false;
	if (config->runtime_address != NULL)
		return true;
	options_error(&feeder_program, "runtime-api",
				  "AWS_LAMBDA_RUNTIME_API is not set; this program is started by AWS Lambda, or by "
				  "its Runtime Interface Emulator");
	return false;
}

OptionsResult
config_parse(int argc, char **argv, FeederConfig *config)
{
	OptionsResult result;

	memset(config, 0, sizeof(*config));
	result = options_parse(&feeder_program, argc, argv, config);
	if (result != OPTIONS_RUN)
		return result;
	return check(config) ? OPTIONS_RUN : OPTIONS_INVALID;
}

void
config_free(FeederConfig *config)
{
	feed_fields_free(&config->fields);
	options_release(&feeder_program, config);
}
