/*
 * text.h
 *	  Is the text of a record Unicode all through?
 *
 * Must not know JSON beyond its escapes: it sees to what the parser lets pass.
 */
#ifndef FEED_TEXT_H
#define FEED_TEXT_H

#include <stddef.h>

typedef enum FeedTextFault
{
	FEED_TEXT_GOOD,
	FEED_TEXT_NOT_UTF8,	 /* by RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF */
	FEED_TEXT_SURROGATE, /* an escape (\ud800) that is half of a pair */
	FEED_TEXT_SPACE		 /* vertical tab or form feed, which JSON does not have for white space */
} FeedTextFault;

/* The first fault of text, and at which byte it is. */
extern FeedTextFault feed_text_check(const char *text, size_t length, size_t *at);

#endif /* FEED_TEXT_H */
