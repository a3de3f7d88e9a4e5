/*
 * reads.h
 *	  Reads of entities over ranges: equal ones at the same time are one, and are remembered for a moment.
 *
 * Must not know which store there is, nor what the answers are for.
 */
#ifndef QUERY_READS_H
#define QUERY_READS_H

#include "daemon/log.h"
#include "daemon/metrics.h"
#include "store.h"

typedef struct Reads Reads;

typedef struct ReadsSettings
{
	int64_t cache_ttl_ms; /* an answer is not older than this, or than its read took; 0: not kept */
	size_t	cache_bytes;
} ReadsSettings;

/* What was read of one entity over a range; shared. */
typedef struct Reading
{
	Windows		   windows;
	unsigned char *answer; /* merged, in Murmur's bytes */
	size_t		   length;
	int			   references; /* private */
} Reading;

/* What callers are told of READ_AWAY. */
#define READS_AWAY "the store can not be reached, try again"

typedef enum ReadOutcome
{
	READ_DONE,
	READ_AWAY,	 /* the store is */
	READ_DAMAGED /* a summary in the store can't be read; logged */
} ReadOutcome;

typedef struct ReadWaiter ReadWaiter;

typedef struct ReadRequest
{
	const RpcEntity *entities; /* in any order, duplicates too; needed until done */
	int				 count;
	Range			 range;
	bool			 fresh; /* neither from what is remembered nor from a read that is under way */
	void (*done)(struct ReadRequest *request, ReadOutcome outcome);
	void *context; /* the caller's */

	const Reading **readings; /* one for each entity, after READ_DONE */
	/* private */
	ReadWaiter *waiters;
	int			missing;
} ReadRequest;

extern Reads *reads_open(const ReadsSettings *settings, Store *store, const Log *log,
						 Metrics *metrics); /* NULL without memory */
extern void	  reads_close(Reads *reads);

/*
 * Begin a request, filled down to context.  done is called once, perhaps before this returns,
 * unless reads_end comes first.
 */
extern void reads_begin(Reads *reads, ReadRequest *request);

/* Release the readings, or give up: what is under way goes on for the others. */
extern void reads_end(ReadRequest *request);

extern const Shape *reads_shape(const Reads *reads);
extern size_t		reads_memory(const Reads *reads);

extern void reads_prepare(Reads *reads, Wait *wait);
extern void reads_dispatch(Reads *reads);

#endif /* QUERY_READS_H */
