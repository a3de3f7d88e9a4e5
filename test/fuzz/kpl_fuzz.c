/*
 * kpl_fuzz.c
 *	  Any bytes as the message of an aggregate whose MD5 is right: taken apart within bounds, or a
 *	  record like any other.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "kpl.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *packed = malloc(4 + size + 16);
	KplAggregate  *aggregate;
	size_t		   bytes = 0;

	require(packed != NULL);
	memcpy(packed, "\xf3\x89\x9a\xc2", 4);
	if (size > 0)
		memcpy(packed + 4, data, size);
	require(EVP_Digest(packed + 4, size, packed + 4 + size, NULL, EVP_md5(), NULL) == 1);
	if (kpl_open(packed, 4 + size + 16, &aggregate) == KPL_AGGREGATED)
	{
		for (size_t i = 0; i < kpl_count(aggregate); i++)
		{
			KplRecord record = kpl_record(aggregate, i);

			require(strlen(record.partition_key) <= size);
			for (size_t j = 0; j < record.length; j++)
				bytes += ((const unsigned char *) record.data)[j] != 0 ? 1 : 0;
		}
		require(kpl_count(aggregate) > 0 && bytes <= size);
		kpl_close(aggregate);
	}
	free(packed);
	return 0;
}
