/*
 * full_windows.c
 *	  The windows that take nothing more, as their totals come near what 64 bits hold.
 *
 * Must not know who says so.
 */
#include "feed/full_windows.h"

#include <stdlib.h>
#include <string.h>

struct FeedFullWindow
{
	FeedFullWindow *next;
	int64_t			bucket;
	size_t			key_length;
	char			key[];
};

bool
feed_full_windows_add(FeedFullWindows *full, const char *key, size_t key_length, int64_t bucket)
{
	FeedFullWindow *window;

	if (feed_full_windows_have(full, key, key_length, bucket))
		return true;
	window = malloc(sizeof(*window) + key_length);
	if (window == NULL)
		return false;
	window->next = full->first;
	window->bucket = bucket;
	window->key_length = key_length;
	memcpy(window->key, key, key_length);
	full->first = window;
	return true;
}

bool
feed_full_windows_have(const FeedFullWindows *full, const char *key, size_t key_length,
					   int64_t bucket)
{
	const FeedFullWindow *window = full->first;

	while (window != NULL && (window->bucket != bucket || window->key_length != key_length ||
							  memcmp(window->key, key, key_length) != 0))
		window = window->next;
	return window != NULL;
}

void
feed_full_windows_free(FeedFullWindows *full)
{
	while (full->first != NULL)
	{
		FeedFullWindow *next = full->first->next;

		free(full->first);
		full->first = next;
	}
}
