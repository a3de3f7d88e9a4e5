/*
 * mg_hash.h
 *	  The hash of an item's bytes, for the table in memory only.
 *
 * Libc only.  Never stored: every summary has its own seed, so that nobody
 * can prepare items that collide, and no result depends on it.
 *
 * Each step folds a 128-bit product into 64 bits, eight bytes of input at a
 * time; the seed enters both factors' chain.
 */
#ifndef MG_HASH_H
#define MG_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t
mg_hash_fold(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
	__extension__ typedef unsigned __int128 uint128;
	uint128		product = (uint128) a * b;

	return (uint64_t) product ^ (uint64_t) (product >> 64);
#else
	uint64_t	low = (a & 0xffffffffu) * (b >> 32);
	uint64_t	high = (a >> 32) * (b & 0xffffffffu);

	return (a * b) ^ (low << 17 | low >> 47) ^ (high << 31 | high >> 33);
#endif
}

static inline uint64_t
mg_hash_word(const unsigned char *p)
{
	uint64_t	word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* Up to 8 bytes as one word; distinct inputs of one length give distinct words. */
static inline uint64_t
mg_hash_tail(const unsigned char *p, size_t length)
{
	uint32_t	low,
				high;

	if (length >= 4)
	{
		memcpy(&low, p, sizeof(low));
		memcpy(&high, p + length - 4, sizeof(high));
		return (uint64_t) low << 32 | high;
	}
	if (length == 0)
		return 0;
	return (uint64_t) p[0] << 16 | (uint64_t) p[length / 2] << 8 | p[length - 1];
}

static inline uint32_t
mg_hash(const void *bytes, size_t length, uint64_t seed)
{
	const uint64_t odd1 = UINT64_C(0x9e3779b97f4a7c15);
	const uint64_t odd2 = UINT64_C(0xc2b2ae3d27d4eb4f);
	const unsigned char *p = bytes;
	uint64_t	hash = seed ^ length * odd1;
	size_t		left = length;

	for (; left > 8; left -= 8, p += 8)
		hash = mg_hash_fold(mg_hash_word(p) ^ odd1, hash ^ odd2);
	hash = mg_hash_fold(mg_hash_tail(p, left) ^ odd2, hash ^ odd1);
	hash = mg_hash_fold(hash ^ seed, odd1);
	return (uint32_t) (hash >> 32 ^ hash);
}

#endif							/* MG_HASH_H */
