/*
 * daemon_signals_test.c
 *	  signals.h, notify.h and clock.h.
 */
#include "daemon/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/notify.h"
#include "tap.h"

static void
test_waiting(const Log *log)
{
	Signals signals;
	int		pipes[2];
	int64_t start;

	if (pipe(pipes) != 0)
		abort();
	ok(signals_open(&signals, log) == DAEMON_OK, "signals are set up");
	ok(!signals_stop_requested(&signals), "nobody has asked to stop");

	start = clock_milliseconds();
	ok(signals_wait(&signals, -1, 0, 100) == SIGNALS_TIMEOUT, "a wait times out");
	ok(clock_milliseconds() - start >= 99, "after its time");
	ok(signals_wait(&signals, pipes[0], POLLIN, 0) == SIGNALS_TIMEOUT,
	   "the other descriptor is silent");
	if (write(pipes[1], "x", 1) != 1)
		abort();
	ok(signals_wait(&signals, pipes[0], POLLIN, -1) == SIGNALS_READY,
	   "the other descriptor is ready");

	raise(SIGPIPE);
	kill(getpid(), SIGTERM);
	ok(signals_wait(&signals, pipes[0], POLLIN, -1) == SIGNALS_STOP,
	   "a stop comes before the descriptor");
	ok(signals_stop_requested(&signals) && signals_wait(&signals, -1, 0, -1) == SIGNALS_STOP,
	   "and stays, and no wait waits any more");
	signals_close(&signals);
}

/* Who asks twice is obeyed at once, even when a shell started the program with SIGINT ignored, as it does with `program &`. */
static void
test_second_signal(const Log *log)
{
	int	  status;
	pid_t child = fork();

	if (child == 0)
	{
		Signals signals;

		signal(SIGINT, SIG_IGN);
		if (signals_open(&signals, log) != DAEMON_OK)
			_exit(1);
		kill(getpid(), SIGINT);
		if (!signals_stop_requested(&signals))
			_exit(2);
		kill(getpid(), SIGINT);
		_exit(3);
	}
	waitpid(child, &status, 0);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT, "the second signal ends the program");
}

static void
test_notify(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char			   directory[] = "/tmp/topk-notify-XXXXXX";
	char			   message[64] = "";
	int				   fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	unsetenv("NOTIFY_SOCKET");
	notify_systemd("READY=1");
	if (mkdtemp(directory) == NULL)
		abort();
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
	if (bind(fd, (struct sockaddr *) &address, sizeof(address)) != 0)
		abort();
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	notify_systemd("READY=1");
	ok(recv(fd, message, sizeof(message) - 1, MSG_DONTWAIT) == 7 && strcmp(message, "READY=1") == 0,
	   "systemd is told");
	close(fd);
	unlink(address.sun_path);
	rmdir(directory);
	notify_systemd("STOPPING=1"); /* nobody there: nothing happens */
}

static void
test_clock(void)
{
	ok(clock_left(-1) == -1, "no deadline is for ever");
	ok(clock_left(clock_milliseconds() - 5) == 0, "a past one is now");
	ok(clock_left(clock_milliseconds() + 1000) > 900, "a future one is left");
	ok(clock_left(INT64_MAX) > 1000000, "a far one is bounded");
}

int
main(void)
{
	Log quiet = {.fd = open("/dev/null", O_WRONLY), .program = "t"};

	test_second_signal(&quiet);
	test_waiting(&quiet);
	test_notify();
	test_clock();
	return done_testing();
}
