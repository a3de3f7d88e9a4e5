/*
 * mg.h
 *	  The Misra-Gries summary: weighted, mergeable, with per-item bounds.
 *
 * Libc only.  This library must not know PostgreSQL, Kafka, JSON or a network:
 * the server and the daemons run the same algorithm and the same codecs.
 *
 * The summary keeps N, the total weight; E, the error: no item that is not
 * listed weighs more than E; and for each listed item
 *
 *	lower (r)	weight seen since the item was last listed;
 *	upper (u)	lower plus what may have been seen before that.
 *
 * Guarantees, after any sequence of adds, merges, resizes and round trips:
 *
 *	lower <= true weight <= upper	for a listed item,
 *	true weight <= E				for any other item,
 *	(k + 1) * E <= N;				E = 0 means that every count is exact.
 *
 * Sources: J. Misra, D. Gries, "Finding repeated elements" (1982);
 * P. K. Agarwal et al., "Mergeable Summaries" (PODS 2012);
 * D. Anderson et al., "A High-Performance Algorithm for Identifying Frequent
 * Items in Data Streams" (IMC 2017).
 */
#ifndef MG_H
#define MG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Published counters of a summary: how many items it lists at most. */
#define MG_K_MIN 1
#define MG_K_MAX 100000
#define MG_K_DEFAULT 100

/* Longest item, in bytes.  A finished summary so never exceeds k times this. */
#define MG_ITEM_MAX_LENGTH 8192

/*
 * How memory is taken.  allocate and resize may return NULL (the caller then
 * gets MG_OUT_OF_MEMORY) or not return at all (a server's error exit); the
 * summary stays releasable either way.
 *
 * pause, where it is not NULL, is called after every thousand items or so that
 * are read, written or sorted, and may not return either: so a server leaves
 * what it was told to stop.
 */
typedef struct MgMethods
{
	void *(*allocate)(void *context, size_t size);
	void *(*resize)(void *context, void *pointer, size_t size);
	void (*release)(void *context, void *pointer);
	void (*pause)(void *context);
} MgMethods;

/* Where a summary takes its memory.  The methods outlive it; context is handed through to them. */
typedef struct MgAllocator
{
	const MgMethods *methods;
	void			*context;
} MgAllocator;

/* malloc, realloc, free. */
extern const MgAllocator mg_malloc_allocator;

typedef enum MgStatus
{
	MG_OK = 0,
	MG_OUT_OF_MEMORY,
	MG_K_OUT_OF_RANGE, /* k is not within MG_K_MIN .. MG_K_MAX */
	MG_K_CANNOT_GROW,  /* (k + 1) * E <= N would not hold for the larger k */
	MG_WEIGHT_NEGATIVE,
	MG_ITEM_TOO_LONG,  /* longer than MG_ITEM_MAX_LENGTH bytes */
	MG_COUNT_OVERFLOW, /* a count or the total would pass 2^63 - 1 */
	MG_TOO_LARGE,	   /* items in memory would pass 1 GB */
	MG_CORRUPT		   /* bytes from outside are not a summary */
} MgStatus;

/*
 * One sentence for people, without a full stop, in the wording of server
 * errors ("item is longer than 8192 bytes").  Static storage.
 */
extern const char *mg_status_message(MgStatus status);

typedef struct MgSummary MgSummary;

/*
 * Bounds of one item.  bytes points into the summary or the encoded bytes it
 * was read from, is not NUL-terminated, and lives as long as they do.  upper
 * is MG_UNKNOWN where the summary came from Murmur's bytes.
 */
typedef struct MgItem
{
	const char *bytes;
	uint32_t	length;
	int64_t		lower;
	int64_t		upper;
} MgItem;

#define MG_UNKNOWN INT64_C(-1)

/* ---- building (mg_summary.c) ---- */

/*
 * A new, empty summary of k published counters in *summary; the caller
 * releases it with mg_free.  In memory it grows lazily to mg_room(k) counters.
 */
extern MgStatus mg_create(const MgAllocator *allocator, int k, MgSummary **summary);
extern void		mg_free(MgSummary *summary);

/* Counters held in memory, and so the most that encoded bytes may list: max(8k, 1024). */
extern int mg_room(int k);

/*
 * Count weight more for item (length bytes, any content; the empty item is an
 * item).  Weight 0 changes nothing.  On any other status than MG_OK nothing
 * is counted, and the guarantees hold as before.  Amortised O(1).
 */
extern MgStatus mg_add(MgSummary *summary, const void *item, size_t length, int64_t weight);

/*
 * Merge other into summary; other is unchanged.  With unequal k the result has
 * the smaller one.  mg_merge_bytes reads straight from encoded bytes, which
 * must have come from mg_encode or passed mg_validate.
 * On any other status than MG_OK the summary is no longer valid: free it.
 */
extern MgStatus mg_merge(MgSummary *summary, const MgSummary *other);
extern MgStatus mg_merge_bytes(MgSummary *summary, const void *bytes, size_t size);

/*
 * Change k.  A smaller k is honoured by the next mg_encode.  A larger one is
 * granted where the guarantee holds for it, always while the summary is
 * exact, else MG_K_CANNOT_GROW and no change: what was dropped is gone.
 */
extern MgStatus mg_resize(MgSummary *summary, int k);

/* ---- reading a summary in memory ---- */

extern int	   mg_k(const MgSummary *summary);
extern int	   mg_size(const MgSummary *summary);	/* items listed now, may exceed k */
extern int64_t mg_total(const MgSummary *summary);	/* N, or MG_UNKNOWN */
extern int64_t mg_error(const MgSummary *summary);	/* E, or MG_UNKNOWN */
extern size_t  mg_memory(const MgSummary *summary); /* bytes allocated */

/* ---- the native bytes (mg_codec.c) ---- */

/*
 * MG_FINAL cuts to k items, raising E as needed; MG_PARTIAL keeps every
 * counter, for states that are still being merged (parallel workers, feeders).
 */
typedef enum MgForm
{
	MG_PARTIAL,
	MG_FINAL
} MgForm;

/*
 * Encode, canonically: equal summaries give equal bytes.  *bytes comes from
 * the summary's allocator, owned by the caller: headroom bytes for the
 * caller's header, left unwritten, then the encoding; *size counts both.
 * The summary does not change.
 */
extern MgStatus mg_encode(const MgSummary *summary, MgForm form, size_t headroom,
						  unsigned char **bytes, size_t *size);

/*
 * Decode into a new summary, validating everything.  On MG_CORRUPT *problem
 * (if not NULL) says what is wrong, in static storage.
 */
extern MgStatus mg_decode(const MgAllocator *allocator, const void *bytes, size_t size,
						  MgSummary **summary, const char **problem);

/* As mg_decode, keeping nothing: are these bytes a canonical summary? */
extern MgStatus mg_validate(const MgAllocator *allocator, const void *bytes, size_t size,
							const char **problem);

/*
 * Read encoded bytes front to back without building a summary.  The header
 * fields are set by mg_reader_open; mg_reader_next gives one item after the
 * other, highest lower bound first, ties by bytes.  Never reads outside
 * bytes[0 .. size), whatever they hold; MG_CORRUPT if they end early.
 */
typedef struct MgReader
{
	int		k;
	int		size;  /* items */
	bool	known; /* false: total, error and upper bounds are MG_UNKNOWN */
	int64_t total;
	int64_t error;
	/* private */
	const unsigned char *next;
	const unsigned char *end;
	int					 left;
	int64_t				 last_lower;
} MgReader;

extern MgStatus mg_reader_open(MgReader *reader, const void *bytes, size_t size);
extern MgStatus mg_reader_next(MgReader *reader, MgItem *item, bool *found);

/*
 * Encode a canonical summary from parts that come from outside (the text
 * form): validates as mg_decode does, in any item order.  total and error are
 * both MG_UNKNOWN, and then every upper too, or none is.
 */
extern MgStatus mg_from_items(const MgAllocator *allocator, int k, int64_t total, int64_t error,
							  const MgItem *items, int count, MgSummary **summary,
							  const char **problem);

/* ---- Murmur's bytes (mg_murmur.c): the value of the DynamoDB row ---- */

/*
 * Little-endian: uint32 K, uint32 n, then n times uint64 count, uint32 length,
 * bytes; highest count first, ties by bytes; at most k items; the count is
 * the lower bound; the empty item is left out.  Reads encoded native bytes.
 */
extern MgStatus mg_murmur_encode(const MgAllocator *allocator, const void *native,
								 size_t native_size, int k, size_t headroom, unsigned char **bytes,
								 size_t *size);

/* Murmur's bytes, in any item order, to a summary whose total, error and upper bounds are unknown. */
extern MgStatus mg_murmur_decode(const MgAllocator *allocator, const void *bytes, size_t size,
								 MgSummary **summary, const char **problem);

/*
 * Read Murmur's bytes front to back without building a summary, as MgReader
 * does native ones; each item's upper is MG_UNKNOWN.  Never reads outside of
 * them.  On MG_CORRUPT *problem says what is wrong, in static storage.
 */
typedef struct MgMurmurReader
{
	int k;
	int size; /* items */
	/* private */
	const unsigned char *next;
	const unsigned char *end;
	int					 left;
} MgMurmurReader;

extern MgStatus mg_murmur_open(MgMurmurReader *reader, const void *bytes, size_t size,
							   const char **problem);
extern MgStatus mg_murmur_next(MgMurmurReader *reader, MgItem *item, bool *found,
							   const char **problem);

#endif /* MG_H */
