/*
 * mg_murmur.c
 *	  Murmur's bytes of a summary: the value of the DynamoDB row.
 *
 * Libc only.
 *
 * Little-endian: uint32 K, uint32 n, then n times uint64 count, uint32 length
 * and the item's bytes, highest count first, ties by bytes.  The readers that
 * exist subtract the (K + 1)th count from all others, so never more than K
 * items are written, and they take a last item without bytes for a cut-off
 * row, so the empty item is left out.
 */
#include "mg_internal.h"

#include <string.h>

#define HEADER_SIZE 8
#define ITEM_HEADER_SIZE 12

static unsigned char *
put_fixed(unsigned char *out, uint64_t value, int width)
{
	for (int i = 0; i < width; i++)
		*out++ = (unsigned char) (value >> (8 * i));
	return out;
}

static uint64_t
get_fixed(const unsigned char *in, int width)
{
	uint64_t value = 0;

	for (int i = width - 1; i >= 0; i--)
		value = value << 8 | in[i];
	return value;
}

/* Write the first k items to out, or only measure them where out is NULL. */
static MgStatus
put_items(const MgAllocator *allocator, MgReader reader, int k, unsigned char *out, uint32_t *count,
		  size_t *size)
{
	MgItem	 item;
	bool	 found;
	MgStatus status;

	*count = 0;
	*size = 0;
	while (*count < (uint32_t) k)
	{
		status = mg_reader_next(&reader, &item, &found);
		if (status != MG_OK)
			return status;
		if (!found)
			break;
		if (item.length == 0)
			continue;
		mg_pause(allocator, *count);
		if (out != NULL)
		{
			out = put_fixed(out, (uint64_t) item.lower, 8);
			out = put_fixed(out, item.length, 4);
			memcpy(out, item.bytes, item.length);
			out += item.length;
		}
		*size += ITEM_HEADER_SIZE + item.length;
		(*count)++;
	}
	return MG_OK;
}

MgStatus
mg_murmur_encode(const MgAllocator *allocator, const void *native, size_t native_size, int k,
				 size_t headroom, unsigned char **bytes, size_t *size)
{
	MgReader	   reader;
	unsigned char *out;
	uint32_t	   count;
	size_t		   items_size;
	MgStatus	   status;

	*bytes = NULL;
	if (k < MG_K_MIN || k > MG_K_MAX)
		return MG_K_OUT_OF_RANGE;
	status = mg_reader_open(&reader, native, native_size);
	if (status == MG_OK)
		status = put_items(allocator, reader, k, NULL, &count, &items_size);
	if (status != MG_OK)
		return status;
	out = mg_allocate(allocator, headroom + HEADER_SIZE + items_size);
	if (out == NULL)
		return MG_OUT_OF_MEMORY;
	*bytes = out;
	*size = headroom + HEADER_SIZE + items_size;
	out = put_fixed(out + headroom, (uint64_t) k, 4);
	out = put_fixed(out, count, 4);
	return put_items(allocator, reader, k, out, &count, &items_size);
}

/* ---- reading ---- */

static MgStatus
corrupt(const char **problem, const char *what)
{
	*problem = what;
	return MG_CORRUPT;
}

MgStatus
mg_murmur_open(MgMurmurReader *reader, const void *bytes, size_t size, const char **problem)
{
	const unsigned char *in = bytes;
	uint64_t			 k, count;

	*reader = (MgMurmurReader) {0};
	if (size < HEADER_SIZE)
		return corrupt(problem, "shorter than the header of 8 bytes");
	k = get_fixed(in, 4);
	count = get_fixed(in + 4, 4);
	if (k < MG_K_MIN || k > MG_K_MAX)
		return MG_K_OUT_OF_RANGE;
	if (count > (uint64_t) mg_room((int) k))
		return corrupt(problem, "more items than a summary of this K can hold");
	if (count > (size - HEADER_SIZE) / ITEM_HEADER_SIZE)
		return corrupt(problem, "an item is cut off");
	*reader = (MgMurmurReader) {.k = (int) k,
								.size = (int) count,
								.next = in + HEADER_SIZE,
								.end = in + size,
								.left = (int) count};
	return MG_OK;
}

MgStatus
mg_murmur_next(MgMurmurReader *reader, MgItem *item, bool *found, const char **problem)
{
	uint64_t count, length;

	*found = reader->left > 0;
	if (!*found)
		return reader->next == reader->end ? MG_OK : corrupt(problem, "bytes follow the last item");
	if (reader->end - reader->next < ITEM_HEADER_SIZE)
		return corrupt(problem, "an item is cut off");
	count = get_fixed(reader->next, 8);
	length = get_fixed(reader->next + 8, 4);
	reader->next += ITEM_HEADER_SIZE;
	if (length > MG_ITEM_MAX_LENGTH)
		return MG_ITEM_TOO_LONG;
	if (length > (uint64_t) (reader->end - reader->next))
		return corrupt(problem, "an item is cut off");
	if (count > INT64_MAX)
		return corrupt(problem, "a count exceeds 9223372036854775807");
	*item = (MgItem) {.bytes = (const char *) reader->next,
					  .length = (uint32_t) length,
					  .lower = (int64_t) count,
					  .upper = MG_UNKNOWN};
	reader->next += length;
	reader->left--;
	return MG_OK;
}

/* List what a reader finds in a summary. */
static MgStatus
list_items(MgMurmurReader *reader, MgSummary *summary, const char **problem)
{
	MgItem	 item;
	bool	 found, listed;
	MgStatus status;

	while ((status = mg_murmur_next(reader, &item, &found, problem)) == MG_OK && found)
	{
		mg_pause(&summary->allocator, (uint32_t) reader->left);
		if (item.lower == 0) /* a counter that fell to 0 says nothing */
			continue;
		status = mg_list(summary, item.bytes, item.length, item.lower, 0, &listed);
		if (status != MG_OK)
			break;
		if (!listed)
			return corrupt(problem, "an item is listed twice");
	}
	return status;
}

MgStatus
mg_murmur_decode(const MgAllocator *allocator, const void *bytes, size_t size, MgSummary **summary,
				 const char **problem)
{
	MgMurmurReader reader;
	const char	  *found = NULL;
	MgStatus	   status = mg_murmur_open(&reader, bytes, size, &found);

	*summary = NULL;
	if (status == MG_OK)
		status = mg_create(allocator, reader.k, summary);
	if (status == MG_OK)
	{
		mg_make_unknown(*summary);
		status = mg_expect(*summary, (uint32_t) reader.size);
	}
	if (status == MG_OK)
		status = list_items(&reader, *summary, &found);
	if (status != MG_OK)
	{
		mg_free(*summary);
		*summary = NULL;
	}
	if (problem != NULL)
		*problem = found != NULL ? found : mg_status_message(status);
	return status;
}
