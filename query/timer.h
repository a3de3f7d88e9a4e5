/*
 * timer.h
 *	  What is to happen when a time has come, unless it is taken back before.
 *
 * Made for many timers most of which never fire: setting and taking back cost nothing to
 * speak of, and the list is gone through only when the earliest of them may be due.
 */
#ifndef QUERY_TIMER_H
#define QUERY_TIMER_H

#include <stdint.h>

typedef struct Timer Timer;

struct Timer
{
	void (*fire)(void *context);
	void   *context;
	int64_t deadline; /* clock_milliseconds */
	Timer  *next;
	Timer **link; /* what points to it; NULL: not set */
};

typedef struct Timers
{
	Timer  *first;
	int64_t earliest; /* no deadline is before it */
} Timers;

/* Set it, or set it anew. */
extern void timer_set(Timers *timers, Timer *timer, int64_t deadline);
extern void timer_stop(Timer *timer);

/* Fire what is due; each may set and stop any timer. */
extern void timers_fire(Timers *timers);

/* Milliseconds until one may be due, for poll(): -1 is never. */
extern int timers_left(const Timers *timers);

#endif /* QUERY_TIMER_H */
