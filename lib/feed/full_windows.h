/*
 * full_windows.h
 *	  The windows that take nothing more, as their totals come near what 64 bits hold.
 *
 * Must not know who says so.
 */
#ifndef FEED_FULL_WINDOWS_H
#define FEED_FULL_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct FeedFullWindow FeedFullWindow;

/* All zero is a valid start: no window is full.  One is a rare thing, so a short list will do. */
typedef struct FeedFullWindows
{
	FeedFullWindow *first;
} FeedFullWindows;

/* Add a window, unless it is there.  Returns false when out of memory. */
extern bool feed_full_windows_add(FeedFullWindows *full, const char *key, size_t key_length,
								  int64_t bucket);
extern bool feed_full_windows_have(const FeedFullWindows *full, const char *key, size_t key_length,
								   int64_t bucket);
extern void feed_full_windows_free(FeedFullWindows *full);

#endif /* FEED_FULL_WINDOWS_H */
