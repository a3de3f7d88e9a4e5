/*
 * pointer.h
 *	  JSON Pointers (RFC 6901): where in an event a field lies.
 *
 * Must not know which fields an event has, nor how it is parsed.
 */
#ifndef FEED_POINTER_H
#define FEED_POINTER_H

#include <stddef.h>
#include <stdint.h>

/* The index of a token that names no element of an array. */
#define FEED_NO_INDEX INT64_C(-1)

/* One step: the name of a member, or if it looks like a number also the index of an element. */
typedef struct FeedToken
{
	const char *name; /* unescaped; ends with a NUL */
	size_t		length;
	int64_t		index; /* or FEED_NO_INDEX */
} FeedToken;

/* A parsed pointer.  All zero means that no pointer is set. */
typedef struct FeedPointer
{
	char	  *text; /* as given, for messages; NULL when not set */
	FeedToken *tokens;
	int		   count;
	char	  *names; /* owns those of the tokens */
} FeedPointer;

/*
 * Parse text ("/properties/product_id").  Returns NULL when it is a JSON
 * Pointer, else what is wrong with it, in static storage.  The caller releases
 * the pointer with feed_pointer_free.
 */
extern const char *feed_pointer_parse(const char *text, FeedPointer *pointer);
extern void		   feed_pointer_free(FeedPointer *pointer);

#endif /* FEED_POINTER_H */
