/*
 * mg_murmur_fuzz.c
 *	  Any bytes as Murmur's summary: decoded, and what is accepted encoded and
 *	  decoded again.
 */
#include "fuzz.h"

#include <string.h>

#include "mg/mg.h"

/* Murmur's bytes of a native summary, of at most k items. */
static unsigned char *
to_murmur(const unsigned char *native, size_t native_size, int k, size_t *size)
{
	unsigned char *bytes;

	require(mg_murmur_encode(&mg_malloc_allocator, native, native_size, k, 0, &bytes, size) ==
			MG_OK);
	return bytes;
}

static unsigned char *
to_native(const unsigned char *murmur, size_t murmur_size, size_t *size)
{
	MgSummary	  *summary;
	unsigned char *bytes;

	require(mg_murmur_decode(&mg_malloc_allocator, murmur, murmur_size, &summary, NULL) == MG_OK);
	require(mg_total(summary) == MG_UNKNOWN && mg_error(summary) == MG_UNKNOWN);
	require(mg_encode(summary, MG_PARTIAL, 0, &bytes, size) == MG_OK);
	require(mg_validate(&mg_malloc_allocator, bytes, *size, NULL) == MG_OK);
	mg_free(summary);
	return bytes;
}

/* What the encoder wrote: at most k items, none empty, in order, and encoded to the same again. */
static void
require_stable(const unsigned char *murmur, size_t murmur_size, int k)
{
	size_t		   native_size, again_size;
	unsigned char *native = to_native(murmur, murmur_size, &native_size),
				  *again = to_murmur(native, native_size, k, &again_size);
	MgReader reader;
	MgItem	 item;
	bool	 found;

	require(again_size == murmur_size && memcmp(again, murmur, murmur_size) == 0);
	require(mg_reader_open(&reader, native, native_size) == MG_OK);
	require(reader.k == k && reader.size <= k);
	while (mg_reader_next(&reader, &item, &found) == MG_OK && found)
		require(item.length > 0 && item.upper == MG_UNKNOWN);
	free(native);
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	MgSummary	  *summary;
	const char	  *problem = NULL;
	unsigned char *native, *murmur;
	size_t		   native_size, murmur_size;
	int			   k;

	if (mg_murmur_decode(&mg_malloc_allocator, data, size, &summary, &problem) != MG_OK)
	{
		require(summary == NULL && problem != NULL && *problem != '\0');
		return 0;
	}
	k = mg_k(summary);
	mg_free(summary);
	native = to_native(data, size, &native_size);
	for (int cut = k; cut > 0; cut = cut > 3 ? 3 : 0)
	{
		murmur = to_murmur(native, native_size, cut, &murmur_size);
		require_stable(murmur, murmur_size, cut);
		free(murmur);
	}
	free(native);
	return 0;
}
