/*
 * main.c
 *	  topk-query: answers which items are most frequent, to programs and to people.
 *
 * Opens what the loop needs, goes round, and is the only place that ends the program.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "answers.h"
#include "config.h"
#include "daemon/clock.h"
#include "daemon/notify.h"
#include "daemon/version.h"
#include "live.h"
#include "page.h"
#include "rpc_server.h"
#include "status.h"
#include "store_dynamodb.h"
#include "store_postgres.h"
#include "top.h"

/* /healthz fails when the loop did not go round for this long. */
#define STALL_SECONDS 30

/* The loop goes round at least this often. */
#define ROUND_MS 5000

/* Requests wait so long for the store to be reached the first time; without it they are told. */
#define MEET_MS 1000

/* A stop waits so long for the answers under way. */
#define DRAIN_MS 10000

typedef struct Query
{
	const Config *config;
	const Log	 *log;
	Signals		  signals;
	int			  hangups; /* signalfd of SIGHUP */
	Metrics		 *metrics;
	Store		 *store;
	Reads		 *reads;
	Top			 *top;
	Live		 *live;
	Status		 *status;
	Server		 *server;
	RpcServer	 *rpc;

	/* settings that others keep pointers to */
	DynamoDbSettings	  dynamodb;
	StorePostgresSettings postgres;
	PgSettings			  status_pg;
	StatusSettings		  status_settings;
} Query;

/* ---- opening ---- */

/* Before any thread is started, so that none takes it. */
static bool
catch_hangups(Query *query)
{
	sigset_t hangup;

	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &hangup, NULL) == 0)
		query->hangups = signalfd(-1, &hangup, SFD_NONBLOCK | SFD_CLOEXEC);
	return query->hangups >= 0;
}

static Store *
open_store(Query *query)
{
	const Config *config = query->config;
	const Shape	  shape = {.window_seconds = config->window_ms / 1000,
						   .retention_seconds = config->retention_ms / 1000,
						   .k = (int) config->k};

	if (config->store == STORE_KIND_POSTGRES)
	{
		query->postgres =
			(StorePostgresSettings) {.pg = {.dsn = config->common.dsn, .program = PROGRAM_NAME},
									 .pipeline = config->pipeline};
		return store_postgres_open(&query->postgres, query->log, &query->signals, query->metrics);
	}
	query->dynamodb = (DynamoDbSettings) {
		.program = PROGRAM_NAME "/" TOPK_VERSION,
		.endpoint = config->dynamodb.endpoint,
		.region = config->dynamodb.region,
		.table = config->dynamodb.table,
		.slots = (int) config->concurrency,
		.timeout_ms = (int) config->timeout_ms,
		.items = true,
	};
	return store_dynamodb_open(&query->dynamodb, &shape, query->log, query->metrics);
}

/* PostgreSQL is asked for the pipeline's health if it is the store, or was named. */
static Status *
open_status(Query *query)
{
	const Config *config = query->config;
	bool		  ask = config->store == STORE_KIND_POSTGRES || config->common.dsn != NULL;

	query->status_pg = (PgSettings) {.dsn = config->common.dsn, .program = PROGRAM_NAME};
	query->status_settings = (StatusSettings) {.program = PROGRAM_NAME "/" TOPK_VERSION,
											   .metrics_urls = config->metrics_urls,
											   .pg = ask ? &query->status_pg : NULL,
											   .pipeline = config->pipeline};
	return status_open(&query->status_settings, query->store, query->log, &query->signals);
}

static DaemonStatus
open_server(Query *query)
{
	const Config		*config = query->config;
	const ServerSettings settings = {
		.listen = config->listen,
		.certificate = config->certificate,
		.key = config->key,
		.token_file = config->token_file,
		.origins = config->origins,
		.connections_max = config->connections_max,
		.streams_max = config->streams_max,
		.body_max = config->body_max,
		.request_read_ms = 10000,
		.idle_ms = 120000,
		.write_stall_ms = 30000,
	};

	return server_open(&settings, query->log, query->metrics, &query->server);
}

static bool
register_routes(Query *query)
{
	const RpcSettings rpc = {.entities_max = (int) query->config->entities_max,
							 .body_max = (size_t) query->config->body_max,
							 .timeout_ms = query->config->timeout_ms};

	page_register(query->server);
	server_route(query->server, "GET", "/v1/top", top_answer, query->top, SERVER_CORS);
	server_route(query->server, "GET", "/v1/top/live", live_follow, query->live, SERVER_CORS);
	server_route(query->server, "GET", "/v1/status", status_answer, query->status, SERVER_CORS);
	query->rpc = rpc_open(query->server, query->reads, query->store, &rpc, query->metrics);
	return query->rpc != NULL;
}

static DaemonStatus
open_parts(Query *query)
{
	const Config	   *config = query->config;
	const ReadsSettings reads = {.cache_ttl_ms = config->cache_ttl_ms,
								 .cache_bytes = (size_t) config->cache_bytes};

	if (metrics_open(query->log, config->common.metrics_address, STALL_SECONDS, &query->metrics) !=
			DAEMON_OK ||
		(query->store = open_store(query)) == NULL ||
		(query->reads = reads_open(&reads, query->store, query->log, query->metrics)) == NULL ||
		(query->top = top_open(query->reads, config->timeout_ms)) == NULL ||
		(query->live = live_open(query->reads, config->live_interval_ms, config->live_max,
								 query->metrics)) == NULL ||
		(query->status = open_status(query)) == NULL)
		return DAEMON_FATAL;
	return open_server(query);
}

/* Those that answer go before what they stand on. */
static void
close_parts(Query *query)
{
	status_close(query->status);
	live_close(query->live);
	top_close(query->top);
	server_close(query->server);
	rpc_close(query->rpc);
	reads_close(query->reads);
	if (query->store != NULL)
		query->store->close(query->store);
	metrics_close(query->metrics);
}

/* ---- the loop ---- */

static int
earlier(int timeout, int other)
{
	return other >= 0 && (timeout < 0 || other < timeout) ? other : timeout;
}

static void
wait_for_something(Query *query, Wait *wait)
{
	int timeout;

	wait_begin(wait);
	wait_on(wait, server_fd(query->server), POLLIN);
	wait_on(wait, signals_fd(&query->signals), POLLIN);
	wait_on(wait, query->hangups, POLLIN);
	reads_prepare(query->reads, wait);
	top_prepare(query->top, wait);
	live_prepare(query->live, wait);
	status_prepare(query->status, wait);
	timeout = earlier(ROUND_MS, server_timeout(query->server));
	if (wait->until >= 0)
		timeout = earlier(timeout, clock_left(wait->until));
	poll(wait->fds, (nfds_t) wait->count, timeout);
}

static void
go_round(Query *query)
{
	struct signalfd_siginfo hangup;
	Wait					wait;

	wait_for_something(query, &wait);
	if (wait_found(&wait, query->hangups) && read(query->hangups, &hangup, sizeof(hangup)) > 0)
		server_reload(query->server);
	reads_dispatch(query->reads);
	top_dispatch(query->top);
	live_dispatch(query->live);
	status_dispatch(query->status);
	server_dispatch(query->server);
	metrics_progress(query->metrics);
}

/* Only PostgreSQL knows the shape of its windows, and tells it within milliseconds if it is there. */
static void
meet_store(Query *query)
{
	int64_t give_up = clock_milliseconds() + MEET_MS;

	while (reads_shape(query->reads)->window_seconds == 0 && clock_left(give_up) > 0 &&
		   !signals_stop_requested(&query->signals))
	{
		Wait wait;

		wait_begin(&wait);
		wait_on(&wait, signals_fd(&query->signals), POLLIN);
		reads_prepare(query->reads, &wait);
		wait_until(&wait, give_up);
		poll(wait.fds, (nfds_t) wait.count, clock_left(wait.until));
		reads_dispatch(query->reads);
	}
}

static void
run_loop(Query *query)
{
	int64_t give_up;

	notify_systemd("READY=1");
	while (!signals_stop_requested(&query->signals))
		go_round(query);
	notify_systemd("STOPPING=1");
	give_up = clock_milliseconds() + DRAIN_MS;
	live_drain(query->live);
	server_drain(query->server);
	server_dispatch(query->server);
	while (server_connections(query->server) > 0 && clock_left(give_up) > 0)
		go_round(query);
}

static int
run(const Config *config, const Log *log)
{
	Query query = {.config = config, .log = log, .hangups = -1};
	int	  exit_status = DAEMON_EXIT_FAILURE;

	if (signals_open(&query.signals, log) == DAEMON_OK && catch_hangups(&query) &&
		open_parts(&query) == DAEMON_OK && register_routes(&query))
	{
		meet_store(&query);
		log_info(log, "started", LOG_TEXT("version", TOPK_VERSION),
				 LOG_TEXT("store", query.store->name));
		run_loop(&query);
		exit_status = DAEMON_EXIT_OK;
		log_info(log, "stopped", LOG_INTEGER("status", exit_status));
	}
	close_parts(&query);
	if (query.hangups >= 0)
		close(query.hangups);
	signals_close(&query.signals);
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
