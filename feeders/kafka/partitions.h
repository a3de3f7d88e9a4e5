/*
 * partitions.h
 *	  The partitions that are assigned: where each is read and where it stands
 *	  in PostgreSQL.
 *
 * Must not know a client of either.
 */
#ifndef KAFKA_PARTITIONS_H
#define KAFKA_PARTITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/metrics.h"

#define PARTITION_NO_SHARD (-1)
#define PARTITION_NO_END INT64_C(-1)

/* A record by which a topic is recognised: at this offset, with this timestamp. */
typedef struct PartitionMark
{
	int64_t offset;
	int64_t time; /* Unix milliseconds, or FEED_NO_TIME: not known */
} PartitionMark;

typedef struct Partition
{
	int32_t		  id;
	int64_t		  stored;  /* position in PostgreSQL, or FEED_NO_POSITION */
	int64_t		  tip;	   /* position after all batches that were sent, or FEED_NO_POSITION */
	int64_t		  next;	   /* offset of the next record; older ones were seen */
	PartitionMark mark;	   /* the last record before the stored position, as it was when assigned */
	int			  shard;   /* number in the batch that is being filled, or PARTITION_NO_SHARD */
	int64_t		  end;	   /* --once: where to stop, or PARTITION_NO_END */
	bool		  drained; /* --once: everything before end was read */
	Metric		 *lag;
} Partition;

/* All zero is a valid start. */
typedef struct Partitions
{
	Partition *items; /* sorted by id */
	int		   count;
} Partitions;

/* Hold exactly these partitions, in their initial state.  Returns false when out of memory. */
extern bool partitions_set(Partitions *partitions, const int32_t *ids, int count);
extern void partitions_clear(Partitions *partitions);

/* The partition of this id, or NULL when it is not assigned. */
extern Partition *partitions_find(const Partitions *partitions, int32_t id);

/* Are all of them drained? */
extern bool partitions_drained(const Partitions *partitions);

#endif /* KAFKA_PARTITIONS_H */
