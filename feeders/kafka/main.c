/*
 * main.c
 *	  topk-kafka-feeder: counts the events of a Kafka topic in PostgreSQL.
 *
 * The only file here that ends the program.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>

#include "config.h"
#include "daemon/backoff.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/notify.h"
#include "daemon/signals.h"
#include "daemon/status.h"
#include "feeder.h"
#include "store.h"

/* /healthz complains when the loop did not go round for so long; a call to PostgreSQL may take a minute. */
#define STALL_SECONDS 90

/* Wait for PostgreSQL and learn the pipeline's settings; RETRY only when a stop is requested. */
static DaemonStatus
await_settings(Store *store, const Log *log, Signals *signals, Metrics *metrics,
			   FeedSettings *settings)
{
	Backoff		 backoff;
	DaemonStatus status = DAEMON_RETRY;

	backoff_init(&backoff, "PostgreSQL");
	while (status == DAEMON_RETRY && !signals_stop_requested(signals))
	{
		metrics_progress(metrics);
		status = store_connect(store);
		if (status == DAEMON_OK)
			status = store_settings(store, settings);
		if (status == DAEMON_OK)
			backoff_succeeded(&backoff, log);
		else if (status == DAEMON_RETRY)
			signals_wait(signals, -1, 0,
						 backoff_failed(&backoff, log, pg_problem(store->session)->message));
	}
	return status;
}

static int
run_feeder(const FeederConfig *config, const FeedSettings *settings, Store *store, const Log *log,
		   Signals *signals, Metrics *metrics)
{
	Feeder		*feeder;
	DaemonStatus status;

	if (config->k != 0 && config->k != settings->k)
	{
		options_error(&feeder_program, "k",
					  "pipeline \"%s\" publishes %d items, not %lld; "
					  "leave --k (TOPK_K) out, or create a pipeline with that k",
					  config->pipeline, settings->k, (long long) config->k);
		return DAEMON_EXIT_CONFIGURATION;
	}
	status = feeder_open(config, settings, store, log, signals, metrics, &feeder);
	if (status == DAEMON_OK)
		status = feeder_run(feeder);
	feeder_close(feeder);
	return status == DAEMON_OK ? DAEMON_EXIT_OK : DAEMON_EXIT_FAILURE;
}

/* With everything that needs no dependency at hand: wait for the dependencies and run. */
static int
run(const FeederConfig *config, const Log *log, Signals *signals)
{
	Store		 store;
	FeedSettings settings;
	Metrics		*metrics = NULL;
	int			 code = DAEMON_EXIT_FAILURE;

	if (store_open(&store, config->common.dsn, config->pipeline, config->source, log, signals) !=
		DAEMON_OK)
		code = DAEMON_EXIT_CONFIGURATION;
	else if (config->check_config)
	{
		log_info(log, "configuration is valid");
		code = DAEMON_EXIT_OK;
	}
	else if (metrics_open(log, config->common.metrics_address, STALL_SECONDS, &metrics) ==
			 DAEMON_OK)
	{
		metrics_ready(metrics, "postgresql", false);
		metrics_ready(metrics, "kafka", false);
		log_info(log, "starting", LOG_TEXT("topic", config->topic),
				 LOG_TEXT("group", config->group), LOG_TEXT("pipeline", config->pipeline),
				 LOG_TEXT("source", config->source));
		/* up, even if what it needs is not: /readyz tells that */
		notify_systemd("READY=1");
		switch (await_settings(&store, log, signals, metrics, &settings))
		{
			case DAEMON_OK:
				code = run_feeder(config, &settings, &store, log, signals, metrics);
				break;
			case DAEMON_RETRY:
				code = DAEMON_EXIT_OK; /* stopped while waiting */
				break;
			case DAEMON_FATAL:
				break;
		}
	}
	metrics_close(metrics);
	store_close(&store);
	return code;
}

/*
 * Each of librdkafka's threads would have a heap of its own, from which what it read is freed by ours: what
 * one has to spare no other can use, and a new consumer after a rebalance takes more.  Its responses, of
 * megabytes, go back to the system when they are freed.
 */
static void
bound_heap(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, 1024 * 1024);
}

int
main(int argc, char **argv)
{
	FeederConfig  config;
	OptionsResult result;
	Signals		  signals;
	Log			  log;
	int			  code = DAEMON_EXIT_FAILURE;

	bound_heap();
	result = config_parse(argc, argv, &config);
	log = log_to_stderr(feeder_program.name, config.common.log_format, config.common.log_level);
	if (result != OPTIONS_RUN)
		code = options_exit_status(result);
	else if (signals_open(&signals, &log) == DAEMON_OK)
	{
		code = run(&config, &log, &signals);
		signals_close(&signals);
	}
	config_free(&config);
	return code;
}
