/*
 * feeder.c
 *	  The loop: records of Kafka into batches, batches into PostgreSQL.
 *
 * Must not know what an event looks like (lib/feed) or how bytes travel
 * (consumer.c, store.c).
 */
#include "feeder.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumer.h"
#include "daemon/backoff.h"
#include "daemon/clock.h"
#include "daemon/notify.h"
#include "dead_letters.h"
#include "gauges.h"
#include "partitions.h"

/* Messages taken from Kafka's client at once: small enough to look after PostgreSQL in between. */
#define READ_MAX 2000

/* Longest sleep: librdkafka and /healthz want to see the loop. */
#define WAIT_MAX_MS 1000

/* How long a rebalance or a stop waits for the batches at hand; dropping them loses nothing. */
#define SETTLE_MS 10000

/* How long a stop waits for dead letters; the next feeder sends what is left. */
#define LETTERS_MS 5000

#define NOTHING_LOST (-1)

typedef enum SentState
{
	SENT_NONE,		/* no batch is under way */
	SENT_WAITING,	/* PostgreSQL works on it */
	SENT_UNRESOLVED /* it failed, or nobody knows: look at the positions, then decide */
} SentState;

struct Feeder
{
	const FeederConfig *config;
	const FeedSettings *settings;
	Store			   *store;
	const Log		   *log;
	Signals			   *signals;
	Metrics			   *metrics;
	Gauges				gauges;
	Consumer		   *consumer;
	DeadLetters		   *letters;
	Partitions			partitions;
	bool				assigned; /* an assignment was answered, and stands */
	bool	rejoin; /* leave the group and join it again, to read from the stored positions */
	int32_t lost;	/* the partition whose stored position is to be forgotten, or NOTHING_LOST */

	FeedBatch *filling;
	FeedBatch *sent;
	SentState  sent_state;
	int64_t	   sent_at; /* clock_milliseconds of the last batch sent */

	rd_kafka_message_t *messages[2 * READ_MAX];
	size_t				message_count;
	size_t				message_next; /* the first that is not in a batch yet */
	bool				more;		  /* the last read left some in Kafka's client */

	Backoff backoff;
	int64_t retry_at; /* PostgreSQL is left alone until then */
	bool	paused;

	int64_t records; /* committed since the start */
	int64_t rejected;
	int64_t duplicates;
};

/* ---- small questions ---- */

static bool
batch_is_empty(const FeedBatch *batch)
{
	return feed_batch_records(batch) == 0;
}

static bool
filling_is_full(const Feeder *feeder)
{
	return feed_batch_records(feeder->filling) >= feeder->config->batch_records ||
		   feed_batch_bytes(feeder->filling) >= (size_t) feeder->config->batch_bytes;
}

static bool
nothing_at_hand(const Feeder *feeder)
{
	return feeder->sent_state == SENT_NONE && batch_is_empty(feeder->filling);
}

static bool
feeder_is_drained(const Feeder *feeder)
{
	return feeder->config->once && feeder->assigned && partitions_drained(&feeder->partitions);
}

/* ---- PostgreSQL away, and back ---- */

static void
feeder_store_failed(Feeder *feeder)
{
	const char *problem = pg_problem(feeder->store->session)->message;

	feeder->retry_at =
		clock_milliseconds() + backoff_failed(&feeder->backoff, feeder->log, problem);
	metrics_ready(feeder->metrics, "postgresql", false);
	if (!feeder->paused)
		consumer_pause(feeder->consumer);
	feeder->paused = true;
}

static void
feeder_store_works(Feeder *feeder)
{
	backoff_succeeded(&feeder->backoff, feeder->log);
	metrics_ready(feeder->metrics, "postgresql", true);
	if (feeder->paused)
		consumer_resume(feeder->consumer);
	feeder->paused = false;
}

/* ---- giving up what is at hand: the stored positions did not move, so it is read again ---- */

static void
feeder_forget_messages(Feeder *feeder)
{
	for (size_t i = feeder->message_next; i < feeder->message_count; i++)
		rd_kafka_message_destroy(feeder->messages[i]);
	feeder->message_count = 0;
	feeder->message_next = 0;
}

static void
feeder_forget_partitions(Feeder *feeder)
{
	for (int i = 0; i < feeder->partitions.count; i++)
		metrics_remove(feeder->metrics, feeder->partitions.items[i].lag);
	partitions_clear(&feeder->partitions);
	feeder->assigned = false;
}

static void
feeder_drop(Feeder *feeder, const char *why)
{
	if (!nothing_at_hand(feeder))
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

/* ---- one batch, one transaction ---- */

static void
feeder_committed(Feeder *feeder, int64_t duplicates)
{
	const FeedBatch *batch = feeder->sent;

	for (int i = 0; i < feed_batch_shard_count(batch); i++)
	{
		const FeedShard *shard = &feed_batch_shards(batch)[i];
		int32_t			 id = (int32_t) strtol(shard->name, NULL, 10);
		Partition		*partition = partitions_find(&feeder->partitions, id);
		int64_t			 end = consumer_known_end(feeder->consumer, id);

		if (partition == NULL)
			continue;
		metric_set(partition->lag, end > shard->to ? (double) (end - shard->to) : 0);
	}
	feeder->records += feed_batch_records(batch);
	if (feed_batch_rejected_count(batch) > 0)
		dead_letters_due(feeder->letters);
	feeder->rejected += feed_batch_rejected_count(batch);
	feeder->duplicates += duplicates;
	gauges_committed(&feeder->gauges, batch, duplicates,
					 (double) (clock_milliseconds() - feeder->sent_at) / 1000);
	feed_batch_reset(feeder->sent);
	feeder->sent_state = SENT_NONE;
	feeder_store_works(feeder);
}

/* Send feeder->sent, for the first time or again. */
static DaemonStatus
feeder_send(Feeder *feeder)
{
	DaemonStatus status = store_send(feeder->store, feeder->sent);

	feeder->sent_at = clock_milliseconds();
	feeder->sent_state = status == DAEMON_OK ? SENT_WAITING : SENT_UNRESOLVED;
	if (status == DAEMON_RETRY)
		feeder_store_failed(feeder);
	return status == DAEMON_FATAL ? DAEMON_FATAL : DAEMON_OK;
}

/* Send the batch that was filled; the next one builds on its positions. */
static DaemonStatus
feeder_send_filling(Feeder *feeder)
{
	FeedBatch *batch = feeder->filling;

	for (int i = 0; i < feeder->partitions.count; i++)
	{
		Partition *partition = &feeder->partitions.items[i];

		if (partition->shard == PARTITION_NO_SHARD)
			continue;
		partition->tip = feed_batch_shards(batch)[partition->shard].to;
		partition->shard = PARTITION_NO_SHARD;
	}
	feeder->filling = feeder->sent;
	feeder->sent = batch;
	return feeder_send(feeder);
}

/* What follows from an outcome; PENDING is the caller's.  duplicates matters when it is COMMITTED. */
static DaemonStatus
feeder_outcome(Feeder *feeder, StoreOutcome outcome, int64_t duplicates)
{
	switch (outcome)
	{
		case STORE_PENDING:
			break;
		case STORE_COMMITTED:
			feeder_committed(feeder, duplicates);
			break;
		case STORE_MOVED:
			log_warning(feeder->log, "positions were moved by another feeder",
						LOG_TEXT("problem", pg_problem(feeder->store->session)->message),
						LOG_TEXT("hint",
								 "normal once after a rebalance; if it goes on, feeders of "
								 "different consumer groups have the same pipeline and source"));
			feeder->sent_state = SENT_UNRESOLVED; /* no call is under way */
			feeder_drop(feeder, "positions moved");
			break;
		case STORE_FAILED:
			feeder->sent_state = SENT_UNRESOLVED;
			feeder_store_failed(feeder);
			break;
		case STORE_FATAL:
			return DAEMON_FATAL;
	}
	return DAEMON_OK;
}

/* The batch that failed: committed after all, or to be sent again, or overtaken? */
static DaemonStatus
feeder_resolve(Feeder *feeder)
{
	StoreOutcome outcome = store_resolve(feeder->store, feeder->sent);

	if (outcome == STORE_COMMITTED)
		log_info(feeder->log, "batch was committed, though its answer was lost");
	/* and with it the number of duplicates: topk_pipeline.status has it */
	return outcome == STORE_PENDING ? feeder_send(feeder) : feeder_outcome(feeder, outcome, 0);
}

static DaemonStatus
feeder_connect(Feeder *feeder)
{
	DaemonStatus status = store_connect(feeder->store);

	if (status == DAEMON_RETRY)
		feeder_store_failed(feeder);
	else if (status == DAEMON_OK && feeder->sent_state == SENT_NONE)
		feeder_store_works(feeder);
	return status == DAEMON_FATAL ? DAEMON_FATAL : DAEMON_OK;
}

static DaemonStatus
feeder_exchange_letters(Feeder *feeder)
{
	DaemonStatus status = dead_letters_exchange(feeder->letters, feeder->store);

	if (status == DAEMON_RETRY)
		feeder_store_failed(feeder);
	return status == DAEMON_FATAL ? DAEMON_FATAL : DAEMON_OK;
}

/* Is the batch that is being filled to be sent now? */
static bool
filling_is_due(const Feeder *feeder, bool now)
{
	if (feeder->sent_state != SENT_NONE || batch_is_empty(feeder->filling))
		return false;
	return now || filling_is_full(feeder) ||
		   clock_milliseconds() - feeder->sent_at >= feeder->config->batch_ms;
}

/* Whatever can be done about PostgreSQL, and dead letters, without waiting.  now: don't wait for more records. */
static DaemonStatus
feeder_store_turn(Feeder *feeder, bool now)
{
	DaemonStatus status = dead_letters_poll(feeder->letters);
	StoreOutcome outcome;
	int64_t		 duplicates;

	if (status == DAEMON_OK && feeder->sent_state == SENT_WAITING)
	{
		outcome = store_receive(feeder->store, 0, &duplicates);
		status = feeder_outcome(feeder, outcome, duplicates);
	}
	if (status != DAEMON_OK || clock_milliseconds() < feeder->retry_at)
		return status;
	if (!pg_session_connected(feeder->store->session))
		status = feeder_connect(feeder);
	if (status != DAEMON_OK || !pg_session_connected(feeder->store->session))
		return status;
	if (feeder->sent_state == SENT_UNRESOLVED)
		return feeder_resolve(feeder);
	if (feeder->sent_state == SENT_NONE)
		status = feeder_exchange_letters(feeder);
	if (status == DAEMON_OK && pg_session_connected(feeder->store->session) &&
		filling_is_due(feeder, now))
		return feeder_send_filling(feeder);
	return status;
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
	else if (filling_is_due(feeder, true))
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
	bool reading = kafka && (feeder->paused || !filling_is_full(feeder));
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

/*
 * Bring the batches at hand to an end: a rebalance or a stop waits for it.  What can't be
 * committed in time is dropped; that loses nothing.
 */
static DaemonStatus
feeder_settle(Feeder *feeder, const char *why)
{
	int64_t		 deadline = clock_milliseconds() + SETTLE_MS;
	DaemonStatus status = feeder_store_turn(feeder, true);

	while (status == DAEMON_OK && !nothing_at_hand(feeder) && clock_milliseconds() < deadline)
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

/* ---- assignments ---- */

/* With --once: where to stop.  RETRY when Kafka does not say. */
static DaemonStatus
feeder_find_ends(Feeder *feeder)
{
	DaemonStatus status = DAEMON_OK;

	for (int i = 0; i < feeder->partitions.count && status == DAEMON_OK; i++)
	{
		Partition *partition = &feeder->partitions.items[i];

		if (feeder->config->once)
			status = consumer_query_end(feeder->consumer, partition->id, &partition->end);
	}
	return status;
}

/* The stored positions of the partitions, which become the offsets in list. */
static DaemonStatus
feeder_find_positions(Feeder *feeder, rd_kafka_topic_partition_list_t *list)
{
	int32_t		*ids = calloc((size_t) list->cnt + 1, sizeof(*ids));
	int64_t		*positions = calloc((size_t) list->cnt + 1, sizeof(*positions));
	DaemonStatus status = DAEMON_FATAL;

	if (ids == NULL || positions == NULL)
		goto done;
	for (int i = 0; i < list->cnt; i++)
		ids[i] = list->elems[i].partition;
	if (!partitions_set(&feeder->partitions, ids, list->cnt))
		goto done;
	status = store_positions(feeder->store, ids, list->cnt, positions);
	if (status != DAEMON_OK)
		goto done;
	for (int i = 0; i < list->cnt; i++)
	{
		Partition *partition = partitions_find(&feeder->partitions, ids[i]);

		partition->next = positions[i] == FEED_NO_POSITION ? 0 : positions[i];
		partition->tip = positions[i];
		partition->lag = gauges_lag(&feeder->gauges, ids[i]);
		list->elems[i].offset =
			positions[i] == FEED_NO_POSITION ? RD_KAFKA_OFFSET_BEGINNING : positions[i];
	}

done:
	free(ids);
	free(positions);
	return status;
}

/* The loss of a position was accepted: without a stored one, a partition is read from its oldest record. */
static DaemonStatus
feeder_forget_lost(Feeder *feeder)
{
	DaemonStatus status = DAEMON_OK;

	if (feeder->lost != NOTHING_LOST)
		status = store_reset_position(feeder->store, feeder->lost);
	if (status == DAEMON_OK)
		feeder->lost = NOTHING_LOST;
	return status;
}

/* Read the partitions that Kafka gave us from where PostgreSQL says.  Tried again in the next turn on RETRY. */
static DaemonStatus
feeder_assign(Feeder *feeder)
{
	rd_kafka_topic_partition_list_t *list =
		rd_kafka_topic_partition_list_copy(consumer_partitions(feeder->consumer));
	DaemonStatus status;

	feeder_forget_partitions(feeder);
	status = feeder_find_positions(feeder, list);
	if (status == DAEMON_RETRY)
		feeder_store_failed(feeder);
	if (status == DAEMON_OK)
		status = feeder_find_ends(feeder);
	if (status == DAEMON_OK && !dead_letters_assign(feeder->letters, &feeder->partitions))
		status = DAEMON_FATAL;
	if (status == DAEMON_OK)
		status = consumer_assign(feeder->consumer, list);
	if (status == DAEMON_OK)
	{
		log_info(feeder->log, "partitions assigned", LOG_INTEGER("partitions", list->cnt));
		feeder->assigned = true;
		feeder_store_works(feeder);
	}
	else
		feeder_forget_partitions(feeder);
	rd_kafka_topic_partition_list_destroy(list);
	return status == DAEMON_FATAL ? DAEMON_FATAL : DAEMON_OK;
}

static DaemonStatus
feeder_revoke(Feeder *feeder)
{
	DaemonStatus status = feeder_settle(feeder, "partitions revoked");

	if (status != DAEMON_OK)
		return status;
	log_info(feeder->log, "partitions revoked");
	dead_letters_assign(feeder->letters, &feeder->partitions); /* that is, none */
	feeder->rejoin = false;
	feeder->lost = NOTHING_LOST;
	return consumer_unassign(feeder->consumer);
}

/*
 * After records were dropped, read from the stored positions, in a new consumer: to
 * assign the old one its partitions again ends in an assertion of librdkafka when they
 * are revoked just then, as they are from a feeder that was thought dead
 * (rd_kafka_assignment_partition_stopped, 2.0.2).
 */
static DaemonStatus
feeder_rejoin(Feeder *feeder)
{
	DaemonStatus status = feeder_forget_lost(feeder);

	if (status == DAEMON_RETRY)
		feeder_store_failed(feeder);
	if (status != DAEMON_OK)
		return status == DAEMON_FATAL ? DAEMON_FATAL : DAEMON_OK;
	feeder_forget_messages(feeder);
	consumer_close(feeder->consumer);
	status = consumer_open(feeder->config, feeder->log, &feeder->consumer);
	feeder->rejoin = false;
	feeder->paused = false;
	return status;
}

static DaemonStatus
feeder_rebalance(Feeder *feeder)
{
	ConsumerRebalance rebalance = consumer_rebalance(feeder->consumer);

	if (rebalance == CONSUMER_REVOKED)
		return feeder_revoke(feeder);
	if (rebalance != CONSUMER_ASSIGNED && !feeder->rejoin)
		return DAEMON_OK;
	/* positions can be read when PostgreSQL is there and no call is under way */
	if (!pg_session_connected(feeder->store->session) || feeder->sent_state != SENT_NONE ||
		clock_milliseconds() < feeder->retry_at)
		return DAEMON_OK;
	return feeder->rejoin ? feeder_rejoin(feeder) : feeder_assign(feeder);
}

/* ---- reading ---- */

/* The headers of a message whose record was rejected: of others nobody needs them. */
static bool
feeder_keep_headers(Feeder *feeder, const rd_kafka_message_t *message)
{
	rd_kafka_headers_t *headers;
	const char		   *name;
	const void		   *value;
	size_t				length;
	bool				kept = true;

	if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return true;
	for (size_t i = 0; kept && rd_kafka_header_get_all(headers, i, &name, &value, &length) ==
								   RD_KAFKA_RESP_ERR_NO_ERROR;
		 i++)
		kept = feed_batch_keep_header(feeder->filling, name, strlen(name), value, length);
	return kept;
}

static DaemonStatus
feeder_take(Feeder *feeder, Partition *partition, const rd_kafka_message_t *message, int64_t now)
{
	rd_kafka_timestamp_type_t type;
	int64_t					  time = rd_kafka_message_timestamp(message, &type);
	FeedRecord				  record = {.position = message->offset,
										.time = time >= 0 ? time : FEED_NO_TIME,
										.key = message->key,
										.key_length = message->key_len,
										.payload = message->payload,
										.payload_length = message->len};
	int						  rejected = feed_batch_rejected_count(feeder->filling);
	char					  name[16];

	if (partition->shard == PARTITION_NO_SHARD)
	{
		snprintf(name, sizeof(name), "%d", partition->id);
		partition->shard = feed_batch_shard(feeder->filling, name, partition->tip);
	}
	record.shard = partition->shard;
	if (partition->shard == PARTITION_NO_SHARD || !feed_batch_take(feeder->filling, &record, now) ||
		(feed_batch_rejected_count(feeder->filling) > rejected &&
		 !feeder_keep_headers(feeder, message)))
	{
		log_error(feeder->log, "out of memory");
		return DAEMON_FATAL;
	}
	partition->next = message->offset + 1;
	return DAEMON_OK;
}

/* Where there was a position, records are missing: accepted by --on-lost-position=oldest. */
static void
feeder_lose_position(Feeder *feeder, const Partition *partition, const rd_kafka_message_t *message)
{
	log_warning(feeder->log,
				"stored position is not in the topic any more, going on with the oldest record",
				LOG_INTEGER("partition", partition->id), LOG_INTEGER("position", partition->tip),
				LOG_TEXT("error", rd_kafka_message_errstr(message)));
	feeder->lost = partition->id;
	feeder_drop(feeder, "position lost");
}

static DaemonStatus
feeder_message(Feeder *feeder, const rd_kafka_message_t *message, int64_t now)
{
	Partition *partition = partitions_find(&feeder->partitions, message->partition);

	if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
	{
		if (partition != NULL)
			partition->drained = true;
		return DAEMON_OK;
	}
	if (partition != NULL && consumer_position_lost(message) &&
		feeder->config->on_lost_position == CONFIG_LOST_OLDEST)
	{
		feeder_lose_position(feeder, partition, message);
		return DAEMON_OK;
	}
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return consumer_error(feeder->consumer, message);
	if (partition == NULL)
		return DAEMON_OK; /* read ahead of a partition that was taken from us */
	if (message->offset < partition->next)
		return DAEMON_OK; /* librdkafka before 2.4 repeats records after some resumes (4636) */
	if (partition->end != PARTITION_NO_END && message->offset >= partition->end - 1)
	{
		partition->drained = true;
		if (message->offset >= partition->end)
			return DAEMON_OK;
	}
	return feeder_take(feeder, partition, message, now);
}

/* Move what has arrived into the batch, as far as there is room. */
static DaemonStatus
feeder_read(Feeder *feeder)
{
	DaemonStatus status = DAEMON_OK;
	int64_t		 now = clock_unix_milliseconds();
	size_t		 taken;

	if (feeder->message_next == feeder->message_count)
		feeder->message_next = feeder->message_count = 0;
	/* while paused only events come, and they must be heard even when the batch is full */
	if (feeder->message_count <= READ_MAX && (feeder->message_count == 0 || feeder->paused))
	{
		if (!feeder->paused && filling_is_full(feeder))
			return DAEMON_OK;
		taken = consumer_read(feeder->consumer, feeder->messages + feeder->message_count, READ_MAX);
		feeder->message_count += taken;
		feeder->more = taken == READ_MAX;
	}
	while (status == DAEMON_OK && feeder->message_next < feeder->message_count &&
		   !filling_is_full(feeder))
	{
		rd_kafka_message_t *message = feeder->messages[feeder->message_next++];

		status = feeder_message(feeder, message, now);
		rd_kafka_message_destroy(message);
	}
	return status;
}

/* ---- the loop ---- */

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
		status = feeder_rebalance(feeder);
	if (status == DAEMON_OK)
		status = consumer_health(feeder->consumer);
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
	FeedForm form = config->id_field != NULL ? FEED_RECORDS : FEED_SUMMARIES;
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
	new->filling = feed_batch_create(settings, &config->fields, form);
	new->sent = feed_batch_create(settings, &config->fields, form);
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
