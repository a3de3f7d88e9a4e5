/*
 * clock.c
 *	  Reads the system's clocks; knows nothing else.
 */
#include "daemon/clock.h"

#include <limits.h>
#include <time.h>

static int64_t
clock_read(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
clock_milliseconds(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

int64_t
clock_unix_milliseconds(void)
{
	return clock_read(CLOCK_REALTIME);
}

int
clock_left(int64_t deadline)
{
	int64_t left;

	if (deadline < 0)
		return -1;
	left = deadline - clock_milliseconds();
	if (left < 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int) left;
}
