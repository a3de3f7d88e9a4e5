/*
 * schedule.c
 *	  When to claim; knows neither database.
 */
#include "schedule.h"

#include "daemon/clock.h"

/* A window is due when its interval has passed; asked on the dot, it would not be. */
#define MARGIN_MS 5

/* Looking costs the server something: it is left alone this many times as long as the last look took. */
#define PAUSE_FACTOR 2

void
schedule_init(Schedule *schedule, int64_t interval)
{
	*schedule = (Schedule) {.interval = interval, .wanted = true};
}

void
schedule_want(Schedule *schedule)
{
	schedule->wanted = true;
}

int64_t
schedule_next(const Schedule *schedule)
{
	int64_t next = schedule->poll;

	if (schedule->count > 0 && schedule->due[schedule->first] < next)
		next = schedule->due[schedule->first];
	if (schedule->wanted || next < schedule->earliest)
		next = schedule->earliest;
	return next;
}

void
schedule_begin(Schedule *schedule)
{
	schedule->started = clock_milliseconds();
	schedule->notified = schedule->wanted;
	schedule->wanted = false;
	while (schedule->count > 0 && schedule->due[schedule->first] <= schedule->started)
	{
		schedule->first = (schedule->first + 1) % SCHEDULE_ROOM;
		schedule->count--;
	}
}

/* Rounded up, so that many claims in a row are followed by few. */
static void
follow_up(Schedule *schedule)
{
	int64_t step =
		schedule->interval / SCHEDULE_STEPS > 0 ? schedule->interval / SCHEDULE_STEPS : 1;
	int64_t at = schedule->started + schedule->interval + MARGIN_MS;
	int		last = (schedule->first + schedule->count - 1) % SCHEDULE_ROOM;

	at = (at + step - 1) / step * step;
	if (schedule->count == SCHEDULE_ROOM || (schedule->count > 0 && schedule->due[last] >= at))
		return;
	schedule->due[(schedule->first + schedule->count) % SCHEDULE_ROOM] = at;
	schedule->count++;
}

void
schedule_end(Schedule *schedule, int rows, int asked)
{
	int64_t now = clock_milliseconds();

	schedule->poll = schedule->started + schedule->interval + MARGIN_MS;
	if (rows > 0 || schedule->notified)
		follow_up(schedule);
	if (rows >= asked)
	{
		schedule->wanted = true;
		schedule->earliest = now;
	}
	else
		schedule->earliest = now + PAUSE_FACTOR * (now - schedule->started);
}
