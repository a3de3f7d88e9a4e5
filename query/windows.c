/*
 * windows.c
 *	  Keeps windows in order, and merges them.
 */
#include "windows.h"

#include <stdlib.h>
#include <string.h>

static void
free_window(const Window *window)
{
	free(window->value);
	free(window->slacks);
}

bool
windows_add(Windows *windows, const Window *window)
{
	Window *grown = realloc(windows->list, sizeof(*grown) * (size_t) (windows->count + 1));
	int		at = windows->count;

	if (grown == NULL)
	{
		free_window(window);
		return false;
	}
	windows->list = grown;
	for (; at > 0 && grown[at - 1].bucket > window->bucket; at--)
		grown[at] = grown[at - 1];
	grown[at] = *window;
	windows->count++;
	return true;
}

void
windows_free(Windows *windows)
{
	for (int i = 0; i < windows->count; i++)
		free_window(&windows->list[i]);
	free(windows->list);
	*windows = (Windows) {0};
}

size_t
windows_memory(const Windows *windows)
{
	size_t bytes = 0;

	for (int i = 0; i < windows->count; i++)
		bytes += sizeof(Window) + windows->list[i].length +
				 sizeof(int64_t) * (size_t) windows->list[i].slack_count;
	return bytes;
}

/* ---- merging ---- */

/* The bytes of a single window are the answer as they are, unless they list more than K items. */
static MgStatus
copy_window(const Window *window, unsigned char **bytes, size_t *length, const char **problem)
{
	MgMurmurReader reader;
	MgItem		   item;
	bool		   found;
	MgStatus	   status = mg_murmur_open(&reader, window->value, window->length, problem);

	if (status != MG_OK || reader.size > reader.k)
		return status;
	do
		status = mg_murmur_next(&reader, &item, &found, problem);
	while (status == MG_OK && found);
	if (status != MG_OK)
		return status;
	*bytes = malloc(window->length);
	if (*bytes == NULL)
		return MG_OUT_OF_MEMORY;
	memcpy(*bytes, window->value, window->length);
	*length = window->length;
	return MG_OK;
}

/* The merged summary of at least one window; NULL unless OK. */
static MgStatus
merge_summaries(const Windows *windows, MgSummary **merged, const char **problem)
{
	MgStatus status = MG_OK;

	*merged = NULL;
	for (int i = 0; i < windows->count && status == MG_OK; i++)
	{
		const Window *window = &windows->list[i];
		MgSummary	 *summary;

		status = mg_murmur_decode(&mg_malloc_allocator, window->value, window->length, &summary,
								  problem);
		if (status != MG_OK)
			break;
		if (*merged == NULL)
			*merged = summary;
		else
		{
			status = mg_merge(*merged, summary);
			mg_free(summary);
		}
	}
	if (status != MG_OK)
	{
		mg_free(*merged);
		*merged = NULL;
	}
	return status;
}

/* In Murmur's bytes; the summary is released. */
static MgStatus
encode_summary(MgSummary *summary, unsigned char **bytes, size_t *length)
{
	unsigned char *native = NULL;
	size_t		   native_length;
	int			   k = mg_k(summary);
	MgStatus	   status = mg_encode(summary, MG_FINAL, 0, &native, &native_length);

	mg_free(summary);
	if (status == MG_OK)
		status = mg_murmur_encode(&mg_malloc_allocator, native, native_length, k, 0, bytes, length);
	free(native);
	return status;
}

MgStatus
windows_merge(const Windows *windows, int k, unsigned char **bytes, size_t *length,
			  const char **problem)
{
	MgSummary *summary;
	MgStatus   status = MG_OK;

	*bytes = NULL;
	*problem = NULL;
	if (windows->count == 1)
		status = copy_window(&windows->list[0], bytes, length, problem);
	if (status == MG_OK && *bytes == NULL)
	{
		status = windows->count > 0 ? merge_summaries(windows, &summary, problem)
									: mg_create(&mg_malloc_allocator, k, &summary);
		if (status == MG_OK)
			status = encode_summary(summary, bytes, length);
	}
	if (status != MG_OK && *problem == NULL)
		*problem = mg_status_message(status);
	return status;
}
