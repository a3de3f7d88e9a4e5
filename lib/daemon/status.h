/*
 * status.h
 *	  What a daemon's function answers: done, try again, or give up.
 *
 * No file below main.c ends the program; it says which of the three it is.
 */
#ifndef DAEMON_STATUS_H
#define DAEMON_STATUS_H

typedef enum DaemonStatus
{
	DAEMON_OK = 0,
	DAEMON_RETRY, /* a dependency is away: wait (backoff.h) and try again */
	DAEMON_FATAL  /* trying again can't help; the cause has been logged */
} DaemonStatus;

/* What main() returns. */
#define DAEMON_EXIT_OK 0
#define DAEMON_EXIT_FAILURE 1
#define DAEMON_EXIT_CONFIGURATION 2

#endif /* DAEMON_STATUS_H */
