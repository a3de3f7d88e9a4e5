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

/* One item of Murmur's bytes at *in; NULL in *problem if it is sound. */
static MgStatus
get_item(const unsigned char **in, const unsigned char *end, MgSummary *summary,
		 const char **problem)
{
	uint64_t count, length;
	bool	 listed;
	MgStatus status;

	if (end - *in < ITEM_HEADER_SIZE)
	{
		*problem = "an item is cut off";
		return MG_CORRUPT;
	}
	count = get_fixed(*in, 8);
	length = get_fixed(*in + 8, 4);
	*in += ITEM_HEADER_SIZE;
	if (length > MG_ITEM_MAX_LENGTH)
		return MG_ITEM_TOO_LONG;
	if (length > (uint64_t) (end - *in))
		*problem = "an item is cut off";
	else if (count > INT64_MAX)
		*problem = "a count exceeds 9223372036854775807";
	if (*problem != NULL)
		return MG_CORRUPT;
	if (count > 0) /* a counter that fell to 0 says nothing */
	{
		status = mg_list(summary, *in, length, (int64_t) count, 0, &listed);
		if (status != MG_OK)
			return status;
		if (!listed)
		{
			*problem = "an item is listed twice";
			return MG_CORRUPT;
		}
	}
	*in += length;
	return MG_OK;
}

MgStatus
mg_murmur_decode(const MgAllocator *allocator, const void *bytes, size_t size, MgSummary **summary,
				 const char **problem)
{
	const unsigned char *in = bytes;
	const unsigned char *end = in + size;
	const char			*found = NULL;
	uint64_t			 k = 0, count = 0;
	MgStatus			 status = MG_OK;

	*summary = NULL;
	if (size >= HEADER_SIZE)
	{
		k = get_fixed(in, 4);
		count = get_fixed(in + 4, 4);
		in += HEADER_SIZE;
		status = mg_create(allocator, k > MG_K_MAX ? 0 : (int) k, summary);
	}
	else
		found = "shorter than the header of 8 bytes";
	if (*summary != NULL && found == NULL)
	{
		mg_make_unknown(*summary);
		if (count > (uint64_t) mg_room((int) k))
			found = "more items than a summary of this K can hold";
	}
	for (uint64_t i = 0; status == MG_OK && found == NULL && i < count; i++)
	{
		mg_pause(allocator, (uint32_t) i);
		status = get_item(&in, end, *summary, &found);
	}
	if (status == MG_OK && found == NULL && in != end)
		found = "bytes follow the last item";
	if (found != NULL)
		status = MG_CORRUPT;
	if (status != MG_OK)
	{
		mg_free(*summary);
		*summary = NULL;
	}
	if (problem != NULL)
		*problem = found != NULL ? found : mg_status_message(status);
	return status;
}
