/*
 * text.c
 *	  Is the text of a record Unicode all through?
 *
 * Must not know JSON beyond its escapes.
 */
#include "feed/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* None of eight bytes is a control character, a backslash or beyond ASCII. */
static bool
text_is_plain(uint64_t bytes)
{
	uint64_t no_backslash = bytes ^ EACH_BYTE('\\');
	uint64_t below_space = bytes - EACH_BYTE(' ');
	uint64_t below_one = no_backslash - EACH_BYTE(1);

	return ((bytes | below_space | (below_one & ~no_backslash)) & EACH_BYTE(0x80)) == 0;
}

/* The length of the UTF-8 sequence at p, or 0 when it is none. */
static size_t
text_sequence(const unsigned char *p, const unsigned char *end)
{
	size_t		  length = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;

	if (p[0] < 0xc2 || p[0] > 0xf4 || (size_t) (end - p) < length || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
	{
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return length;
}

/* Which half of a surrogate pair the escape at p is: 'h'igh, 'l'ow or none (0). */
static int
text_surrogate(const unsigned char *p, const unsigned char *end)
{
	if (end - p < 6 || p[0] != '\\' || p[1] != 'u' || (p[2] != 'd' && p[2] != 'D'))
		return 0;
	if (strchr("89abAB", p[3]) != NULL && p[3] != '\0')
		return 'h';
	return strchr("cdefCDEF", p[3]) != NULL && p[3] != '\0' ? 'l' : 0;
}

/* The length of the escape at p, or 0 when it is half of a surrogate pair.  Whether it is one of JSON's is not asked. */
static size_t
text_escape(const unsigned char *p, const unsigned char *end)
{
	switch (text_surrogate(p, end))
	{
		case 'h':
			return text_surrogate(p + 6, end) == 'l' ? 12 : 0;
		case 'l':
			return 0;
		default:
			return end - p > 1 && p[1] < 0x80 ? 2 : 1;
	}
}

FeedTextFault
feed_text_check(const char *text, size_t length, size_t *at)
{
	const unsigned char *p = (const unsigned char *) text;
	const unsigned char *end = p + length;
	FeedTextFault		 fault = FEED_TEXT_GOOD;

	while (p < end && fault == FEED_TEXT_GOOD)
	{
		uint64_t bytes;
		size_t	 step = 1;

		if (end - p >= 8)
		{
			memcpy(&bytes, p, 8);
			if (text_is_plain(bytes))
			{
				p += 8;
				continue;
			}
		}
		if (*p >= 0x80)
		{
			step = text_sequence(p, end);
			fault = step == 0 ? FEED_TEXT_NOT_UTF8 : FEED_TEXT_GOOD;
		}
		else if (*p == '\\')
		{
			step = text_escape(p, end);
			fault = step == 0 ? FEED_TEXT_SURROGATE : FEED_TEXT_GOOD;
		}
		else if (*p == '\v' || *p == '\f')
			fault = FEED_TEXT_SPACE;
		if (fault == FEED_TEXT_GOOD)
			p += step;
	}
	*at = (size_t) (p - (const unsigned char *) text);
	return fault;
}
