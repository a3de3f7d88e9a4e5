/*
 * time.c
 *	  Times as milliseconds since the Unix epoch: reading and showing them.
 *
 * Must not know what the times belong to.
 */
#include "feed/time.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The fraction of a second at *text, which is moved past it. */
static int
time_parse_fraction(const char **text)
{
	int milliseconds = 0;
	int unit = 100;

	for (; isdigit((unsigned char) **text); (*text)++)
	{
		milliseconds += (**text - '0') * unit;
		unit /= 10;
	}
	return milliseconds;
}

bool
feed_time_parse(const char *text, int64_t *milliseconds)
{
	struct tm broken_down = {0};
	struct tm zone = {0};
	int		  fraction = 0;
	int		  day;
	int		  second;
	time_t	  minute;

	if (!isdigit((unsigned char) *text))
		return false;
	text = strptime(text, "%Y-%m-%dT%H:%M:%S", &broken_down);
	if (text == NULL)
		return false;
	if (text[0] == '.' && isdigit((unsigned char) text[1]))
	{
		text++;
		fraction = time_parse_fraction(&text);
	}
	if (isspace((unsigned char) *text))
		return false;
	text = strptime(text, "%z", &zone);
	if (text == NULL || *text != '\0')
		return false;
	/* timegm takes 31 February for a day in March; a leap second may end a day */
	day = broken_down.tm_mday;
	second = broken_down.tm_sec;
	broken_down.tm_sec = 0;
	minute = timegm(&broken_down);
	if (broken_down.tm_mday != day)
		return false;
	*milliseconds = ((int64_t) minute + second - zone.tm_gmtoff) * 1000 + fraction;
	return true;
}

void
feed_time_format(int64_t milliseconds, char text[FEED_TIME_SIZE])
{
	time_t	  seconds = (time_t) (milliseconds / 1000 - (milliseconds % 1000 < 0 ? 1 : 0));
	struct tm broken_down;

	if (gmtime_r(&seconds, &broken_down) == NULL || broken_down.tm_year < -1900 ||
		broken_down.tm_year > 9999 - 1900 ||
		strftime(text, FEED_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &broken_down) == 0)
		snprintf(text, FEED_TIME_SIZE, "%lld ms", (long long) milliseconds);
}
