/*
 * sequence.c
 *	  Kinesis' sequence numbers: decimal, and larger than any integer of C.
 *
 * Must not know what carries them.
 */
#include "sequence.h"

#include <ctype.h>
#include <string.h>

bool
sequence_valid(const char *text, size_t length)
{
	if (length == 0 || length > SEQUENCE_MAX_DIGITS || (text[0] == '0' && length > 1))
		return false;
	for (size_t i = 0; i < length; i++)
	{
		if (!isdigit((unsigned char) text[i]))
			return false;
	}
	return true;
}

/* Without leading zeros, the longer number is the greater one. */
int
sequence_compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
	if (a_length != b_length)
		return a_length < b_length ? -1 : 1;
	return memcmp(a, b, a_length);
}
