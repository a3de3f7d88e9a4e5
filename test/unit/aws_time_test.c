/*
 * aws_time_test.c
 *	  The times in AWS's credentials.
 */
#include "aws/credentials_internal.h"
#include "tap.h"

#define NOON INT64_C(1769860800) /* 2026-01-31T12:00:00Z */

static void
reads(const char *text, int64_t seconds)
{
	int64_t read = credentials_read_time(text);

	ok(read == seconds, "\"%s\" is %lld: %lld", text, (long long) seconds, (long long) read);
}

int
main(void)
{
	static const char *const no_times[] = {
		"",
		"tomorrow",
		"2026-01-31",
		"2026-01-31T12:00:00",
		"2026-13-31T12:00:00Z",
		"2026-01-31T25:00:00Z",
		"2026-01-31T12:00:00Zulu",
		"2026-01-31T12:00:00 Z",
		"2026-01-31T12:00:00+",
		"2026-01-31T12:00:00+01",
		"2026-01-31T12:00:00+1:0",
		"2026-01-31T12:00:00+01:00 ",
		"2026-01-31T12:00:00+01:60",
		"2026-01-31T12:00:00+24:00",
		"2026-01-31T12:00:00+-1:30",
		"1769860800",
		"1969-12-31T23:59:59Z",
	};

	reads("2026-01-31T12:00:00Z", NOON);
	reads("2026-01-31T12:00:00.123456Z", NOON);
	reads("2026-01-31T13:00:00+01:00", NOON);
	reads("2026-01-31T13:00:00.5+0100", NOON);
	reads("2026-01-31T06:30:00-05:30", NOON);
	reads("2026-01-31T12:00:00+00:00", NOON);
	reads("2024-02-29T00:00:00Z", INT64_C(1709164800));
	reads("2106-02-07T06:28:16Z", INT64_C(4294967296));
	for (size_t i = 0; i < sizeof(no_times) / sizeof(no_times[0]); i++)
		reads(no_times[i], 0);
	return done_testing();
}
