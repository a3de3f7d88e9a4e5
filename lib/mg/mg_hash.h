/*
 * mg_hash.h
 *	  An item as a key of sixteen bytes, and its hash, for the table in memory only.
 *
 * Libc only.  Never stored: every summary has its own seed, so that nobody
 * can prepare items that collide, and no result depends on it.
 *
 * A short item is its key: so most items are hashed, compared, copied and
 * moved as two words, without a branch or a call that depends on the length.
 * A long one has its hash in the key, and lies in the summary's arena.
 *
 * The hash folds a 128-bit product of sixteen bytes of input and the seed into
 * 64 bits.
 */
#ifndef MG_HASH_H
#define MG_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MG_SHORT_MAX 14

/*
 * In memory: the bytes of a short item, zeros, and its length in the last two
 * bytes.  A long item has its hash instead of the first eight bytes, and the
 * offset of its bytes in the arena (not part of the key) instead of the next.
 */
typedef struct MgKey
{
	uint64_t words[2];
} MgKey;

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define MG_KEY_LENGTH_SHIFT 48
#define MG_KEY_OFFSET_SHIFT 0
#else
#define MG_KEY_LENGTH_SHIFT 0
#define MG_KEY_OFFSET_SHIFT 32
#endif

static inline uint32_t
mg_key_length(const MgKey *key)
{
	return (uint16_t) (key->words[1] >> MG_KEY_LENGTH_SHIFT);
}

static inline bool
mg_key_short(const MgKey *key)
{
	return mg_key_length(key) <= MG_SHORT_MAX;
}

static inline uint32_t
mg_key_offset(const MgKey *key)
{
	return (uint32_t) (key->words[1] >> MG_KEY_OFFSET_SHIFT);
}

static inline void
mg_key_set_offset(MgKey *key, size_t offset)
{
	key->words[1] = (uint64_t) mg_key_length(key) << MG_KEY_LENGTH_SHIFT |
					(uint64_t) offset << MG_KEY_OFFSET_SHIFT;
}

static inline uint64_t
mg_hash_fold(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
	__extension__ typedef unsigned __int128 uint128;
	uint128									product = (uint128) a * b;

	return (uint64_t) product ^ (uint64_t) (product >> 64);
#else
	uint64_t low = (a & 0xffffffffu) * (b >> 32);
	uint64_t high = (a >> 32) * (b & 0xffffffffu);

	return (a * b) ^ (low << 17 | low >> 47) ^ (high << 31 | high >> 33);
#endif
}

static inline uint64_t
mg_hash_words(uint64_t first, uint64_t second, uint64_t seed)
{
	return mg_hash_fold(first ^ UINT64_C(0x9e3779b97f4a7c15), second ^ seed);
}

static inline uint64_t
mg_load_word(const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* The hash of a long item; the last step may take some bytes again. */
static inline uint64_t
mg_hash_bytes(const char *bytes, size_t length, uint64_t seed)
{
	const char *end = bytes + length;
	uint64_t	hash = seed ^ length;

	for (; end - bytes > 16; bytes += 16)
		hash = mg_hash_words(mg_load_word(bytes), mg_load_word(bytes + 8), hash);
	return mg_hash_words(mg_load_word(length < 16 ? bytes : end - 16), mg_load_word(end - 8), hash);
}

/*
 * The bytes of a short item, and zeros.  Loads that overlap, and shifts: a
 * memcpy of so few bytes, or a branch on each length, would take longer than
 * all the rest of counting an item.
 */
static inline MgKey
mg_key_bytes(const char *item, size_t length)
{
	MgKey key = {{0, 0}};

#if MG_KEY_LENGTH_SHIFT != 0
	if (length >= 8)
	{
		key.words[0] = mg_load_word(item);
		key.words[1] = mg_load_word(item + length - 8) >> 8 >> (8 * (15 - length));
	}
	else if (length >= 4)
	{
		uint32_t low, high;

		memcpy(&low, item, 4);
		memcpy(&high, item + length - 4, 4);
		key.words[0] = low | (uint64_t) high >> (8 * (8 - length)) << 32;
	}
	else
	{
		for (size_t i = 0; i < length; i++)
			key.words[0] |= (uint64_t) (unsigned char) item[i] << (8 * i);
	}
#else
	if (length > 0)
		memcpy(&key, item, length);
#endif
	return key;
}

/* The key of an item; the offset of a long one is 0. */
static inline MgKey
mg_key(const char *item, size_t length, uint64_t seed)
{
	MgKey key = {{0, 0}};

	if (length <= MG_SHORT_MAX)
		key = mg_key_bytes(item, length);
	else
		key.words[0] = mg_hash_bytes(item, length, seed);
	key.words[1] |= (uint64_t) length << MG_KEY_LENGTH_SHIFT;
	return key;
}

static inline uint64_t
mg_key_hash(const MgKey *key, uint64_t seed)
{
	return mg_key_short(key) ? mg_hash_words(key->words[0], key->words[1], seed) : key->words[0];
}

#endif /* MG_HASH_H */
