/*
 * pointer.c
 *	  JSON Pointers (RFC 6901): where in an event a field lies.
 *
 * Must not know which fields an event has, nor where it came from.
 */
#include "feed/pointer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Unescape the tokens of text into pointer->tokens, which has room for all of text. */
static const char *
pointer_unescape(const char *text, FeedPointer *pointer)
{
	char *out = pointer->tokens;

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

const char *
feed_pointer_parse(const char *text, FeedPointer *pointer)
{
	const char *problem;

	memset(pointer, 0, sizeof(*pointer));
	if (*text != '\0' && *text != '/')
		return "a JSON Pointer is empty or starts with \"/\"";
	pointer->text = strdup(text);
	pointer->tokens = malloc(strlen(text) + 1);
	if (pointer->text == NULL || pointer->tokens == NULL)
		problem = "out of memory";
	else
		problem = pointer_unescape(text, pointer);
	if (problem != NULL)
		feed_pointer_free(pointer);
	return problem;
}

void
feed_pointer_free(FeedPointer *pointer)
{
	free(pointer->text);
	free(pointer->tokens);
	memset(pointer, 0, sizeof(*pointer));
}

/* The element of an array that a token names: digits without leading zeros. */
static json_t *
pointer_element(const char *token, json_t *array)
{
	size_t		  length = strlen(token);
	unsigned long index;

	if (length == 0 || length != strspn(token, "0123456789") || (length > 1 && *token == '0'))
		return NULL;
	errno = 0;
	index = strtoul(token, NULL, 10);
	return errno == 0 ? json_array_get(array, index) : NULL;
}

json_t *
feed_pointer_get(const FeedPointer *pointer, json_t *document)
{
	json_t	   *value = document;
	const char *token = pointer->tokens;

	for (int i = 0; i < pointer->count && value != NULL; i++)
	{
		if (json_is_object(value))
			value = json_object_get(value, token);
		else if (json_is_array(value))
			value = pointer_element(token, value);
		else
			value = NULL;
		token += strlen(token) + 1;
	}
	return value;
}
