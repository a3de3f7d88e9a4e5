/*
 * feeder_internal.h
 *	  The loop's state, shared by feeder*.c only.
 */
#ifndef KAFKA_FEEDER_INTERNAL_H
#define KAFKA_FEEDER_INTERNAL_H

#include "consumer.h"
#include "daemon/backoff.h"
#include "dead_letters.h"
#include "feeder.h"
#include "gauges.h"
#include "partitions.h"

/* Messages taken from Kafka's client at once: small enough to look after PostgreSQL in between. */
#define READ_MAX 2000

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

	int64_t	 lag_at;   /* when to look at the lag next */
	unsigned lag_next; /* while paused: counts the partitions that the broker was asked about */

	Backoff backoff;
	int64_t retry_at; /* PostgreSQL is left alone until then */
	bool	paused;

	int64_t records; /* committed since the start */
	int64_t rejected;
	int64_t duplicates;
};

/* ---- feeder.c ---- */

/* Has the batch that is being filled no room for more? */
extern bool feeder_filling_full(const Feeder *feeder);

/* Is every record that was read committed? */
extern bool feeder_nothing_at_hand(const Feeder *feeder);

/* Give up what is at hand: the stored positions did not move, so it is read again. */
extern void feeder_drop(Feeder *feeder, const char *why);

/*
 * Bring the batches at hand to an end: a rebalance or a stop waits for it.  What can't be
 * committed in time is dropped; that loses nothing.
 */
extern DaemonStatus feeder_settle(Feeder *feeder, const char *why);

/* ---- feeder_commit.c ---- */

/* PostgreSQL did not do what it was asked, for the reason in pg_problem: leave it alone for a while. */
extern void feeder_store_failed(Feeder *feeder);

/* It did. */
extern void feeder_store_works(Feeder *feeder);

/* Is the batch that is being filled to be sent?  now: don't wait for more records. */
extern bool feeder_filling_due(const Feeder *feeder, bool now);

/* Whatever can be done about PostgreSQL, and dead letters, without waiting.  now: don't wait for more records. */
extern DaemonStatus feeder_store_turn(Feeder *feeder, bool now);

/* ---- feeder_assign.c ---- */

/* Answer a rebalance, or join the group anew, when that can be done. */
extern DaemonStatus feeder_rebalance(Feeder *feeder);

extern void feeder_forget_partitions(Feeder *feeder);

/* ---- feeder_lag.c ---- */

/* Show how many records of each partition are not counted yet, if it is time to. */
extern void feeder_show_lag(Feeder *feeder);

/* ---- feeder_read.c ---- */

/* Move what has arrived into the batch, as far as there is room. */
extern DaemonStatus feeder_read(Feeder *feeder);

extern void feeder_forget_messages(Feeder *feeder);

#endif /* KAFKA_FEEDER_INTERNAL_H */
