/*
 * signals.h
 *	  SIGTERM and SIGINT ask the loop to drain and leave.
 *
 * They are blocked and read from a signalfd, so that nothing runs in a
 * signal handler.  After the first one they have their default effect again:
 * who asks twice is obeyed at once.
 */
#ifndef DAEMON_SIGNALS_H
#define DAEMON_SIGNALS_H

#include <stdbool.h>

#include "daemon/log.h"
#include "daemon/status.h"

typedef struct Signals
{
	/* private */
	const Log *log;
	int		   fd;
	bool	   stop;
} Signals;

/*
 * Block SIGTERM and SIGINT, ignore SIGPIPE, and listen.  Call it before any
 * thread is started (librdkafka, libmicrohttpd), as threads inherit the mask.
 * FATAL when the system refuses, logged.
 */
extern DaemonStatus signals_open(Signals *signals, const Log *log);
extern void			signals_close(Signals *signals);

/* Has a signal arrived?  Never waits; stays true. */
extern bool signals_stop_requested(Signals *signals);

/* For one's own poll(): readable when a signal has arrived. */
extern int signals_fd(const Signals *signals);

typedef enum SignalsWake
{
	SIGNALS_TIMEOUT,
	SIGNALS_READY, /* the other descriptor has one of the events, or an error */
	SIGNALS_STOP
} SignalsWake;

/*
 * Wait for a stop request, for events (POLLIN, POLLOUT) on other_fd (-1:
 * none), or for timeout_ms (-1: for ever), whichever is first.  A stop that
 * was requested earlier returns at once.
 */
extern SignalsWake signals_wait(Signals *signals, int other_fd, short events, int timeout_ms);

#endif /* DAEMON_SIGNALS_H */
