/*
 * partitions.c
 *	  The partitions that are assigned: where each is read and where it stands
 *	  in PostgreSQL.
 *
 * Must not know a client of either.
 */
#include "partitions.h"

#include <stdlib.h>

#include "feed/batch.h"

static int
partition_compare(const void *a, const void *b)
{
	const Partition *left = a;
	const Partition *right = b;

	return (left->id > right->id) - (left->id < right->id);
}

bool
partitions_set(Partitions *partitions, const int32_t *ids, int count)
{
	partitions_clear(partitions);
	partitions->items = calloc((size_t) count + 1, sizeof(*partitions->items));
	if (partitions->items == NULL)
		return false;
	for (int i = 0; i < count; i++)
		partitions->items[i] = (Partition) {.id = ids[i],
											.stored = FEED_NO_POSITION,
											.tip = FEED_NO_POSITION,
											.mark.time = FEED_NO_TIME,
											.shard = PARTITION_NO_SHARD,
											.end = PARTITION_NO_END};
	partitions->count = count;
	qsort(partitions->items, (size_t) count, sizeof(*partitions->items), partition_compare);
	return true;
}

void
partitions_clear(Partitions *partitions)
{
	free(partitions->items);
	partitions->items = NULL;
	partitions->count = 0;
}

Partition *
partitions_find(const Partitions *partitions, int32_t id)
{
	const Partition key = {.id = id};

	if (partitions->count == 0)
		return NULL;
	return bsearch(&key, partitions->items, (size_t) partitions->count, sizeof(*partitions->items),
				   partition_compare);
}

bool
partitions_drained(const Partitions *partitions)
{
	for (int i = 0; i < partitions->count; i++)
	{
		if (!partitions->items[i].drained)
			return false;
	}
	return true;
}
