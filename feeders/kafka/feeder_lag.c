/*
 * feeder_lag.c
 *	  How far the stored positions are behind the topic, looked at once a second.
 *
 * Also while nothing is committed: that is when somebody wants to know.
 */
#include "daemon/clock.h"
#include "feeder_internal.h"

#define LAG_INTERVAL_MS 1000

/* How long the loop may stand still for answers of the broker. */
#define LAG_ASK_MS 200

static void
feeder_set_lag(const Partition *partition, const ConsumerRange *range)
{
	int64_t stored = partition->stored == FEED_NO_POSITION ? range->start : partition->stored;

	metric_set(partition->lag, range->end > stored ? (double) (range->end - stored) : 0);
}

/* Nothing is fetched, which would tell.  As many as there is time for, the others next time. */
static void
feeder_ask_lag(Feeder *feeder)
{
	const Partitions *partitions = &feeder->partitions;
	int64_t			  until = clock_milliseconds() + LAG_ASK_MS;
	int64_t			  left = LAG_ASK_MS;

	for (int i = 0; i < partitions->count && left > 0; i++)
	{
		const Partition *partition =
			&partitions->items[feeder->lag_next++ % (unsigned) partitions->count];
		ConsumerRange range;

		if (consumer_query_range(feeder->consumer, partition->id, (int) left, &range) == DAEMON_OK)
			feeder_set_lag(partition, &range);
		left = until - clock_milliseconds();
	}
}

void
feeder_show_lag(Feeder *feeder)
{
	int64_t		  now = clock_milliseconds();
	ConsumerRange range;

	if (!feeder->assigned || now < feeder->lag_at)
		return;
	feeder->lag_at = now + LAG_INTERVAL_MS;
	if (feeder->paused)
	{
		feeder_ask_lag(feeder);
		return;
	}
	for (int i = 0; i < feeder->partitions.count; i++)
	{
		const Partition *partition = &feeder->partitions.items[i];

		if (consumer_known_range(feeder->consumer, partition->id, &range))
			feeder_set_lag(partition, &range);
	}
}
