/*
 * feeder_commit.c
 *	  One batch, one transaction: sent, its answer awaited, its fate found out.
 *
 * Must not know what an event looks like (lib/feed) or how bytes travel (store.c).
 */
#include <stdlib.h>

#include "daemon/clock.h"
#include "feeder_internal.h"

/* ---- PostgreSQL away, and back ---- */

void
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

void
feeder_store_works(Feeder *feeder)
{
	backoff_succeeded(&feeder->backoff, feeder->log);
	metrics_ready(feeder->metrics, "postgresql", true);
	if (feeder->paused)
		consumer_resume(feeder->consumer);
	feeder->paused = false;
}

/* ---- the batch that was sent ---- */

static void
feeder_committed(Feeder *feeder, int64_t duplicates)
{
	const FeedBatch *batch = feeder->sent;

	for (int i = 0; i < feed_batch_shard_count(batch); i++)
	{
		const FeedShard *shard = &feed_batch_shards(batch)[i];
		Partition		*partition =
			partitions_find(&feeder->partitions, (int32_t) strtol(shard->name, NULL, 10));

		if (partition != NULL)
			partition->stored = shard->to;
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

/* A window is full: read again what is at hand, now to reject what belongs to it. */
static DaemonStatus
feeder_learn_full(Feeder *feeder)
{
	DaemonStatus status = store_find_full(feeder->store);

	feeder->sent_state = SENT_UNRESOLVED; /* no call is under way */
	if (status == DAEMON_OK)
		feeder_drop(feeder, "a window is full");
	else if (status == DAEMON_RETRY)
		feeder_store_failed(feeder);
	return status == DAEMON_FATAL ? DAEMON_FATAL : DAEMON_OK;
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
		case STORE_FULL:
			return feeder_learn_full(feeder);
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

/* ---- a turn ---- */

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

bool
feeder_filling_due(const Feeder *feeder, bool now)
{
	if (feeder->sent_state != SENT_NONE || feed_batch_shard_count(feeder->filling) == 0)
		return false;
	return now || feeder_filling_full(feeder) ||
		   clock_milliseconds() - feeder->sent_at >= feeder->config->batch_ms;
}

DaemonStatus
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
		feeder_filling_due(feeder, now))
		return feeder_send_filling(feeder);
	return status;
}
