/*
 * clock.h
 *	  The time: monotonic for waiting, wall clock for people.
 */
#ifndef DAEMON_CLOCK_H
#define DAEMON_CLOCK_H

#include <stdint.h>

/* Milliseconds that only ever grow; for deadlines and durations. */
extern int64_t clock_milliseconds(void);

/* Milliseconds since the Unix epoch; for log lines and events. */
extern int64_t clock_unix_milliseconds(void);

/*
 * Milliseconds left until deadline, within 0 .. INT_MAX, as poll() wants them.
 * A negative deadline means never: -1.
 */
extern int clock_left(int64_t deadline);

#endif /* DAEMON_CLOCK_H */
