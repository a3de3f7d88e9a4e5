/*
 * pointer.c
 *	  JSON Pointers (RFC 6901): where in an event a field lies.
 *
 * Must not know which fields an event has, nor how it is parsed.
 */
#include "feed/pointer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Unescape text into pointer->names, which has room for all of it: each token ended by a NUL. */
static const char *
pointer_unescape(const char *text, FeedPointer *pointer)
{
	char *out = pointer->names;

	for (const char *in = text; *in != '\0'; in++)
	{
		if (*in == '/')
		{
			if (pointer->count++ > 0)
				*out++ = '\0';
		}
		else if (*in != '~')
			*out++ = *in;
		else if (in[1] == '0' || in[1] == '1')
			*out++ = *++in == '0' ? '~' : '/';
		else
			return "\"~\" must be followed by 0 or 1";
	}
	*out = '\0';
	return NULL;
}

/* The element of an array that a token names: digits without leading zeros. */
static int64_t
pointer_index(const char *name)
{
	size_t	length = strlen(name);
	int64_t index;

	if (length == 0 || length != strspn(name, "0123456789") || (length > 1 && *name == '0'))
		return FEED_NO_INDEX;
	errno = 0;
	index = strtoll(name, NULL, 10);
	return errno == 0 ? index : FEED_NO_INDEX;
}

static const char *
pointer_split(FeedPointer *pointer)
{
	const char *name = pointer->names;

	pointer->tokens = calloc((size_t) pointer->count + 1, sizeof(*pointer->tokens));
	if (pointer->tokens == NULL)
		return "out of memory";
	for (int i = 0; i < pointer->count; i++)
	{
		pointer->tokens[i] =
			(FeedToken) {.name = name, .length = strlen(name), .index = pointer_index(name)};
		name += pointer->tokens[i].length + 1;
	}
	return NULL;
}

const char *
feed_pointer_parse(const char *text, FeedPointer *pointer)
{
	const char *problem;

	memset(pointer, 0, sizeof(*pointer));
	if (*text != '\0' && *text != '/')
		return "a JSON Pointer is empty or starts with \"/\"";
	pointer->text = strdup(text);
	pointer->names = calloc(strlen(text) + 1, 1);
	if (pointer->text == NULL || pointer->names == NULL)
		problem = "out of memory";
	else
		problem = pointer_unescape(text, pointer);
	if (problem == NULL)
		problem = pointer_split(pointer);
	if (problem != NULL)
		feed_pointer_free(pointer);
	return problem;
}

void
feed_pointer_free(FeedPointer *pointer)
{
	free(pointer->text);
	free(pointer->tokens);
	free(pointer->names);
	memset(pointer, 0, sizeof(*pointer));
}
