/*
 * wait.h
 *	  What the loop waits for: each part adds its descriptors and its next moment.
 *
 *	wait_begin(&wait);
 *	x_prepare(x, &wait);		... for each part
 *	poll(wait.fds, wait.count, clock_left(wait.until));
 *	if (wait_found(&wait, fd))	... spares a system call where one descriptor is all there is to look at
 *	x_dispatch(x);				... for each part, which looks itself what is ready; never waits
 */
#ifndef QUERY_WAIT_H
#define QUERY_WAIT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#define WAIT_FDS 32

typedef struct Wait
{
	struct pollfd fds[WAIT_FDS];
	int			  count;
	int64_t		  until; /* clock_milliseconds; -1: for ever */
} Wait;

static inline void
wait_begin(Wait *wait)
{
	wait->count = 0;
	wait->until = -1;
}

static inline void
wait_on(Wait *wait, int fd, short events)
{
	if (fd >= 0 && wait->count < WAIT_FDS)
		wait->fds[wait->count++] = (struct pollfd) {.fd = fd, .events = events};
}

/* A negative moment is none. */
static inline void
wait_until(Wait *wait, int64_t moment)
{
	if (moment >= 0 && (wait->until < 0 || moment < wait->until))
		wait->until = moment;
}

/* Is there something to do with a descriptor? */
static inline bool
wait_found(const Wait *wait, int fd)
{
	for (int i = 0; i < wait->count; i++)
		if (wait->fds[i].fd == fd)
			return wait->fds[i].revents != 0;
	return false;
}

#endif /* QUERY_WAIT_H */
