/*
 * feed_time_test.c
 *	  RFC 3339 times to milliseconds, and back for people.
 */
#include "feed/time.h"

#include <string.h>

#include "tap.h"

static void
accepts(const char *text, int64_t expected)
{
	int64_t found = -1;

	ok(feed_time_parse(text, &found) && found == expected, "%s is %lld ms", text,
	   (long long) expected);
}

static void
refuses(const char *text)
{
	int64_t found;

	ok(!feed_time_parse(text, &found), "\"%s\" is no time", text);
}

static void
shows(int64_t milliseconds, const char *expected)
{
	char text[FEED_TIME_SIZE];

	feed_time_format(milliseconds, text);
	ok(strcmp(text, expected) == 0, "%lld ms is shown as %s, here %s", (long long) milliseconds,
	   expected, text);
}

int
main(void)
{
	accepts("1970-01-01T00:00:00Z", 0);
	accepts("2026-01-31T23:59:59Z", INT64_C(1769903999000));
	accepts("2026-01-31T23:59:59.5Z", INT64_C(1769903999500));
	accepts("2026-01-31T23:59:59.123456789Z", INT64_C(1769903999123));
	accepts("2026-02-01T01:59:59+02:00", INT64_C(1769903999000));
	accepts("2026-01-31T18:29:59-05:30", INT64_C(1769903999000));
	accepts("2016-12-31T23:59:60Z", INT64_C(1483228800000));
	accepts("2024-02-29T00:00:00Z", INT64_C(1709164800000));
	accepts("1969-12-31T23:59:59.250Z", -750);
	refuses("");
	refuses("2026-01-31");
	refuses("2026-01-31T23:59:59");
	refuses("2026-02-31T10:00:00Z");
	refuses("2025-02-29T10:00:00Z");
	refuses("2026-13-01T00:00:00Z");
	refuses("2026-01-31T24:00:00Z");
	refuses("2026-01-31T23:59:59Z and more");
	refuses("2026-01-31T23:59:59 Z");
	refuses(" 2026-01-31T23:59:59Z");
	refuses("yesterday");

	shows(0, "1970-01-01T00:00:00Z");
	shows(-1, "1969-12-31T23:59:59Z");
	shows(INT64_C(1769903999999), "2026-01-31T23:59:59Z");
	shows(INT64_MAX, "9223372036854775807 ms");
	shows(INT64_MIN, "-9223372036854775808 ms");
	return done_testing();
}
