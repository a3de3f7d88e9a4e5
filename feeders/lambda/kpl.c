/*
 * kpl.c
 *	  Records that the Kinesis Producer Library packed into one, taken apart.
 *
 * Must not know what they hold.
 */
#include "kpl.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "kpl.pb-c.h"

#define MAGIC_LENGTH 4
#define MD5_LENGTH 16

static const unsigned char magic[MAGIC_LENGTH] = {0xf3, 0x89, 0x9a, 0xc2};

struct KplAggregate
{
	KplAggregated	  *message;
	ProtobufCAllocator allocator;
	bool			   failed; /* memory ran out, which protobuf-c answers like nonsense */
};

static void *
allocate(void *context, size_t size)
{
	KplAggregate *aggregate = context;
	void		 *memory = malloc(size);

	if (memory == NULL)
		aggregate->failed = true;
	return memory;
}

static void
release(void *context, void *memory)
{
	(void) context;
	free(memory);
}

static bool
is_whole(const unsigned char *data, size_t length)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (length <= MAGIC_LENGTH + MD5_LENGTH || memcmp(data, magic, MAGIC_LENGTH) != 0)
		return false;
	return EVP_Digest(data + MAGIC_LENGTH, length - MAGIC_LENGTH - MD5_LENGTH, digest, NULL,
					  EVP_md5(), NULL) == 1 &&
		   memcmp(digest, data + length - MD5_LENGTH, MD5_LENGTH) == 0;
}

/* Every record names a partition key that is there. */
static bool
is_consistent(const KplAggregated *message)
{
	for (size_t i = 0; i < message->n_records; i++)
	{
		if (message->records[i]->partition_key_index >= message->n_partition_key_table)
			return false;
	}
	return message->n_records > 0;
}

KplOutcome
kpl_open(const void *data, size_t length, KplAggregate **aggregate)
{
	const unsigned char *bytes = data;
	KplAggregate		*opened;
	KplOutcome			 outcome = KPL_PLAIN;

	if (!is_whole(bytes, length))
		return KPL_PLAIN;
	opened = calloc(1, sizeof(*opened));
	if (opened == NULL)
		return KPL_OUT_OF_MEMORY;
	opened->allocator = (ProtobufCAllocator) {allocate, release, opened};
	opened->message = kpl_aggregated__unpack(&opened->allocator, length - MAGIC_LENGTH - MD5_LENGTH,
											 bytes + MAGIC_LENGTH);
	if (opened->message != NULL && is_consistent(opened->message))
	{
		*aggregate = opened;
		return KPL_AGGREGATED;
	}
	if (opened->failed)
		outcome = KPL_OUT_OF_MEMORY;
	kpl_close(opened);
	return outcome;
}

void
kpl_close(KplAggregate *aggregate)
{
	if (aggregate == NULL)
		return;
	if (aggregate->message != NULL)
		kpl_aggregated__free_unpacked(aggregate->message, &aggregate->allocator);
	free(aggregate);
}

size_t
kpl_count(const KplAggregate *aggregate)
{
	return aggregate->message->n_records;
}

KplRecord
kpl_record(const KplAggregate *aggregate, size_t number)
{
	const KplAggregated *message = aggregate->message;
	const KplUserRecord *record = message->records[number];

	return (KplRecord) {.partition_key = message->partition_key_table[record->partition_key_index],
						.data = record->data.data,
						.length = record->data.len};
}
