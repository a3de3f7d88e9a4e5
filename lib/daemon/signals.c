/*
 * signals.c
 *	  SIGTERM and SIGINT as a readable descriptor; knows nothing of loops.
 */
#include "daemon/signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/clock.h"

static void
stop_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
}

DaemonStatus
signals_open(Signals *signals, const Log *log)
{
	sigset_t set;

	*signals = (Signals) {.log = log, .fd = -1};
	/* A shell may have started us with SIGINT ignored, as it does with `program &`. */
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	stop_signals(&set);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) == 0)
		signals->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (signals->fd < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
	{
		log_error(log, "could not set up signals", LOG_TEXT("problem", strerror(errno)));
		return DAEMON_FATAL;
	}
	return DAEMON_OK;
}

void
signals_close(Signals *signals)
{
	if (signals->fd >= 0)
		close(signals->fd);
	signals->fd = -1;
}

bool
signals_stop_requested(Signals *signals)
{
	struct signalfd_siginfo info;

	while (read(signals->fd, &info, sizeof(info)) == sizeof(info))
	{
		sigset_t set;

		if (signals->stop)
			continue;
		signals->stop = true;
		log_info(signals->log, "stopping",
				 LOG_TEXT("signal", info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT"));
		stop_signals(&set);
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	}
	return signals->stop;
}

int
signals_fd(const Signals *signals)
{
	return signals->fd;
}

SignalsWake
signals_wait(Signals *signals, int other_fd, short events, int timeout_ms)
{
	int64_t		  deadline = timeout_ms < 0 ? -1 : clock_milliseconds() + timeout_ms;
	struct pollfd fds[2] = {
		{.fd = signals->fd, .events = POLLIN},
		{.fd = other_fd, .events = events},
	};

	for (;;)
	{
		int ready;

		if (signals_stop_requested(signals))
			return SIGNALS_STOP;
		ready = poll(fds, 2, clock_left(deadline));
		if (signals_stop_requested(signals))
			return SIGNALS_STOP;
		if (ready > 0 && fds[1].revents != 0)
			return SIGNALS_READY;
		if (ready == 0)
			return SIGNALS_TIMEOUT;
	}
}
