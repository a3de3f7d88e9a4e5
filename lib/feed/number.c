/*
 * number.c
 *	  Numbers in JSON text that are too large for a parser.
 *
 * Must not know what the text means.
 */
#include "feed/number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_STAND_IN "-0.5" /* shorter than any number out of range */

static const char *
number_digits(const char *p)
{
	while (isdigit((unsigned char) *p))
		p++;
	return p;
}

/* The end of the JSON number at p, or p when there is none.  *whole: it has neither fraction nor exponent. */
static const char *
number_end(const char *p, bool *whole)
{
	const char *start = p;
	const char *digits;

	*whole = true;
	digits = *p == '-' ? p + 1 : p;
	p = number_digits(digits);
	if (p == digits || (*digits == '0' && p > digits + 1))
		return start;
	if (*p == '.')
	{
		*whole = false;
		digits = p + 1;
		p = number_digits(digits);
		if (p == digits)
			return start;
	}
	if (*p == 'e' || *p == 'E')
	{
		*whole = false;
		digits = p[1] == '+' || p[1] == '-' ? p + 2 : p + 1;
		p = number_digits(digits);
		if (p == digits)
			return start;
	}
	return p;
}

static bool
number_overflows(const char *number, bool whole)
{
	errno = 0;
	if (whole)
		return strtoll(number, NULL, 10) != 0 && errno == ERANGE;
	return isinf(strtod(number, NULL));
}

/* The end of the string that starts at p, a quotation mark. */
static char *
number_skip_string(char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
	{
		if (*p == '\\')
			p++;
	}
	return p < end ? p + 1 : p;
}

char *
feed_number_soften(const char *text, size_t length)
{
	char *copy = malloc(length + 1);
	char *end = copy + length;

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, length);
	*end = '\0';
	for (char *p = copy; p < end;)
	{
		bool		whole;
		const char *after = number_end(p, &whole);

		if (*p == '"')
			p = number_skip_string(p, end);
		else if (after == p)
			p++;
		else
		{
			if (number_overflows(p, whole))
			{
				memset(p, ' ', (size_t) (after - p));
				memcpy(p, NUMBER_STAND_IN, strlen(NUMBER_STAND_IN));
			}
			p = copy + (after - copy);
		}
	}
	return copy;
}
