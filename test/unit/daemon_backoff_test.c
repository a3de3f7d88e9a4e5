/*
 * daemon_backoff_test.c
 *	  backoff.h: bounds and spread of the waits, one line an outage.
 */
#include "daemon/backoff.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

static char *
read_all(int fd)
{
	static char buffer[65536];
	ssize_t		length = read(fd, buffer, sizeof(buffer) - 1);

	buffer[length > 0 ? length : 0] = '\0';
	return buffer;
}

static int
count_lines(const char *text)
{
	int lines = 0;

	for (; *text != '\0'; text++)
		lines += *text == '\n';
	return lines;
}

static void
test_waits(const Log *log)
{
	int		longest[12] = {0};
	int		shortest[12];
	int		most = 0;
	Backoff backoff;

	for (int i = 0; i < 12; i++)
		shortest[i] = 1 << 30;
	for (int trial = 0; trial < 500; trial++)
	{
		backoff_init(&backoff, "d");
		for (int i = 0; i < 12; i++)
		{
			int wait = backoff_failed(&backoff, log, "p");

			longest[i] = wait > longest[i] ? wait : longest[i];
			shortest[i] = wait < shortest[i] ? wait : shortest[i];
		}
	}
	for (int i = 0; i < 12; i++)
	{
		int64_t bound = (int64_t) BACKOFF_BASE_MS << i;

		if (bound > BACKOFF_CAP_MS)
			bound = BACKOFF_CAP_MS;
		ok(shortest[i] >= 0 && longest[i] <= bound && longest[i] > bound * 9 / 10 &&
			   shortest[i] < bound / 10 + 1,
		   "wait %d spreads over 0 .. %lld ms (%d .. %d)", i, (long long) bound, shortest[i],
		   longest[i]);
	}

	for (int i = 0; i < 100000; i++)
	{
		int wait = backoff_failed(&backoff, log, "p");

		most = wait > most ? wait : most;
	}
	ok(most <= BACKOFF_CAP_MS, "the cap holds after 100,000 failures");
}

static void
test_lines(void)
{
	int		fds[2];
	Log		log;
	Backoff backoff;
	char   *text;

	if (pipe(fds) != 0)
		abort();
	log = (Log) {.fd = fds[1], .program = "t", .level = LOG_LEVEL_INFO};
	backoff_init(&backoff, "PostgreSQL");

	backoff_succeeded(&backoff, &log);
	for (int i = 0; i < 5; i++)
		backoff_failed(&backoff, &log, "refused");
	text = read_all(fds[0]);
	ok(count_lines(text) == 1 && strstr(text, "level=warning") &&
		   strstr(text, "dependency=PostgreSQL") && strstr(text, "problem=refused"),
	   "five failures are one line, success before them none");
	backoff_succeeded(&backoff, &log);
	backoff_succeeded(&backoff, &log);
	text = read_all(fds[0]);
	ok(count_lines(text) == 1 && strstr(text, "level=info") && strstr(text, "failures=5"),
	   "recovery is one line");
	ok(backoff_failed(&backoff, &log, "again") <= BACKOFF_BASE_MS, "after it, waits begin anew");
	ok(strstr(read_all(fds[0]), "problem=again") != NULL, "and so does the logging");
}

int
main(void)
{
	Log quiet = {.fd = 2, .program = "t", .level = LOG_LEVEL_ERROR};

	test_waits(&quiet);
	test_lines();
	return done_testing();
}
