/*
 * time.h
 *	  Times as milliseconds since the Unix epoch: reading and showing them.
 *
 * Must not know what the times belong to.
 */
#ifndef FEED_TIME_H
#define FEED_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define FEED_TIME_SIZE 48 /* room for a shown time */

/* Read an RFC 3339 time ("2026-01-31T23:59:59.5+01:00"); digits below the millisecond are cut. */
extern bool feed_time_parse(const char *text, int64_t *milliseconds);

/* Show a time in UTC ("2026-01-31T22:59:59Z"); one beyond the calendar as a number of milliseconds. */
extern void feed_time_format(int64_t milliseconds, char text[FEED_TIME_SIZE]);

#endif /* FEED_TIME_H */
