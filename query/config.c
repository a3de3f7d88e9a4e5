/*
 * config.c
 *	  The option table of topk-query, and what its values must be together.
 *
 * Must not open a connection.
 */
#include "config.h"

#include <stddef.h>
#include <string.h>

#include "daemon/address.h"
#include "daemon/version.h"
#include "mg/mg.h"
#include "status.h"

#define MS_SECOND INT64_C(1000)
#define MS_DAY (24 * 3600 * MS_SECOND)

static const char *const store_names[] = {"dynamodb", "postgres", NULL};

static const OptionSpec options[] = {
	{.name = "listen",
	 .environment = "GRPC_ADDR",
	 .metavar = "HOST:PORT",
	 .type = OPTION_TEXT,
	 .initial = "127.0.0.1:50051",
	 .help = "where to answer; :50051 is that port on all addresses",
	 .offset = offsetof(Config, listen)},
	{.name = "tls-cert",
	 .environment = "TOPK_TLS_CERT",
	 .metavar = "FILE",
	 .type = OPTION_TEXT,
	 .help = "certificate and its chain in PEM; with it only TLS is spoken",
	 .offset = offsetof(Config, certificate)},
	{.name = "tls-key",
	 .environment = "TOPK_TLS_KEY",
	 .metavar = "FILE",
	 .type = OPTION_TEXT,
	 .help = "the certificate's private key in PEM",
	 .offset = offsetof(Config, key)},
	{.name = "token-file",
	 .environment = "TOPK_TOKEN_FILE",
	 .metavar = "FILE",
	 .type = OPTION_TEXT,
	 .help = "bearer tokens that may ask, one a line; by default none is asked for",
	 .offset = offsetof(Config, token_file)},
	{.name = "cors-origin",
	 .environment = "TOPK_CORS_ORIGIN",
	 .metavar = "ORIGINS",
	 .type = OPTION_TEXT,
	 .help = "origins whose pages may ask, comma-separated, or *; by default none but this one",
	 .offset = offsetof(Config, origins)},
	{.name = "store",
	 .environment = "TOPK_STORE",
	 .metavar = "STORE",
	 .type = OPTION_CHOICE,
	 .initial = "dynamodb",
	 .help = "where windows are read: the rows that topk-ddb-sync writes, or PostgreSQL itself",
	 .offset = offsetof(Config, store),
	 .choices = store_names},
	DYNAMODB_OPTIONS(Config, dynamodb),
	COMMON_DSN_OPTION(Config, common),
	{.name = "pipeline",
	 .environment = "TOPK_PIPELINE",
	 .metavar = "NAME",
	 .type = OPTION_TEXT,
	 .initial = "recently_interacted",
	 .help = "pipeline to read from PostgreSQL, and to tell the health of",
	 .offset = offsetof(Config, pipeline)},
	{.name = "concurrency",
	 .environment = "TOPK_QUERY_CONCURRENCY",
	 .metavar = "NUMBER",
	 .type = OPTION_INTEGER,
	 .initial = "64",
	 .help = "requests to DynamoDB under way at once, each over a connection of its own",
	 .offset = offsetof(Config, concurrency),
	 .minimum = 1,
	 .maximum = 256},
	{.name = "topk-k",
	 .environment = "TOPK_K",
	 .metavar = "NUMBER",
	 .type = OPTION_INTEGER,
	 .initial = "32",
	 .help = "with --store=dynamodb: K of a summary without data, as the pipeline has it",
	 .offset = offsetof(Config, k),
	 .minimum = MG_K_MIN,
	 .maximum = MG_K_MAX},
	{.name = "window",
	 .environment = "TOPK_WINDOW",
	 .metavar = "TIME",
	 .type = OPTION_DURATION,
	 .initial = "1d",
	 .help = "with --store=dynamodb: length of a window, as the pipeline has it",
	 .offset = offsetof(Config, window_ms),
	 .minimum = MS_SECOND,
	 .maximum = 366 * MS_DAY},
	{.name = "retention",
	 .environment = "TOPK_RETENTION",
	 .metavar = "TIME",
	 .type = OPTION_DURATION,
	 .initial = "30d",
	 .help = "with --store=dynamodb: how long windows are kept, and so the longest range",
	 .offset = offsetof(Config, retention_ms),
	 .minimum = MS_SECOND,
	 .maximum = 3660 * MS_DAY},
	{.name = "cache-ttl",
	 .environment = "TOPK_CACHE_TTL",
	 .metavar = "TIME",
	 .type = OPTION_DURATION,
	 .initial = "1s",
	 .help = "how old an answer may be that was read before, unless the caller wants a fresh one; "
			 "0 keeps none",
	 .offset = offsetof(Config, cache_ttl_ms),
	 .minimum = 0,
	 .maximum = 3600 * MS_SECOND},
	{.name = "cache-bytes",
	 .environment = "TOPK_CACHE_BYTES",
	 .metavar = "BYTES",
	 .type = OPTION_INTEGER,
	 .initial = "67108864",
	 .help = "memory for such answers",
	 .offset = offsetof(Config, cache_bytes),
	 .minimum = 0,
	 .maximum = INT64_C(1) << 40},
	{.name = "request-timeout",
	 .environment = "TOPK_REQUEST_TIMEOUT",
	 .metavar = "TIME",
	 .type = OPTION_DURATION,
	 .initial = "2s",
	 .help = "a request that is not answered by then has failed; a client may want less",
	 .offset = offsetof(Config, timeout_ms),
	 .minimum = 10,
	 .maximum = 3600 * MS_SECOND},
	{.name = "max-entities",
	 .environment = "TOPK_MAX_ENTITIES",
	 .metavar = "NUMBER",
	 .type = OPTION_INTEGER,
	 .initial = "1000",
	 .help = "most entities of one request",
	 .offset = offsetof(Config, entities_max),
	 .minimum = 1,
	 .maximum = 100000},
	{.name = "max-body",
	 .environment = "TOPK_MAX_BODY",
	 .metavar = "BYTES",
	 .type = OPTION_INTEGER,
	 .initial = "1048576",
	 .help = "longest request",
	 .offset = offsetof(Config, body_max),
	 .minimum = 1024,
	 .maximum = INT64_C(64) << 20},
	{.name = "max-connections",
	 .environment = "TOPK_MAX_CONNECTIONS",
	 .metavar = "NUMBER",
	 .type = OPTION_INTEGER,
	 .initial = "1000",
	 .help = "open connections; more are closed at once",
	 .offset = offsetof(Config, connections_max),
	 .minimum = 1,
	 .maximum = 1000000},
	{.name = "max-streams",
	 .environment = "TOPK_MAX_STREAMS",
	 .metavar = "NUMBER",
	 .type = OPTION_INTEGER,
	 .initial = "100",
	 .help = "requests at once of one HTTP/2 connection",
	 .offset = offsetof(Config, streams_max),
	 .minimum = 1,
	 .maximum = 100000},
	{.name = "live-interval",
	 .environment = "TOPK_LIVE_INTERVAL",
	 .metavar = "TIME",
	 .type = OPTION_DURATION,
	 .initial = "1s",
	 .help = "how often a live list is looked at",
	 .offset = offsetof(Config, live_interval_ms),
	 .minimum = 100,
	 .maximum = 3600 * MS_SECOND},
	{.name = "max-live",
	 .environment = "TOPK_MAX_LIVE",
	 .metavar = "NUMBER",
	 .type = OPTION_INTEGER,
	 .initial = "500",
	 .help = "live lists at once",
	 .offset = offsetof(Config, live_max),
	 .minimum = 0,
	 .maximum = 1000000},
	{.name = "metrics-urls",
	 .environment = "TOPK_METRICS_URLS",
	 .metavar = "URLS",
	 .type = OPTION_TEXT,
	 .help =
		 "where the feeders' and topk-ddb-sync's metrics are, comma-separated, each URL or NAME=URL; "
		 "the page shows the pipeline's health by them",
	 .offset = offsetof(Config, metrics_urls)},
	COMMON_METRICS_OPTION(Config, common, "127.0.0.1:9189"),
	COMMON_LOG_OPTIONS(Config, common),
};

static const OptionsProgram program = {
	.name = PROGRAM_NAME,
	.version = TOPK_VERSION,
	.purpose = "answer which items are most frequent: gRPC, Connect, JSON, and a page",
	.options = options,
	.count = sizeof(options) / sizeof(options[0]),
	.epilogue = "SIGHUP: the certificate, its key and the tokens are read again.\n\n"
				"Exit status: 0 asked to stop, 1 a lasting error, 2 a wrong option.",
};

static bool
check_address(const char *name, const char *address)
{
	char host[ADDRESS_HOST_SIZE];
	char port[ADDRESS_PORT_SIZE];

	if (address_split(address, host, port))
		return true;
	options_error(&program, name, "\"%s\" is not allowed; allowed is HOST:PORT", address);
	return false;
}

static bool
check_access(const Config *config)
{
	if ((config->certificate == NULL) == (config->key == NULL))
		return true;
	options_error(&program, config->certificate == NULL ? "tls-key" : "tls-cert",
				  "is to be given together with --%s",
				  config->certificate == NULL ? "tls-cert" : "tls-key");
	return false;
}

static bool
check_shape(const Config *config)
{
	if (config->window_ms % MS_SECOND != 0)
		options_error(&program, "window", "allowed are whole seconds");
	else if (config->retention_ms < config->window_ms)
		options_error(&program, "retention", "must not be shorter than --window");
	else
		return true;
	return false;
}

static bool
check_urls(const char *urls)
{
	const char *problem = urls != NULL ? status_check_urls(urls) : NULL;

	if (problem == NULL)
		return true;
	options_error(&program, "metrics-urls", "%s", problem);
	return false;
}

OptionsResult
config_read(int argc, char **argv, Config *config)
{
	OptionsResult result = options_parse(&program, argc, argv, config);

	if (result != OPTIONS_RUN)
		return result;
	if (!check_address("listen", config->listen) || !check_access(config) || !check_shape(config) ||
		!check_urls(config->metrics_urls) || !dynamodb_options_check(&program, &config->dynamodb) ||
		!common_options_check(&program, &config->common))
		return OPTIONS_INVALID;
	return OPTIONS_RUN;
}
