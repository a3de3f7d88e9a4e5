/*
 * pointer.h
 *	  JSON Pointers (RFC 6901): where in an event a field lies.
 *
 * Must not know which fields an event has, nor where it came from.
 */
#ifndef FEED_POINTER_H
#define FEED_POINTER_H

#include <stdbool.h>

#include <jansson.h>

/* A parsed pointer.  All zero means that no pointer is set. */
typedef struct FeedPointer
{
	char *text;	  /* as given, for messages; NULL when not set */
	char *tokens; /* unescaped reference tokens, each ended by a NUL */
	int	  count;
} FeedPointer;

/*
 * Parse text ("/properties/product_id").  Returns NULL when it is a JSON
 * Pointer, else what is wrong with it, in static storage.  The caller releases
 * the pointer with feed_pointer_free.
 */
extern const char *feed_pointer_parse(const char *text, FeedPointer *pointer);
extern void		   feed_pointer_free(FeedPointer *pointer);

/* The value that the pointer leads to in document (borrowed), or NULL when there is none. */
extern json_t *feed_pointer_get(const FeedPointer *pointer, json_t *document);

#endif /* FEED_POINTER_H */
