/*
 * mg_summary.c
 *	  The summary in memory: adding, merging, resizing.
 *
 * Libc only.  This file must not know how a summary is encoded, except that
 * mg_merge_bytes reads one through MgReader.
 */
#include "mg_internal.h"
#include "mg_hash.h"

#include <stdlib.h>

#define FIRST_CAPACITY 8
#define FIRST_ARENA 64

static void *
malloc_allocate(void *context, size_t size)
{
	(void) context;
	return malloc(size);
}

static void *
malloc_resize(void *context, void *pointer, size_t size)
{
	(void) context;
	return realloc(pointer, size);
}

static void
malloc_release(void *context, void *pointer)
{
	(void) context;
	free(pointer);
}

const MgAllocator mg_malloc_allocator = {malloc_allocate, malloc_resize, malloc_release, NULL};

#define STRINGIFY_VALUE(x) #x
#define STRINGIFY(x) STRINGIFY_VALUE(x)

const char *
mg_status_message(MgStatus status)
{
	switch (status)
	{
		case MG_OK:
			return "no error";
		case MG_OUT_OF_MEMORY:
			return "out of memory";
		case MG_K_OUT_OF_RANGE:
			return "k must be between " STRINGIFY(MG_K_MIN) " and " STRINGIFY(MG_K_MAX);
		case MG_K_CANNOT_GROW:
			return "k cannot grow so far because the summary's error is too large";
		case MG_WEIGHT_NEGATIVE:
			return "weight must not be negative";
		case MG_ITEM_TOO_LONG:
			return "item is longer than " STRINGIFY(MG_ITEM_MAX_LENGTH) " bytes";
		case MG_COUNT_OVERFLOW:
			return "total weight would exceed 9223372036854775807";
		case MG_TOO_LARGE:
			return "items of the summary would exceed 1 GB";
		case MG_CORRUPT:
			return "bytes are not a valid summary";
	}
	return "unknown status";
}

/* ---- memory ---- */

MgStatus
mg_create(const MgAllocator *allocator, int k, MgSummary **summary)
{
	MgSummary  *new;

	*summary = NULL;
	if (k < MG_K_MIN || k > MG_K_MAX)
		return MG_K_OUT_OF_RANGE;
	new = mg_allocate(allocator, sizeof(MgSummary));
	if (new == NULL)
		return MG_OUT_OF_MEMORY;
	*new = (MgSummary) {.allocator = *allocator, .k = k, .known = true};
	/* Where it lies differs from process to process: enough to keep collisions from being prepared. */
	new->seed = mg_hash_fold((uintptr_t) new ^ UINT64_C(0xa0761d6478bd642f),
							 (uintptr_t) &mg_malloc_allocator ^ UINT64_C(0xe7037ed1a0b428db));
	*summary = new;
	return MG_OK;
}

void
mg_free(MgSummary *summary)
{
	MgAllocator allocator;

	if (summary == NULL)
		return;
	allocator = summary->allocator;
	mg_release(&allocator, summary->counters);
	mg_release(&allocator, summary->table);
	mg_release(&allocator, summary->arena);
	mg_release(&allocator, summary);
}

int
mg_room(int k)
{
	return 8 * k > MG_ROOM_MIN ? 8 * k : MG_ROOM_MIN;
}

/* Allocate, or resize what is there. */
static void *
reallocate(MgSummary *summary, void *pointer, size_t size)
{
	if (pointer == NULL)
		return mg_allocate(&summary->allocator, size);
	return summary->allocator.resize(summary->allocator.context, pointer, size);
}

static void
table_fill(MgSummary *summary)
{
	memset(summary->table, 0, ((size_t) summary->table_mask + 1) * sizeof(uint32_t));
	for (uint32_t i = 0; i < summary->count; i++)
	{
		uint32_t	slot = summary->counters[i].hash & summary->table_mask;

		while (summary->table[slot] != 0)
			slot = (slot + 1) & summary->table_mask;
		summary->table[slot] = i + 1;
	}
}

/* Room for one more counter; the table stays at most half full. */
static MgStatus
grow_counters(MgSummary *summary)
{
	uint32_t	capacity = summary->capacity == 0 ? FIRST_CAPACITY : summary->capacity * 2;
	MgCounter  *counters;
	uint32_t   *table;

	/* The old table stays valid until the new one is there: an allocation may not return. */
	table = mg_allocate(&summary->allocator, (size_t) capacity * 2 * sizeof(uint32_t));
	if (table == NULL)
		return MG_OUT_OF_MEMORY;
	counters = reallocate(summary, summary->counters, (size_t) capacity * sizeof(MgCounter));
	if (counters == NULL)
	{
		mg_release(&summary->allocator, table);
		return MG_OUT_OF_MEMORY;
	}
	summary->counters = counters;
	summary->capacity = capacity;
	mg_release(&summary->allocator, summary->table);
	summary->table = table;
	summary->table_mask = capacity * 2 - 1;
	table_fill(summary);
	return MG_OK;
}

/* Room for length more bytes of items. */
static MgStatus
grow_arena(MgSummary *summary, size_t length)
{
	size_t		needed = summary->arena_used + length;
	size_t		capacity = summary->arena_capacity == 0 ? FIRST_ARENA : summary->arena_capacity;
	char	   *arena;

	if (needed > MG_ARENA_MAX)
		return MG_TOO_LARGE;
	while (capacity < needed)
		capacity *= 2;
	if (capacity > MG_ARENA_MAX)
		capacity = MG_ARENA_MAX;
	arena = reallocate(summary, summary->arena, capacity);
	if (arena == NULL)
		return MG_OUT_OF_MEMORY;
	summary->arena = arena;
	summary->arena_capacity = capacity;
	return MG_OK;
}

/* ---- the table ---- */

static MgCounter *
find(const MgSummary *summary, const void *item, size_t length, uint32_t hash)
{
	uint32_t	slot = hash & summary->table_mask;
	uint32_t	index;

	if (summary->table == NULL)
		return NULL;
	while ((index = summary->table[slot]) != 0)
	{
		MgCounter  *counter = &summary->counters[index - 1];

		if (counter->hash == hash && counter->length == length &&
			memcmp(summary->arena + counter->offset, item, length) == 0)
			return counter;
		slot = (slot + 1) & summary->table_mask;
	}
	return NULL;
}

/* List an item that is known not to be listed. */
static MgStatus
append(MgSummary *summary, const void *item, size_t length, uint32_t hash,
	   int64_t lower, int64_t counter)
{
	MgStatus	status;
	uint32_t	slot;

	if (summary->count == summary->capacity &&
		(status = grow_counters(summary)) != MG_OK)
		return status;
	if ((summary->arena == NULL || summary->arena_used + length > summary->arena_capacity) &&
		(status = grow_arena(summary, length)) != MG_OK)
		return status;

	if (length > 0)
		memcpy(summary->arena + summary->arena_used, item, length);
	summary->counters[summary->count] = (MgCounter)
	{
		.lower = lower,
		.counter = counter,
		.hash = hash,
		.offset = (uint32_t) summary->arena_used,
		.length = (uint32_t) length
	};
	summary->arena_used += length;
	slot = hash & summary->table_mask;
	while (summary->table[slot] != 0)
		slot = (slot + 1) & summary->table_mask;
	summary->table[slot] = ++summary->count;
	return MG_OK;
}

MgStatus
mg_list(MgSummary *summary, const void *item, size_t length,
		int64_t lower, int64_t counter, bool *listed)
{
	uint32_t	hash = mg_hash(item, length, summary->seed);

	*listed = find(summary, item, length, hash) == NULL;
	return *listed ? append(summary, item, length, hash, lower, counter) : MG_OK;
}

MgStatus
mg_purge(MgSummary *summary, uint32_t keep)
{
	MgChoice	choice;
	MgStatus	status;
	uint32_t	kept = 0;
	size_t		used = 0;

	if (summary->count <= keep)
		return MG_OK;
	status = mg_choose(summary, keep, &choice);
	if (status != MG_OK)
		return status;
	for (uint32_t i = 0; i < summary->count; i++)
	{
		MgCounter	counter = summary->counters[i];

		if (!mg_choice_keeps(&choice, &counter))
			continue;
		memmove(summary->arena + used, summary->arena + counter.offset, counter.length);
		counter.offset = (uint32_t) used;
		counter.counter -= choice.dropped;
		used += counter.length;
		summary->counters[kept++] = counter;
	}
	summary->count = kept;
	summary->arena_used = used;
	summary->error += choice.dropped;
	table_fill(summary);
	return MG_OK;
}

/* Purge only once the room is used up, and then half of it, so that adding stays O(1) amortised. */
static MgStatus
purge_if_over(MgSummary *summary, uint32_t limit)
{
	uint32_t	half = (uint32_t) mg_room(summary->k) / 2;

	if (summary->count <= limit)
		return MG_OK;
	return mg_purge(summary, half > (uint32_t) summary->k ? half : (uint32_t) summary->k);
}

/* ---- adding ---- */

MgStatus
mg_add(MgSummary *summary, const void *item, size_t length, int64_t weight)
{
	uint32_t	hash;
	MgCounter  *counter;
	MgStatus	status;

	if (weight < 0)
		return MG_WEIGHT_NEGATIVE;
	if (length > MG_ITEM_MAX_LENGTH)
		return MG_ITEM_TOO_LONG;
	if (weight == 0)
		return MG_OK;
	if (weight > INT64_MAX - summary->total)
		return MG_COUNT_OVERFLOW;

	hash = mg_hash(item, length, summary->seed);
	counter = find(summary, item, length, hash);
	if (counter != NULL)
	{
		if (weight > INT64_MAX - counter->lower)
			return MG_COUNT_OVERFLOW;
		counter->lower += weight;
		counter->counter += weight;
	}
	else
	{
		status = purge_if_over(summary, (uint32_t) mg_room(summary->k) - 1);
		if (status == MG_OK && summary->arena_used + length > MG_ARENA_MAX)
			status = mg_purge(summary, (uint32_t) summary->k);
		if (status == MG_OK)
			status = append(summary, item, length, hash, weight, weight);
		if (status != MG_OK)
			return status;
	}
	if (summary->known)
		summary->total += weight;
	return MG_OK;
}

/* ---- merging ---- */

void
mg_make_unknown(MgSummary *summary)
{
	summary->known = false;
	summary->total = 0;
	summary->error = 0;
	for (uint32_t i = 0; i < summary->count; i++)
		summary->counters[i].counter = summary->counters[i].lower;
}

/* What merging adds besides the items: k, total and error. */
static MgStatus
merge_header(MgSummary *summary, int k, bool known, int64_t total, int64_t error)
{
	if (!known && summary->known)
		mg_make_unknown(summary);
	if (summary->known)
	{
		if (total > INT64_MAX - summary->total)
			return MG_COUNT_OVERFLOW;
		summary->total += total;
		summary->error += error;
	}
	if (k < summary->k)
		summary->k = k;
	return MG_OK;
}

static MgStatus
merge_item(MgSummary *summary, const void *item, size_t length, int64_t lower, int64_t counter)
{
	uint32_t	hash = mg_hash(item, length, summary->seed);
	MgCounter  *listed = find(summary, item, length, hash);

	if (!summary->known)
		counter = lower;
	if (listed == NULL)
		return append(summary, item, length, hash, lower, counter);
	if (lower > INT64_MAX - listed->lower)
		return MG_COUNT_OVERFLOW;
	listed->lower += lower;
	listed->counter += counter;
	return MG_OK;
}

MgStatus
mg_merge(MgSummary *summary, const MgSummary *other)
{
	uint32_t	count = other->count;	/* other may be summary itself */
	MgStatus	status = merge_header(summary, other->k, other->known, other->total, other->error);

	for (uint32_t i = 0; status == MG_OK && i < count; i++)
	{
		const MgCounter *counter = &other->counters[i];

		status = merge_item(summary, other->arena + counter->offset, counter->length,
							counter->lower, counter->counter);
	}
	return status == MG_OK ? purge_if_over(summary, (uint32_t) mg_room(summary->k)) : status;
}

MgStatus
mg_merge_bytes(MgSummary *summary, const void *bytes, size_t size)
{
	MgReader	reader;
	MgItem		item;
	bool		found;
	MgStatus	status = mg_reader_open(&reader, bytes, size);

	if (status == MG_OK)
		status = merge_header(summary, reader.k, reader.known, reader.total, reader.error);
	while (status == MG_OK)
	{
		status = mg_reader_next(&reader, &item, &found);
		if (status != MG_OK || !found)
			break;
		status = merge_item(summary, item.bytes, item.length, item.lower,
							reader.known ? item.upper - reader.error : item.lower);
	}
	return status == MG_OK ? purge_if_over(summary, (uint32_t) mg_room(summary->k)) : status;
}

MgStatus
mg_resize(MgSummary *summary, int k)
{
	int			old = summary->k;

	if (k < MG_K_MIN || k > MG_K_MAX)
		return MG_K_OUT_OF_RANGE;
	summary->k = k;
	if (summary->known && !mg_credit_holds(summary))
	{
		summary->k = old;
		return MG_K_CANNOT_GROW;
	}
	return purge_if_over(summary, (uint32_t) mg_room(k));
}

/* ---- reading ---- */

bool
mg_credit_holds(const MgSummary *summary)
{
	int64_t		credit = summary->total;

	if (summary->error > credit / (summary->k + 1))
		return false;
	credit -= summary->error * (summary->k + 1);
	for (uint32_t i = 0; i < summary->count; i++)
	{
		if (summary->counters[i].counter > credit)
			return false;
		if (summary->counters[i].counter > 0)
			credit -= summary->counters[i].counter;
	}
	return true;
}

int
mg_k(const MgSummary *summary)
{
	return summary->k;
}

int
mg_size(const MgSummary *summary)
{
	return (int) summary->count;
}

int64_t
mg_total(const MgSummary *summary)
{
	return summary->known ? summary->total : MG_UNKNOWN;
}

int64_t
mg_error(const MgSummary *summary)
{
	return summary->known ? summary->error : MG_UNKNOWN;
}

size_t
mg_memory(const MgSummary *summary)
{
	size_t		table = summary->table == NULL ? 0 : (size_t) summary->table_mask + 1;

	return sizeof(MgSummary) + summary->capacity * sizeof(MgCounter) +
		table * sizeof(uint32_t) + summary->arena_capacity;
}
