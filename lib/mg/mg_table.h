/*
 * mg_table.h
 *	  The hash table from keys to indexes of counters.
 *
 * Libc only.  Must not know what a counter is.
 *
 * Slots come in buckets of eight.  A bucket has a word of tags, one byte of
 * the hash for each slot, so that a look-up compares all eight at once (as in
 * Google's SwissTable) and seldom meets a branch that can't be predicted.
 * Nothing is ever removed but all at once, so a bucket fills from below: a tag
 * of 0 is free, and so are all above it.
 */
#ifndef MG_TABLE_H
#define MG_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MG_BUCKET_SLOTS 8
#define MG_BUCKET_TARGET 4 /* how many slots of a bucket are used at the table's capacity */

typedef struct MgTable
{
	uint64_t *tags; /* a word for each bucket; the indexes follow */
	uint32_t  buckets;
	bool	  wide; /* are the indexes uint32_t, or uint16_t? */
} MgTable;

static inline uint32_t
mg_table_buckets(uint32_t capacity)
{
	return (capacity + MG_BUCKET_TARGET - 1) / MG_BUCKET_TARGET;
}

static inline bool
mg_table_wide(uint32_t capacity)
{
	return capacity > UINT16_MAX;
}

/* Bytes of a table for so many counters. */
static inline size_t
mg_table_size(uint32_t capacity)
{
	size_t width = mg_table_wide(capacity) ? sizeof(uint32_t) : sizeof(uint16_t);

	return mg_table_buckets(capacity) * (sizeof(uint64_t) + MG_BUCKET_SLOTS * width);
}

/* Remove all. */
static inline void
mg_table_clear(MgTable *table)
{
	memset(table->tags, 0, table->buckets * sizeof(uint64_t));
}

/* Every bit of the hash counts, whatever the number of buckets. */
static inline uint32_t
mg_table_bucket(const MgTable *table, uint64_t hash)
{
	return (uint32_t) (((hash & UINT32_MAX) * table->buckets) >> 32);
}

static inline uint32_t
mg_table_next(const MgTable *table, uint32_t bucket)
{
	return bucket + 1 == table->buckets ? 0 : bucket + 1;
}

/* Never 0, and with the highest bit set. */
static inline uint64_t
mg_table_tag(uint64_t hash)
{
	return hash >> 57 | 0x80;
}

static inline bool
mg_table_full(const MgTable *table, uint32_t bucket)
{
	return table->tags[bucket] >> 56 != 0;
}

/* The slots of a bucket that may have this hash: in each one's byte the highest bit is set. */
static inline uint64_t
mg_table_match(const MgTable *table, uint32_t bucket, uint64_t hash)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t	   differing = table->tags[bucket] ^ mg_table_tag(hash) * ones;

	return (differing - ones) & ~differing & ones << 7;
}

/* The index in the first of such slots. */
static inline uint32_t
mg_table_index(const MgTable *table, uint32_t bucket, uint64_t match)
{
	uint32_t	slot = bucket * MG_BUCKET_SLOTS + (uint32_t) __builtin_ctzll(match) / 8;
	const void *indexes = table->tags + table->buckets;

	return table->wide ? ((const uint32_t *) indexes)[slot] : ((const uint16_t *) indexes)[slot];
}

/* The first bucket with room for a hash, from one on. */
static inline uint32_t
mg_table_room(const MgTable *table, uint32_t bucket)
{
	while (mg_table_full(table, bucket))
		bucket = mg_table_next(table, bucket);
	return bucket;
}

/* Insert into a bucket that is not full. */
static inline void
mg_table_insert(MgTable *table, uint32_t bucket, uint64_t hash, uint32_t index)
{
	uint64_t word = table->tags[bucket];
	uint32_t used = word == 0 ? 0 : 8 - (uint32_t) __builtin_clzll(word) / 8,
			 slot = bucket * MG_BUCKET_SLOTS + used;
	void *indexes = table->tags + table->buckets;

	table->tags[bucket] = word | mg_table_tag(hash) << (8 * used);
	if (table->wide)
		((uint32_t *) indexes)[slot] = index;
	else
		((uint16_t *) indexes)[slot] = (uint16_t) index;
}

#endif /* MG_TABLE_H */
