/*
 * buffer.c
 *	  A growing array whose front moves; it must not know what is in it.
 */
#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_SMALLEST 512
/* More memory than this is not kept for what may come. */
#define BUFFER_KEPT 65536

static void
set_length(Buffer *buffer, size_t length)
{
	if (buffer->total != NULL)
		*buffer->total += length - buffer->length;
	buffer->length = length;
}

/* Is there room for length more bytes?  What is there moves to the front if that is enough. */
static bool
buffer_reserve(Buffer *buffer, size_t length)
{
	size_t capacity = buffer->capacity > 0 ? buffer->capacity : BUFFER_SMALLEST;
	char  *memory;

	if (buffer->start + buffer->length + length <= buffer->capacity)
		return true;
	if (buffer->start > 0)
	{
		memmove(buffer->memory, buffer_bytes(buffer), buffer->length);
		buffer->start = 0;
		if (buffer->length + length <= buffer->capacity)
			return true;
	}
	while (capacity < buffer->length + length)
		capacity *= 2;
	memory = realloc(buffer->memory, capacity);
	if (memory == NULL)
	{
		buffer->failed = true;
		return false;
	}
	buffer->memory = memory;
	buffer->capacity = capacity;
	return true;
}

void
buffer_append(Buffer *buffer, const void *bytes, size_t length)
{
	if (length == 0 || !buffer_reserve(buffer, length))
		return;
	memcpy(buffer_bytes(buffer) + buffer->length, bytes, length);
	set_length(buffer, buffer->length + length);
}

void
buffer_append_text(Buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

void
buffer_printf(Buffer *buffer, const char *format, ...)
{
	va_list arguments;
	int		length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0 || !buffer_reserve(buffer, (size_t) length + 1))
		return;
	va_start(arguments, format);
	vsnprintf(buffer_bytes(buffer) + buffer->length, (size_t) length + 1, format, arguments);
	va_end(arguments);
	set_length(buffer, buffer->length + (size_t) length);
}

void
buffer_take(Buffer *buffer, size_t length)
{
	buffer->start += length;
	set_length(buffer, buffer->length - length);
	if (buffer->length == 0)
		buffer_clear(buffer);
}

void
buffer_clear(Buffer *buffer)
{
	if (buffer->capacity > BUFFER_KEPT)
		buffer_free(buffer);
	buffer->start = 0;
	set_length(buffer, 0);
}

void
buffer_free(Buffer *buffer)
{
	set_length(buffer, 0);
	free(buffer->memory);
	*buffer = (Buffer) {.failed = buffer->failed, .total = buffer->total};
}
