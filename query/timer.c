/*
 * timer.c
 *	  Timers in a list, with a lower bound of their deadlines.
 *
 * Must not know what they are for.
 */
#include "timer.h"

#include <stddef.h>

#include "daemon/clock.h"

static void
timer_link(Timer **list, Timer *timer)
{
	timer->next = *list;
	timer->link = list;
	if (timer->next != NULL)
		timer->next->link = &timer->next;
	*list = timer;
}

void
timer_stop(Timer *timer)
{
	if (timer->link == NULL)
		return;
	*timer->link = timer->next;
	if (timer->next != NULL)
		timer->next->link = timer->link;
	timer->link = NULL;
}

void
timer_set(Timers *timers, Timer *timer, int64_t deadline)
{
	if (timers->first == NULL || deadline < timers->earliest)
		timers->earliest = deadline;
	timer_stop(timer); /* it may be among those that are about to fire */
	timer->deadline = deadline;
	timer_link(&timers->first, timer);
}

void
timers_fire(Timers *timers)
{
	int64_t now = clock_milliseconds();
	Timer  *due = NULL;
	Timer  *next;

	if (timers->first == NULL || now < timers->earliest)
		return;
	timers->earliest = INT64_MAX;
	for (Timer *timer = timers->first; timer != NULL; timer = next)
	{
		next = timer->next;
		if (timer->deadline > now)
		{
			if (timer->deadline < timers->earliest)
				timers->earliest = timer->deadline;
			continue;
		}
		timer_stop(timer);
		timer_link(&due, timer);
	}
	/* one that stops another takes it out of this list too */
	while (due != NULL)
	{
		Timer *timer = due;

		timer_stop(timer);
		timer->fire(timer->context);
	}
}

int
timers_left(const Timers *timers)
{
	return timers->first != NULL ? clock_left(timers->earliest) : -1;
}
