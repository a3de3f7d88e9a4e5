/*
 * schedule.h
 *	  When to claim: at once when something changes, again when an interval is over, and not too often.
 *
 * PostgreSQL notifies of the first change of a window only.  Whether it may be
 * written yet depends on when it was last claimed: so each claim is followed by another one, an interval later.
 * Times are clock_milliseconds.
 */
#ifndef DDB_SYNC_SCHEDULE_H
#define DDB_SYNC_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* Claims that are to follow are kept apart by at least this part of the interval. */
#define SCHEDULE_STEPS 50
#define SCHEDULE_ROOM (2 * SCHEDULE_STEPS)

typedef struct Schedule
{
	int64_t interval;
	bool	wanted;	  /* now, as soon as it is not too early */
	bool	notified; /* what the claim under way was made for */
	int64_t earliest;
	int64_t started;
	int64_t poll; /* at the latest */
	int64_t due[SCHEDULE_ROOM];
	int		first;
	int		count;
} Schedule;

/* Wanted at once. */
extern void schedule_init(Schedule *schedule, int64_t interval);

/* Something has changed. */
extern void schedule_want(Schedule *schedule);

/* When to claim next, not later than after an interval. */
extern int64_t schedule_next(const Schedule *schedule);

/* A claim begins; it has ended, with so many rows of as many as it asked for. */
extern void schedule_begin(Schedule *schedule);
extern void schedule_end(Schedule *schedule, int rows, int asked);

#endif /* DDB_SYNC_SCHEDULE_H */
