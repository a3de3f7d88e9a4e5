/*
 * buffer.h
 *	  Bytes that are added at the end and taken from the front.
 *
 * Must not know what they mean.
 */
#ifndef QUERY_BUFFER_H
#define QUERY_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/* All zero is an empty buffer. */
typedef struct Buffer
{
	char   *memory;
	size_t	start;	/* what was taken */
	size_t	length; /* what is there, from start on */
	size_t	capacity;
	bool	failed; /* memory ran out: what was to be added is missing */
	size_t *total;	/* its length is counted in there, too; NULL: nowhere */
} Buffer;

extern void buffer_append(Buffer *buffer, const void *bytes, size_t length);
extern void buffer_append_text(Buffer *buffer, const char *text);
extern void buffer_printf(Buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What is there: length bytes, moved by the next change. */
static inline char *
buffer_bytes(const Buffer *buffer)
{
	return buffer->memory + buffer->start;
}

/* Take length bytes, which are there, from the front. */
extern void buffer_take(Buffer *buffer, size_t length);

/* Empty it; a small one keeps its memory. */
extern void buffer_clear(Buffer *buffer);
extern void buffer_free(Buffer *buffer);

#endif /* QUERY_BUFFER_H */
