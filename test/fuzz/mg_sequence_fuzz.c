/*
 * mg_sequence_fuzz.c
 *	  The input drives a sequence of adds, merges, resizes, encodings and
 *	  decodings over a few summaries, with memory running out now and then;
 *	  after it every guarantee is checked against exact counts.
 *
 * Must not know how a summary is laid out, in memory or in bytes.
 */
#include "fuzz.h"

#include <string.h>

#include "../support/guarantees.h"

#define ITEMS 100 /* many more than MG_ROOM_MIN is in this build, so that counters are purged */
#define SLOTS 3

/* A summary and what it should know. */
typedef struct Slot
{
	MgSummary *summary;
	bool	   known;
	int64_t	   total; /* the sum of truth */
	int64_t	   truth[ITEMS];
} Slot;

/* What is left of the input; 0 for ever after its end. */
typedef struct Input
{
	const uint8_t *next;
	const uint8_t *end;
} Input;

static uint8_t
input_byte(Input *input)
{
	return input->next < input->end ? *input->next++ : 0;
}

static int
input_item(Input *input)
{
	return input_byte(input) % ITEMS;
}

/* Small ones, and some up to the largest count there is. */
static int64_t
input_weight(Input *input)
{
	uint8_t byte = input_byte(input);

	if (byte < 192)
		return byte % 64;
	return byte == 255 ? INT64_MAX : INT64_C(1) << (byte - 192);
}

/* Mostly so small that there are more items than counters. */
static int
input_k(Input *input)
{
	uint8_t byte = input_byte(input);

	return byte < 224 ? 1 + byte % 16 : byte < 240 ? 1 + byte % 128 : 1 + byte * 390;
}

/* ---- memory that runs out when it is told to ---- */

static int allocations_left = -1; /* -1: no limit */

static bool
allocation_fails(void)
{
	if (allocations_left > 0)
		allocations_left--;
	return allocations_left == 0;
}

static void *
short_allocate(void *context, size_t size)
{
	(void) context;
	return allocation_fails() ? NULL : malloc(size);
}

static void *
short_resize(void *context, void *pointer, size_t size)
{
	(void) context;
	return allocation_fails() ? NULL : realloc(pointer, size);
}

static void
short_release(void *context, void *pointer)
{
	(void) context;
	free(pointer);
}

static const MgMethods short_methods = {
	.allocate = short_allocate,
	.resize = short_resize,
	.release = short_release,
};
static const MgAllocator short_allocator = {.methods = &short_methods};

/* The expected status, unless memory ran out. */
static bool
succeeds(MgStatus status, MgStatus expected)
{
	if (status == MG_OUT_OF_MEMORY)
		require(allocations_left == 0);
	else
		require(status == expected);
	return status == MG_OK;
}

/* ---- the steps ---- */

static void
slot_start(Slot *slot, int k)
{
	mg_free(slot->summary);
	memset(slot, 0, sizeof(*slot));
	slot->known = true;
	allocations_left = -1;
	require(mg_create(&short_allocator, k, &slot->summary) == MG_OK);
}

static void
step_add(Slot *slot, int item, int64_t weight)
{
	char name[GUARANTEES_NAME_SIZE];
	bool fits = weight <= INT64_MAX - slot->total;

	/* where the total is unknown, what was dropped can't be missed */
	if (!slot->known && !fits)
		return;
	if (succeeds(mg_add(slot->summary, name, guarantees_name(item, name), weight),
				 fits ? MG_OK : MG_COUNT_OVERFLOW))
	{
		slot->truth[item] += weight;
		slot->total += weight;
	}
}

/* Many items in one step, more than there may be room for. */
static void
step_add_run(Slot *slot, Input *input)
{
	int		item = input_item(input), length = input_byte(input) % (ITEMS / 3);
	int64_t weight = input_weight(input);

	for (int i = 0; i < length; i++)
		step_add(slot, (item + i) % ITEMS, weight > 1000 ? weight : 1 + weight * i % 7);
}

static void
step_merge(Slot *slot, const Slot *other, MgForm form, bool through_bytes)
{
	int k = mg_k(slot->summary) < mg_k(other->summary) ? mg_k(slot->summary) : mg_k(other->summary);
	bool		   fits = other->total <= INT64_MAX - slot->total;
	unsigned char *bytes = NULL;
	size_t		   size;
	MgStatus	   status;

	if (!fits && !(slot->known && other->known))
		return;
	if (!through_bytes)
		status = mg_merge(slot->summary, other->summary);
	else
	{
		status = mg_encode(other->summary, form, 0, &bytes, &size);
		if (status == MG_OK)
			status = mg_merge_bytes(slot->summary, bytes, size);
		free(bytes);
	}
	if (!succeeds(status, fits ? MG_OK : MG_COUNT_OVERFLOW))
	{
		slot_start(slot, k);
		return;
	}
	require(mg_k(slot->summary) == k);
	slot->known = slot->known && other->known;
	slot->total += other->total;
	for (int i = 0; i < ITEMS; i++)
		slot->truth[i] += other->truth[i];
}

static void
step_resize(Slot *slot, int k)
{
	int		 before = mg_k(slot->summary);
	MgStatus status = mg_resize(slot->summary, k);

	if (status == MG_K_CANNOT_GROW)
		require(k > before && mg_error(slot->summary) > 0 && mg_k(slot->summary) == before);
	else if (succeeds(status, MG_OK))
		require(mg_k(slot->summary) == k);
}

/* To bytes and back; the bytes are the same the second time. */
static void
step_round_trip(Slot *slot, MgForm form)
{
	unsigned char *bytes, *again;
	size_t		   size, again_size;
	MgSummary	  *decoded;
	const char	  *problem;

	if (!succeeds(mg_encode(slot->summary, form, 0, &bytes, &size), MG_OK))
		return;
	if (succeeds(mg_decode(&short_allocator, bytes, size, &decoded, &problem), MG_OK))
	{
		mg_free(slot->summary);
		slot->summary = decoded;
		if (succeeds(mg_encode(decoded, form, 0, &again, &again_size), MG_OK))
			require(size == again_size && memcmp(bytes, again, size) == 0);
		free(again);
	}
	free(bytes);
}

/* Through Murmur's bytes: only lower bounds come out, of the k highest. */
static void
step_murmur(Slot *slot, int k)
{
	unsigned char *native, *bytes = NULL;
	size_t		   native_size, size;
	MgSummary	  *decoded;
	MgStatus	   status = mg_encode(slot->summary, MG_FINAL, 0, &native, &native_size);

	if (status == MG_OK)
		status = mg_murmur_encode(&short_allocator, native, native_size, k, 0, &bytes, &size);
	if (status == MG_OK)
		status = mg_murmur_decode(&short_allocator, bytes, size, &decoded, NULL);
	free(native);
	free(bytes);
	if (succeeds(status, MG_OK))
	{
		mg_free(slot->summary);
		slot->summary = decoded;
		slot->known = false;
		require(mg_k(decoded) == k);
	}
}

static void
step(Slot *slots, Input *input)
{
	uint8_t byte = input_byte(input);
	Slot   *slot = &slots[byte / 16 % SLOTS];
	Slot   *other = &slots[byte / 64 % SLOTS];
	int		item;

	switch (byte % 16)
	{
		case 0:
			slot_start(slot, input_k(input));
			break;
		case 1:
		case 2:
			step_merge(slot, other, byte % 2 ? MG_PARTIAL : MG_FINAL, true);
			break;
		case 3:
			step_merge(slot, other, MG_PARTIAL, false);
			break;
		case 4:
			step_resize(slot, input_k(input));
			break;
		case 5:
		case 6:
			step_round_trip(slot, byte % 2 ? MG_PARTIAL : MG_FINAL);
			break;
		case 7:
			step_murmur(slot, input_k(input));
			break;
		case 8:
			allocations_left = 1 + input_byte(input) % 16;
			break;
		case 9:
			allocations_left = -1;
			break;
		case 10:
		case 11:
		case 12:
			step_add_run(slot, input);
			break;
		default:
			item = input_item(input);
			step_add(slot, item, input_weight(input));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Slot slots[SLOTS];
	Input		input = {data, data + size};

	for (int i = 0; i < SLOTS; i++)
		slot_start(&slots[i], input_k(&input));
	while (input.next < input.end)
		step(slots, &input);
	allocations_left = -1;
	for (int i = 0; i < SLOTS; i++)
	{
		MgReader final;

		require(mg_total(slots[i].summary) == (slots[i].known ? slots[i].total : MG_UNKNOWN));
		require(guarantees_broken(slots[i].summary, slots[i].truth, ITEMS, slots[i].known,
								  &final) == 0);
		mg_free(slots[i].summary);
		slots[i].summary = NULL;
	}
	return 0;
}
