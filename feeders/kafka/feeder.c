/*
 * feeder.c
 *	  The loop: records of Kafka into batches, batches into PostgreSQL.
 *
 * Must not know what an event looks like (lib/feed) or how bytes travel
 * (consumer.c, store.c).
 */
#include <poll.h>
#include <stdlib.h>

#include "daemon/clock.h"
#include "daemon/notify.h"
#include "feeder_internal.h"

/* Longest sleep: librdkafka and /healthz want to see the loop. */
#define WAIT_MAX_MS 1000

/* How long a rebalance or a stop waits for the batches at hand; dropping them loses nothing. */
#define SETTLE_MS 10000

/* How long a stop waits for dead letters; the next feeder sends what is left. */
#define LETTERS_MS 5000

/* ---- small questions ---- */

bool
feeder_filling_full(const Feeder *feeder)
{
	return feed_batch_records(feeder->filling) >= feeder->config->batch_records ||
		   feed_batch_bytes(feeder->filling) >= (size_t) feeder->config->batch_bytes ||
		   feed_batch_weight(feeder->filling) >= FEED_BATCH_WEIGHT_MAX;
}

bool
feeder_nothing_at_hand(const Feeder *feeder)
{
	return feeder->sent_state == SENT_NONE && feed_batch_shard_count(feeder->filling) == 0;
}

static bool
feeder_is_drained(const Feeder *feeder)
{
	return feeder->config->once && feeder->assigned && partitions_drained(&feeder->partitions);
}

/* ---- giving up what is at hand: the stored positions did not move, so it is read again ---- */

void
feeder_drop(Feeder *feeder, const char *why)
{
	if (!feeder_nothing_at_hand(feeder))
	{
		log_warning(feeder->log, "batch dropped, its records are read again", LOG_TEXT("why", why),
					LOG_INTEGER("records", feed_batch_records(feeder->filling) +
											   feed_batch_records(feeder->sent)));
		gauges_dropped(&feeder->gauges);
	}
	if (feeder->sent_state == SENT_WAITING)
		pg_session_disconnect(feeder->store->session);
	feeder->sent_state = SENT_NONE;
	feed_batch_reset(feeder->sent);
	feed_batch_reset(feeder->filling);
	feeder_forget_messages(feeder);
	feeder_forget_partitions(feeder);
	feeder->rejoin = true;
}

/* ---- waiting ---- */

static int
feeder_wait_ms(const Feeder *feeder)
{
	int64_t now = clock_milliseconds();
	int64_t until = now + WAIT_MAX_MS;

	if (feeder->retry_at > now)
		until = feeder->retry_at < until ? feeder->retry_at : until;
	else if (feeder->sent_state == SENT_NONE && dead_letters_want_store(feeder->letters))
		until = now;
	else if (feeder_filling_due(feeder, true))
	{
		int64_t due = feeder->sent_at + feeder->config->batch_ms;

		until = due < until ? due : until;
	}
	return until > now ? (int) (until - now) : 0;
}

/* Sleep until PostgreSQL answers, or it is time to do something; with kafka also until a record comes. */
static void
feeder_wait(Feeder *feeder, bool kafka)
{
	bool reading = kafka && (feeder->paused || !feeder_filling_full(feeder));
	bool ready = reading && !feeder->paused &&
				 (feeder->more || feeder->message_next < feeder->message_count);
	struct pollfd fds[] = {
		{.fd = kafka ? signals_fd(feeder->signals) : -1, .events = POLLIN},
		{.fd = reading ? consumer_fd(feeder->consumer) : -1, .events = POLLIN},
		{.fd = feeder->sent_state == SENT_WAITING ? pg_socket(feeder->store->session) : -1,
		 .events = POLLIN},
		{.fd = dead_letters_fd(feeder->letters), .events = POLLIN},
	};

	if (!ready)
		poll(fds, sizeof(fds) / sizeof(fds[0]), feeder_wait_ms(feeder));
}

DaemonStatus
feeder_settle(Feeder *feeder, const char *why)
{
	int64_t		 deadline = clock_milliseconds() + SETTLE_MS;
	DaemonStatus status = feeder_store_turn(feeder, true);

	while (status == DAEMON_OK && !feeder_nothing_at_hand(feeder) &&
		   clock_milliseconds() < deadline)
	{
		if (!pg_session_connected(feeder->store->session) &&
			signals_stop_requested(feeder->signals))
			break;
		feeder_wait(feeder, false);
		status = feeder_store_turn(feeder, true);
	}
	if (status == DAEMON_OK)
		feeder_drop(feeder, why);
	return status;
}

/* Before leaving, send the dead letters that are known of; with --once all of them. */
static DaemonStatus
feeder_finish_letters(Feeder *feeder)
{
	int64_t		 deadline = clock_milliseconds() + LETTERS_MS;
	DaemonStatus status = DAEMON_OK;

	while (status == DAEMON_OK && !dead_letters_idle(feeder->letters) &&
		   (clock_milliseconds() < deadline ||
			(feeder->config->once && !signals_stop_requested(feeder->signals))))
	{
		metrics_progress(feeder->metrics);
		feeder_wait(feeder, false);
		status = feeder_store_turn(feeder, true);
	}
	return status;
}

/* ---- the loop ---- */

/* What was read of a topic that was deleted still counts; then whatever has its name is looked at anew. */
static DaemonStatus
feeder_leave_deleted(Feeder *feeder)
{
	if (!feeder->assigned || !consumer_topic_gone(feeder->consumer))
		return DAEMON_OK;
	log_warning(feeder->log, "topic was deleted while it was read",
				LOG_TEXT("topic", feeder->config->topic));
	return feeder_settle(feeder, "the topic was deleted");
}

static DaemonStatus
feeder_turn(Feeder *feeder)
{
	DaemonStatus status;

	metrics_progress(feeder->metrics);
	metrics_ready(feeder->metrics, "kafka", consumer_reached(feeder->consumer));
	status = feeder_read(feeder);
	if (status == DAEMON_OK)
		status = feeder_store_turn(feeder, false);
	if (status == DAEMON_OK)
		status = feeder_leave_deleted(feeder);
	if (status == DAEMON_OK)
		status = feeder_rebalance(feeder);
	if (status == DAEMON_OK)
		status = consumer_health(feeder->consumer);
	feeder_show_lag(feeder);
	return status;
}

DaemonStatus
feeder_run(Feeder *feeder)
{
	DaemonStatus status = DAEMON_OK;

	while (status == DAEMON_OK && !signals_stop_requested(feeder->signals) &&
		   !feeder_is_drained(feeder))
	{
		feeder_wait(feeder, true);
		status = feeder_turn(feeder);
	}
	notify_systemd("STOPPING=1");
	if (status == DAEMON_OK)
		status = feeder_settle(feeder, "stopping");
	if (status == DAEMON_OK)
		status = feeder_finish_letters(feeder);
	return status;
}

DaemonStatus
feeder_open(const FeederConfig *config, const FeedSettings *settings, Store *store, const Log *log,
			Signals *signals, Metrics *metrics, Feeder **feeder)
{
	FeedForm form = config->field_options.id != NULL ? FEED_RECORDS : FEED_SUMMARIES;
	Feeder *new = calloc(1, sizeof(*new));

	*feeder = NULL;
	if (new == NULL)
		goto no_memory;
	new->config = config;
	new->settings = settings;
	new->store = store;
	new->log = log;
	new->signals = signals;
	new->metrics = metrics;
	gauges_open(&new->gauges, metrics, config);
	new->lost = NOTHING_LOST;
	backoff_init(&new->backoff, "PostgreSQL");
	new->filling = feed_batch_create(settings, &config->fields, &store->full, form);
	new->sent = feed_batch_create(settings, &config->fields, &store->full, form);
	if (new->filling == NULL || new->sent == NULL)
		goto no_memory;
	if (dead_letters_open(config, log, &new->gauges, &new->letters) != DAEMON_OK ||
		consumer_open(config, log, &new->consumer) != DAEMON_OK)
	{
		feeder_close(new);
		return DAEMON_FATAL;
	}
	*feeder = new;
	return DAEMON_OK;

no_memory:
	log_error(log, "out of memory");
	feeder_close(new);
	return DAEMON_FATAL;
}

void
feeder_close(Feeder *feeder)
{
	if (feeder == NULL)
		return;
	feeder_forget_messages(feeder);
	feeder_forget_partitions(feeder);
	consumer_close(feeder->consumer);
	dead_letters_close(feeder->letters);
	feed_batch_free(feeder->filling);
	feed_batch_free(feeder->sent);
	log_info(feeder->log, "stopped", LOG_INTEGER("records", feeder->records),
			 LOG_INTEGER("rejected", feeder->rejected),
			 LOG_INTEGER("duplicates", feeder->duplicates));
	free(feeder);
}
