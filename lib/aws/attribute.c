/*
 * attribute.c
 *	  Attributes of an item as DynamoDB's JSON has them.
 */
#include "aws/attribute.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base64.h"

json_t *
attribute_make_number(int64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, number);
	return json_pack("{s:s}", "N", text);
}

json_t *
attribute_make_text(const char *text)
{
	return json_pack("{s:s}", "S", text);
}

json_t *
attribute_make_bytes(const void *bytes, size_t length)
{
	char   *text = base64_encode(bytes, length);
	json_t *attribute = text != NULL ? json_pack("{s:s}", "B", text) : NULL;

	free(text);
	return attribute;
}

const char *
attribute_text(const json_t *item, const char *name, const char *type)
{
	return json_string_value(json_object_get(json_object_get(item, name), type));
}

bool
attribute_read_number(const char *text, int64_t *number)
{
	char *end;

	if (text == NULL || *text == '\0')
		return false;
	errno = 0;
	*number = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0';
}

bool
attribute_number(const json_t *item, const char *name, int64_t *number)
{
	return attribute_read_number(attribute_text(item, name, "N"), number);
}

unsigned char *
attribute_bytes(const json_t *item, const char *name, size_t *length)
{
	const char *text = attribute_text(item, name, "B");

	return text != NULL ? base64_decode(text, strlen(text), length) : NULL;
}
