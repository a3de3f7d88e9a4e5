/*
 * backoff.c
 *	  Waiting times with full jitter, and the log lines of an outage.
 *
 * Must not know what the dependency is, nor wait itself.
 */
#include "daemon/backoff.h"

#include <sys/random.h>

#include "daemon/clock.h"

void
backoff_init(Backoff *backoff, const char *dependency)
{
	*backoff = (Backoff) {
		.dependency = dependency,
		.base_ms = BACKOFF_BASE_MS,
		.cap_ms = BACKOFF_CAP_MS,
	};

	/* without entropy, at least different from other processes */
	if (getrandom(&backoff->random, sizeof(backoff->random), GRND_NONBLOCK) !=
		sizeof(backoff->random))
		backoff->random = (uint64_t) clock_unix_milliseconds() ^ (uint64_t) (uintptr_t) backoff;
	backoff->random |= 1;
}

/* xorshift64*: S. Vigna, "An experimental exploration of Marsaglia's xorshift generators" (2016) */
static uint64_t
backoff_random(Backoff *backoff)
{
	backoff->random ^= backoff->random >> 12;
	backoff->random ^= backoff->random << 25;
	backoff->random ^= backoff->random >> 27;
	return backoff->random * UINT64_C(2685821657736338717);
}

int
backoff_next(Backoff *backoff)
{
	int64_t bound = backoff->base_ms;

	for (int i = 0; i < backoff->failures && bound < backoff->cap_ms; i++)
		bound *= 2;
	if (bound > backoff->cap_ms)
		bound = backoff->cap_ms;
	backoff->failures++;
	return (int) ((backoff_random(backoff) >> 11) % (uint64_t) (bound + 1));
}

int
backoff_failed(Backoff *backoff, const Log *log, const char *problem)
{
	if (backoff->failures == 0)
	{
		backoff->since = clock_milliseconds();
		log_warning(log, "dependency failed, trying again until it works",
					LOG_TEXT("dependency", backoff->dependency), LOG_TEXT("problem", problem));
	}
	else
		log_debug(log, "dependency still fails", LOG_TEXT("dependency", backoff->dependency),
				  LOG_TEXT("problem", problem), LOG_INTEGER("failures", backoff->failures + 1));
	return backoff_next(backoff);
}

void
backoff_succeeded(Backoff *backoff, const Log *log)
{
	if (backoff->failures > 0)
		log_info(log, "dependency works again", LOG_TEXT("dependency", backoff->dependency),
				 LOG_INTEGER("failures", backoff->failures),
				 LOG_REAL("seconds", (double) (clock_milliseconds() - backoff->since) / 1000));
	backoff->failures = 0;
}
