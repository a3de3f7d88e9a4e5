/*
 * windows.h
 *	  The windows of one entity as a store has them, and their merge.
 *
 * Must not know which store, nor what is asked.
 */
#ifndef QUERY_WINDOWS_H
#define QUERY_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mg/mg.h"

typedef struct Window
{
	int64_t		   bucket;
	int64_t		   version; /* grows with every change */
	unsigned char *value;	/* the summary in Murmur's bytes */
	size_t		   length;
	int64_t		   total; /* MG_UNKNOWN, and so the error, where nobody knows */
	int64_t		   error; /* no item that is not listed weighs more */
	int64_t *slacks; /* upper minus lower bound of each item of value; NULL: the error for each */
	int		 slack_count;
	int64_t	 updated_at; /* Unix seconds, -1: not known */
} Window;

typedef struct Windows
{
	Window *list; /* ascending by bucket */
	int		count;
} Windows;

/* Keeps them ascending; takes over value and slacks, also without memory (false). */
extern bool windows_add(Windows *windows, const Window *window);
extern void windows_free(Windows *windows);

/* Bytes that they take. */
extern size_t windows_memory(const Windows *windows);

/*
 * The merged summary in Murmur's bytes, malloc'ed: the sum of the windows' lower bounds, of the
 * K items that have most; K is the smallest of theirs, and k where there are none.
 */
extern MgStatus windows_merge(const Windows *windows, int k, unsigned char **bytes, size_t *length,
							  const char **problem);

#endif /* QUERY_WINDOWS_H */
