/*
 * writes.h
 *	  The rows under way to DynamoDB: many at once, each tried again by itself.
 *
 *	writes_add(writes, &row);				what PostgreSQL offers
 *	writes_start(writes);					as many as there are free slots
 *	dynamodb_wait(...); writes_collect(writes);
 *	while ((write = writes_ended(writes)) != NULL)	... report on it, and
 *		writes_remove(writes, write);
 *
 * A row that is throttled waits with full jitter (backoff.h), and no other row waits for it.
 * Must not know PostgreSQL.
 */
#ifndef DDB_SYNC_WRITES_H
#define DDB_SYNC_WRITES_H

#include "daemon/backoff.h"
#include "aws/dynamodb.h"
#include "item.h"
#include "sync_metrics.h"

/* Rows, and bytes of their values, beyond which no more are to be added. */
#define WRITES_MAX 512
#define WRITES_MAX_BYTES (8 * 1024 * 1024)

typedef enum WriteState
{
	WRITE_WAITING, /* for a free slot, or for retry_at */
	WRITE_STARTED,
	WRITE_ENDED,	/* to be reported on */
	WRITE_REPORTING /* a report is under way */
} WriteState;

typedef struct Write
{
	Row		   row; /* with texts and bytes of its own */
	WriteState state;
	bool	   abandoned; /* nobody waits for its end any more */
	int64_t	   added;	  /* clock_milliseconds */
	int64_t	   retry_at;  /* so too */
	Backoff	   backoff;
	PutOutcome outcome;		  /* when it has ended */
	int64_t	   version_there; /* of the row in the way; -1: unknown */
	char	   problem[256];
} Write;

typedef struct Writes
{
	DynamoDb	*dynamodb;
	const Log	*log;
	SyncMetrics *metrics;
	const char	*pipeline;
	Backoff		 outage; /* for the log: DynamoDB as a whole */
	Write		*items[WRITES_MAX];
	int			 count;
	int			 started;	 /* of them, requests under way */
	int			 struggling; /* of them, turned away at least once */
	size_t		 bytes;
	bool		 failed; /* fatally, logged */
} Writes;

extern void writes_init(Writes *writes, DynamoDb *dynamodb, const Log *log, SyncMetrics *metrics,
						const char *pipeline);
extern void writes_free(Writes *writes);

/* Is there room for so many more rows? */
extern bool writes_have_room(const Writes *writes, int rows);

/* Copies the row.  One of the same window that is not under way is replaced; one that is, is abandoned. */
extern DaemonStatus writes_add(Writes *writes, const Row *row);

extern void writes_start(Writes *writes);

/* Take the answers that are there, and judge them.  FATAL, logged, on an error that no waiting mends. */
extern DaemonStatus writes_collect(Writes *writes);

/* Rows that have ended, and those whose reports are under way. */
extern int	  writes_count(const Writes *writes, WriteState state);
extern Write *writes_ended(const Writes *writes);
extern void	  writes_remove(Writes *writes, Write *write);

/* Forget all rows that are not started, and abandon those that are. */
extern void writes_abandon(Writes *writes);

/* Forget those that are not started. */
extern void writes_forget_waiting(Writes *writes);

/* When a row is to be tried again (clock_milliseconds), 0 if a slot is all that is missing, -1 if none waits. */
extern int64_t writes_next_retry(const Writes *writes);

#endif /* DDB_SYNC_WRITES_H */
