/*
 * main.c
 *	  topk-lambda-feeder: counts the records of a Kinesis stream in PostgreSQL, as the custom runtime
 *	  of an AWS Lambda function.
 *
 * The only file here that ends the program.
 */
#include <malloc.h>
#include <nss.h>
#include <signal.h>
#include <stdlib.h>

#include "config.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "daemon/status.h"
#include "handler.h"
#include "runtime.h"
#include "secret.h"
#include "store.h"

/* Lambda gives a start ten seconds; PostgreSQL gets half of them. */
#define START_CONNECT_MS 5000

/*
 * What a function does without: other sources of names than files and DNS, which a static program could
 * not load, and a resolver that is more patient than an invocation.
 */
static void
limit_name_service(void)
{
	__nss_configure_lookup("hosts", "files dns");
	__nss_configure_lookup("passwd", "files");
	setenv("RES_OPTIONS", "timeout:1 attempts:2", 0);
}

/* Invocations, until Lambda can't be answered any more. */
static void
serve(Handler *handler)
{
	Invocation	 invocation;
	DaemonStatus status = DAEMON_OK;

	while (status == DAEMON_OK)
	{
		status = runtime_next(handler->runtime, &invocation);
		if (status == DAEMON_OK)
			status = handler_handle(handler, &invocation);
	}
}

/*
 * PostgreSQL is connected to before the first invocation, if it is there.  If it is not, that is for the
 * invocation to find out: it gives its batch back, where a function that does not start gives a riddle.
 */
static void
run(const FeederConfig *config, const Log *log, Runtime *runtime)
{
	static const RuntimeError cannot_start = {"StartFailed", "the function's log says why"};
	Secret					 *secret;
	Store					  store = {0};
	Handler					  handler = {0};

	if (secret_open(config, log, &secret) == DAEMON_OK &&
		store_open(&store, config, secret, log) == DAEMON_OK &&
		handler_open(&handler, config, log, runtime, &store) == DAEMON_OK)
	{
		store_connect(&store, clock_milliseconds() + (config->connect_timeout_ms < START_CONNECT_MS
														  ? config->connect_timeout_ms
														  : START_CONNECT_MS));
		serve(&handler);
	}
	else
		runtime_fail_start(runtime, &cannot_start);
	handler_close(&handler);
	if (store.session != NULL)
		store_close(&store);
	secret_close(secret);
}

/* Lambda shows the log of a function that does not start, but its metrics and its caller only see this. */
static void
report_configuration(const Log *log)
{
	static const RuntimeError error = {
		"Configuration", "an environment variable is wrong: the function's log names it"};
	const char *address = getenv("AWS_LAMBDA_RUNTIME_API");
	Runtime	   *runtime;

	if (address == NULL || runtime_open(address, log, &runtime) != DAEMON_OK)
		return;
	runtime_fail_start(runtime, &error);
	runtime_close(runtime);
}

int
main(int argc, char **argv)
{
	FeederConfig  config;
	OptionsResult result;
	Log			  log;
	Runtime		 *runtime;
	int			  code = DAEMON_EXIT_FAILURE;

	signal(SIGPIPE, SIG_IGN);
	/* a batch's buffers grow by moving pages, not bytes, and go back when it is done */
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	limit_name_service();
	result = config_parse(argc, argv, &config);
	log = log_to_stderr(feeder_program.name, config.common.log_format, config.common.log_level);
	if (result == OPTIONS_INVALID)
		report_configuration(&log);
	if (result != OPTIONS_RUN)
		code = options_exit_status(result);
	else if (runtime_open(config.runtime_address, &log, &runtime) == DAEMON_OK)
	{
		run(&config, &log, runtime);
		runtime_close(runtime);
	}
	config_free(&config);
	return code;
}
