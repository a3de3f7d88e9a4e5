/*
 * mg_native_fuzz.c
 *	  Any bytes as a native summary: decoded, validated, read, merged.
 *
 * What is accepted must be canonical: it encodes to the same bytes again, also
 * when merged into an empty summary or taken apart and put together.
 */
#include "fuzz.h"

#include <string.h>

#include "mg/mg.h"

/* Walk over bytes that nobody validated; does the reader get to its end? */
static bool
reads_to_end(const uint8_t *data, size_t size, MgReader *reader)
{
	MgItem item;
	bool   found;
	int	   items = 0;

	if (mg_reader_open(reader, data, size) != MG_OK)
		return false;
	for (;;)
	{
		if (mg_reader_next(reader, &item, &found) != MG_OK)
			return false;
		if (!found)
			return items == reader->size;
		require(item.length <= MG_ITEM_MAX_LENGTH && item.lower > 0);
		require((const uint8_t *) item.bytes >= data &&
				(const uint8_t *) item.bytes + item.length <= data + size);
		require(reader->known ? item.upper >= item.lower : item.upper == MG_UNKNOWN);
		items++;
	}
}

/* What stands in bytes that were accepted: (k + 1) * E <= N, and no more weight than the total. */
static void
require_sound(const uint8_t *data, size_t size)
{
	MgReader reader;
	MgItem	 item;
	bool	 found;
	int64_t	 left;

	require(mg_reader_open(&reader, data, size) == MG_OK);
	left = reader.total;
	if (reader.known)
		require(reader.error <= reader.total / (reader.k + 1));
	while (mg_reader_next(&reader, &item, &found) == MG_OK && found)
	{
		if (!reader.known)
			continue;
		require(item.upper - item.lower <= reader.error && item.lower <= left);
		left -= item.lower;
	}
}

static void
require_encodes_to(MgSummary *summary, const uint8_t *data, size_t size)
{
	unsigned char *bytes;
	size_t		   encoded_size;

	require(mg_encode(summary, MG_PARTIAL, 0, &bytes, &encoded_size) == MG_OK);
	require(encoded_size == size && memcmp(bytes, data, size) == 0);
	free(bytes);
}

/* Encoded with all counters and cut to k, the summary is valid; the caller's to free. */
static void
require_valid(MgSummary *summary)
{
	for (MgForm form = MG_PARTIAL; form <= MG_FINAL; form++)
	{
		unsigned char *bytes;
		size_t		   size;
		MgReader	   reader;

		require(mg_encode(summary, form, 0, &bytes, &size) == MG_OK);
		require(mg_validate(&mg_malloc_allocator, bytes, size, NULL) == MG_OK);
		require(mg_reader_open(&reader, bytes, size) == MG_OK);
		require(reader.k == mg_k(summary) && (form == MG_PARTIAL || reader.size <= reader.k));
		free(bytes);
	}
}

/* Merging into an empty summary of the same k changes nothing. */
static void
merge_into_empty(const uint8_t *data, size_t size, int k)
{
	MgSummary *empty;

	require(mg_create(&mg_malloc_allocator, k, &empty) == MG_OK);
	require(mg_merge_bytes(empty, data, size) == MG_OK);
	require_encodes_to(empty, data, size);
	mg_free(empty);
}

/* Two of the same: fails only where the counts get too large. */
static void
merge_with_itself(MgSummary *summary, const uint8_t *data, size_t size)
{
	int64_t	 total = mg_total(summary);
	MgStatus status = mg_merge_bytes(summary, data, size);

	if (total != MG_UNKNOWN)
		require(status == (total > INT64_MAX / 2 ? MG_COUNT_OVERFLOW : MG_OK));
	if (status != MG_OK)
	{
		require(status == MG_COUNT_OVERFLOW);
		return;
	}
	require(total == MG_UNKNOWN || mg_total(summary) == 2 * total);
	require_valid(summary);
	if (mg_merge(summary, summary) == MG_OK)
		require_valid(summary);
}

/* Which items are cut does not depend on the order in which they were listed. */
static void
require_same_cut(MgSummary *left, MgSummary *right)
{
	unsigned char *bytes, *others;
	size_t		   size, others_size;

	require(mg_encode(left, MG_FINAL, 0, &bytes, &size) == MG_OK);
	require(mg_encode(right, MG_FINAL, 0, &others, &others_size) == MG_OK);
	require(size == others_size && memcmp(bytes, others, size) == 0);
	free(bytes);
	free(others);
}

/* The items, last one first, as the text form gives them. */
static void
rebuild(const uint8_t *data, size_t size, MgSummary *original)
{
	MgReader   reader;
	MgItem	  *items;
	bool	   found;
	MgSummary *summary;

	require(mg_reader_open(&reader, data, size) == MG_OK);
	items = malloc(((size_t) reader.size + 1) * sizeof(MgItem));
	for (int i = reader.size; i-- > 0;)
		require(mg_reader_next(&reader, &items[i], &found) == MG_OK && found);
	require(mg_from_items(&mg_malloc_allocator, reader.k, reader.total, reader.error, items,
						  reader.size, &summary, NULL) == MG_OK);
	require_encodes_to(summary, data, size);
	require_same_cut(summary, original);
	mg_free(summary);
	free(items);
}

static void
to_murmur(const uint8_t *data, size_t size, bool valid)
{
	unsigned char *bytes;
	size_t		   murmur_size;
	MgSummary	  *summary;
	MgStatus	   status =
		mg_murmur_encode(&mg_malloc_allocator, data, size, 5, 0, &bytes, &murmur_size);

	require(status == MG_OK || (!valid && status == MG_CORRUPT));
	if (valid)
	{
		require(mg_murmur_decode(&mg_malloc_allocator, bytes, murmur_size, &summary, NULL) ==
				MG_OK);
		require(mg_k(summary) == 5 && mg_size(summary) <= 5);
		mg_free(summary);
	}
	free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	MgSummary  *summary;
	MgReader	reader;
	const char *problem = NULL;
	MgStatus	status = mg_decode(&mg_malloc_allocator, data, size, &summary, &problem);
	bool		readable = reads_to_end(data, size, &reader);

	require(problem != NULL && *problem != '\0');
	require(mg_validate(&mg_malloc_allocator, data, size, NULL) == status);
	to_murmur(data, size, status == MG_OK);
	if (status != MG_OK)
	{
		require(summary == NULL);
		return 0;
	}
	require(readable && reader.k == mg_k(summary) && reader.size == mg_size(summary) &&
			reader.total == mg_total(summary) && reader.error == mg_error(summary));
	require_sound(data, size);
	require_encodes_to(summary, data, size);
	require_valid(summary);
	merge_into_empty(data, size, reader.k);
	rebuild(data, size, summary);
	merge_with_itself(summary, data, size);
	mg_free(summary);
	return 0;
}
