/*
 * config.c
 *	  The option table of topk-ddb-sync, and what its values must be together.
 *
 * Must not open a connection.
 */
#include "config.h"

#include "daemon/version.h"

#define MS_HOUR (3600 * 1000)

static const OptionSpec options[] = {
	COMMON_OPTIONS(Config, common, "127.0.0.1:9188"),
	{.name = "pipeline",
	 .environment = "TOPK_PIPELINE",
	 .metavar = "NAME",
	 .type = OPTION_TEXT,
	 .initial = "recently_interacted",
	 .help = "pipeline to mirror",
	 .offset = offsetof(Config, pipeline)},
	DYNAMODB_OPTIONS(Config, dynamodb),
	{.name = "interval",
	 .environment = "TOPK_MIRROR_INTERVAL",
	 .metavar = "TIME",
	 .type = OPTION_DURATION,
	 .initial = "1s",
	 .help = "a window is written at most once in this time, and looked for at least this often",
	 .offset = offsetof(Config, interval_ms),
	 .minimum = 10,
	 .maximum = MS_HOUR},
	{.name = "expire-interval",
	 .environment = "TOPK_EXPIRE_INTERVAL",
	 .metavar = "TIME",
	 .type = OPTION_DURATION,
	 .initial = "1h",
	 .help =
		 "how often to delete what is past the pipeline's retention from PostgreSQL; 0 is never",
	 .offset = offsetof(Config, expire_interval_ms),
	 .minimum = 0,
	 .maximum = INT64_C(7) * 24 * MS_HOUR},
	{.name = "concurrency",
	 .environment = "TOPK_MIRROR_CONCURRENCY",
	 .metavar = "NUMBER",
	 .type = OPTION_INTEGER,
	 .initial = "32",
	 .help = "requests to DynamoDB under way at once, each over a connection of its own",
	 .offset = offsetof(Config, concurrency),
	 .minimum = 1,
	 .maximum = 256},
	{.name = "once",
	 .type = OPTION_FLAG,
	 .help = "mirror what is changed now, and exit; 1 if a window could not be mirrored",
	 .offset = offsetof(Config, once)},
	{.name = "take-over",
	 .type = OPTION_FLAG,
	 .help =
		 "with --once: overwrite rows in the way, of someone else or from before a restore; with --verify: "
		 "have rows that differ written again",
	 .offset = offsetof(Config, take_over)},
	{.name = "dry-run",
	 .type = OPTION_FLAG,
	 .help = "log what --once would write now, write nothing, and exit",
	 .offset = offsetof(Config, dry_run)},
	{.name = "verify",
	 .type = OPTION_FLAG,
	 .help = "compare the rows with PostgreSQL, log what differs, and exit; 1 if something does",
	 .offset = offsetof(Config, verify)},
	{.name = "import",
	 .type = OPTION_FLAG,
	 .help = "take the rows of Murmur in the table over into the pipeline, each once, and exit",
	 .offset = offsetof(Config, import)},
	{.name = "create-table",
	 .type = OPTION_FLAG,
	 .help = "create the table unless it exists, have it forget rows after their ttl, and exit",
	 .offset = offsetof(Config, create_table)},
};

static const OptionsProgram program = {
	.name = PROGRAM_NAME,
	.version = TOPK_VERSION,
	.purpose = "mirror the windows of a pipeline to DynamoDB",
	.options = options,
	.count = sizeof(options) / sizeof(options[0]),
	.epilogue =
		"Credentials come from where the AWS SDKs look: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,\n"
		"a web identity, AWS_PROFILE, the container's role, the EC2 instance's role.\n\n"
		"Exit status: 0 done or asked to stop, 1 a lasting error, 2 a wrong option.",
};

static bool
check_mode(const Config *config)
{
	if (config->once + config->dry_run + config->verify + config->import + config->create_table > 1)
		options_error(
			&program, NULL,
			"only one of --once, --dry-run, --verify, --import and --create-table is possible");
	else if (config->take_over && !config->once && !config->verify)
		options_error(&program, "take-over", "is to be given together with --once or --verify");
	else
		return true;
	return false;
}

OptionsResult
config_read(int argc, char **argv, Config *config)
{
	OptionsResult result = options_parse(&program, argc, argv, config);

	if (result != OPTIONS_RUN)
		return result;
	if (!dynamodb_options_check(&program, &config->dynamodb) ||
		!common_options_check(&program, &config->common) || !check_mode(config))
		return OPTIONS_INVALID;
	return OPTIONS_RUN;
}
