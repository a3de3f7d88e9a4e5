/*
 * main.c
 *	  topk-ddb-sync: mirrors the windows of a pipeline to DynamoDB.
 *
 * Opens what the loop needs, and is the only place that ends the program.
 */
#include "aws/credentials.h"
#include "config.h"
#include "create_table.h"
#include "daemon/version.h"
#include "import.h"
#include "mirror.h"
#include "sync.h"
#include "verify.h"

/* /healthz fails when the loop did not go round for this long. */
#define STALL_SECONDS 60

static DaemonStatus
on_connect(PgSession *session, void *context)
{
	(void) context;
	return mirror_prepare(session);
}

/* What it was started for. */
static DaemonStatus
run_mode(const SyncParts *parts)
{
	if (parts->config->create_table)
		return create_table_run(parts);
	if (parts->config->verify)
		return verify_run(parts);
	if (parts->config->import)
		return import_run(parts);
	return sync_run(parts);
}

static int
run(const Config *config, const Log *log)
{
	PgSettings pg_settings = {
		.dsn = config->common.dsn, .program = PROGRAM_NAME, .on_connect = on_connect};
	DynamoDbSettings dynamodb_settings = {
		.program = PROGRAM_NAME "/" TOPK_VERSION,
		.endpoint = config->dynamodb.endpoint,
		.region = config->dynamodb.region,
		.table = config->dynamodb.table,
		.slots = (int) config->concurrency,
	};
	Signals	  signals;
	SyncParts parts = {.config = config, .log = log, .signals = &signals};
	int		  exit_status = DAEMON_EXIT_FAILURE;

	if (signals_open(&signals, log) != DAEMON_OK)
		goto done;
	if (pg_session_open(&pg_settings, log, &signals, &parts.session) != DAEMON_OK)
	{
		exit_status = DAEMON_EXIT_CONFIGURATION;
		goto done;
	}
	if (credentials_open(dynamodb_settings.program, config->dynamodb.region, log,
						 &parts.credentials) != DAEMON_OK ||
		dynamodb_open(&dynamodb_settings, parts.credentials, log, &parts.dynamodb) != DAEMON_OK ||
		metrics_open(log, config->common.metrics_address, STALL_SECONDS, &parts.metrics) !=
			DAEMON_OK)
		goto done;

	log_info(log, "started", LOG_TEXT("version", TOPK_VERSION),
			 LOG_TEXT("pipeline", config->pipeline), LOG_TEXT("table", config->dynamodb.table),
			 LOG_TEXT("region", config->dynamodb.region),
			 LOG_TEXT("endpoint", config->dynamodb.endpoint));
	if (run_mode(&parts) == DAEMON_OK)
		exit_status = DAEMON_EXIT_OK;
	log_info(log, "stopped", LOG_INTEGER("status", exit_status));

done:
	metrics_close(parts.metrics);
	dynamodb_close(parts.dynamodb);
	credentials_close(parts.credentials);
	pg_session_close(parts.session);
	signals_close(&signals);
	return exit_status;
}

int
main(int argc, char **argv)
{
	Config		  config;
	OptionsResult result = config_read(argc, argv, &config);
	Log			  log;

	if (result != OPTIONS_RUN)
		return options_exit_status(result);
	log = log_to_stderr(PROGRAM_NAME, config.common.log_format, config.common.log_level);
	return run(&config, &log);
}
