/*
 * store.h
 *	  What the feeder asks of PostgreSQL: the functions of topk_pipeline.
 *
 * Must not know Kafka.  A function answers RETRY when PostgreSQL is away; the
 * session then may be disconnected, and its caller decides when to try again.
 */
#ifndef KAFKA_STORE_H
#define KAFKA_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/pg.h"
#include "feed/batch.h"
#include "feed/ingest.h"
#include "partitions.h"

typedef struct Store
{
	const char	   *pipeline;
	const char	   *source;
	const Log	   *log;
	PgSettings		pg_settings;
	PgSession	   *session;
	FeedIngest		ingest; /* parameters of the batch that was sent */
	FeedFullWindows full;	/* that take nothing more */
} Store;

typedef enum StoreOutcome
{
	STORE_PENDING, /* no answer yet */
	STORE_COMMITTED,
	STORE_MOVED,  /* the positions are not where the batch expected them; nothing applied */
	STORE_FULL,	  /* a window has no room for more, see store_find_full; nothing applied */
	STORE_FAILED, /* the cause is in pg_problem; perhaps committed: see store_resolve */
	STORE_FATAL	  /* logged */
} StoreOutcome;

/* Release store with store_close, whatever the result.  FATAL, logged, if dsn can't be parsed. */
extern DaemonStatus store_open(Store *store, const char *dsn, const char *pipeline,
							   const char *source, const Log *log, Signals *signals);
extern void			store_close(Store *store);

/* One try to connect, if not connected. */
extern DaemonStatus store_connect(Store *store);

/* FATAL, logged with a hint, when there is no such pipeline. */
extern DaemonStatus store_settings(Store *store, FeedSettings *settings);

/* What is stored of a shard. */
typedef struct StorePosition
{
	int64_t		  next; /* or FEED_NO_POSITION */
	PartitionMark mark;
} StorePosition;

/* The stored positions of count shards, named by numbers: positions[i] of shards[i]. */
extern DaemonStatus store_positions(Store *store, const int32_t *shards, int count,
									StorePosition *positions);

/* Forget the stored position of a shard. */
extern DaemonStatus store_reset_position(Store *store, int32_t shard);

/* A rejected record that has to go to the dead-letter topic.  All of it belongs to the result it was read from. */
typedef struct StoreLetter
{
	const char	 *shard;
	const char	 *position;
	const char	 *reason;
	const char	 *detail; /* NULL: none */
	const char	 *time;	  /* Unix milliseconds as text; NULL: not known */
	const void	 *key;	  /* NULL: none */
	size_t		  key_length;
	const void	 *payload; /* NULL: none */
	size_t		  payload_length;
	PgArrayReader header_names;
	PgArrayReader header_values;
} StoreLetter;

/*
 * Rejected records of count shards that were not sent yet, some of them if there
 * are many; one a row of *letters, which the caller clears on OK.
 */
extern DaemonStatus store_dead_letters(Store *store, const int32_t *shards, int count,
									   PGresult **letters);
extern StoreLetter	store_letter(const PGresult *letters, int row);

/* All of these letters were sent. */
extern DaemonStatus store_dead_letters_sent(Store *store, const PGresult *letters);

/*
 * Send a batch, as one transaction; its answer comes from store_receive.  The batch must
 * not change before that.  RETRY: it was not sent, or with an unknown fate.
 */
extern DaemonStatus store_send(Store *store, FeedBatch *batch);

/*
 * Has the batch that was sent been committed?  Waits until deadline (clock_milliseconds; 0: not
 * at all).  On COMMITTED *duplicates is how many of its records were seen before.
 */
extern StoreOutcome store_receive(Store *store, int64_t deadline, int64_t *duplicates);

/* After STORE_FULL: let store->full have the windows of the batch that are. */
extern DaemonStatus store_find_full(Store *store);

/*
 * After STORE_FAILED and a new connection: what became of the batch?  COMMITTED; PENDING
 * when it was not and can be sent again; MOVED when neither is so; FAILED when that
 * could not be found out.
 */
extern StoreOutcome store_resolve(Store *store, const FeedBatch *batch);

#endif /* KAFKA_STORE_H */
