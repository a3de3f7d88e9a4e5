/*
 * mg_codec.c
 *	  The native bytes of a summary: stored, sent and merged from.
 *
 * Libc only.
 *
 * Independent of the machine, canonical, and compact.  Integers are unsigned
 * LEB128 (seven bits a byte, lowest first, no needless byte):
 *
 *	version		one byte, 1
 *	flags		one byte: 1 = total, error and upper bounds are unknown
 *	k
 *	total		absent if unknown
 *	error		absent if unknown
 *	items		how many follow: at most mg_room(k), at most k in a final state
 *	  lower		the first item's; for all others, the previous one's minus this one's
 *	  slack		upper - lower, 0 .. error; absent if error is absent or 0
 *	  length	0 .. MG_ITEM_MAX_LENGTH
 *	  bytes
 *
 * Items stand highest lower bound first, ties by bytes.
 */
#include "mg_internal.h"

#include <string.h>

#define VERSION 1
#define FLAG_UNKNOWN 1
#define VARINT_MAX 9 /* bytes of an integer below 2^63 */
#define ITEM_MIN 2	 /* bytes of an item: its bound and its length */

/* ---- writing ---- */

static unsigned char *
put_varint(unsigned char *out, int64_t value)
{
	uint64_t left = (uint64_t) value;

	for (; left >= 0x80; left >>= 7)
		*out++ = (unsigned char) (left | 0x80);
	*out++ = (unsigned char) left;
	return out;
}

/* The items that a form keeps, in canonical order, and the error that it states. */
typedef struct Selection
{
	MgItem	*items;
	uint32_t count;
	int64_t	 error;
	size_t	 bytes; /* sum of the items' lengths */
} Selection;

/* Append the items of the counters that rank so. */
static void
select_ranked(const MgSummary *summary, const MgChoice *choice, int rank, Selection *selection)
{
	for (uint32_t i = 0; i < summary->count; i++)
	{
		if (mg_choice_rank(choice, summary->lowers[i], mg_spared(summary, i)) == rank)
			selection->items[selection->count++] = mg_item(summary, i);
	}
}

/*
 * Cut to so many items.  Of the counters equal to the boundary, as many stay
 * as there is room for, the first in canonical order: so it does not matter in
 * which order they were listed, and by which worker.
 */
static MgStatus
select_some(const MgSummary *summary, uint32_t limit, Selection *selection)
{
	MgChoice choice;
	MgStatus status = mg_choose(summary, limit, &choice);
	uint32_t above;

	if (status != MG_OK)
		return status;
	select_ranked(summary, &choice, 1, selection);
	above = selection->count;
	select_ranked(summary, &choice, 0, selection);
	status = mg_sort(&summary->allocator, selection->items + above, selection->count - above);
	selection->count = limit;
	selection->error = summary->error + choice.dropped;
	return status;
}

/* What a form of at most so many items keeps; the caller releases the items, whatever is returned. */
static MgStatus
select_items(const MgSummary *summary, uint32_t limit, Selection *selection)
{
	MgStatus status = MG_OK;

	*selection = (Selection) {.error = summary->error};
	if (summary->count == 0)
		return MG_OK;
	selection->items = mg_allocate(&summary->allocator, summary->count * sizeof(MgItem));
	if (selection->items == NULL)
		return MG_OUT_OF_MEMORY;
	if (summary->count > limit)
		status = select_some(summary, limit, selection);
	else
	{
		for (uint32_t i = 0; i < summary->count; i++)
			selection->items[selection->count++] = mg_item(summary, i);
	}
	if (status == MG_OK)
		status = mg_sort(&summary->allocator, selection->items, selection->count);
	for (uint32_t i = 0; status == MG_OK && i < selection->count; i++)
		selection->bytes += selection->items[i].length;
	return status;
}

static unsigned char *
put_items(unsigned char *out, const MgSummary *summary, const Selection *selection)
{
	int64_t last = 0;

	for (uint32_t i = 0; i < selection->count; i++)
	{
		const MgItem *item = &selection->items[i];

		mg_pause(&summary->allocator, i);
		out = put_varint(out, i == 0 ? item->lower : last - item->lower);
		if (summary->known && selection->error > 0)
			out = put_varint(out, item->upper - item->lower);
		out = put_varint(out, item->length);
		if (item->length > 0)
			memcpy(out, item->bytes, item->length);
		out += item->length;
		last = item->lower;
	}
	return out;
}

/* Encode a summary's view. */
static MgStatus
encode(const MgSummary *summary, MgForm form, size_t headroom, unsigned char **bytes, size_t *size)
{
	uint32_t	   limit = (uint32_t) (form == MG_FINAL ? summary->k : mg_room(summary->k));
	Selection	   selection;
	unsigned char *out = NULL;
	MgStatus	   status = select_items(summary, limit, &selection);

	if (status == MG_OK)
		out = mg_allocate(&summary->allocator, headroom + 2 + 4 * VARINT_MAX +
												   selection.count * (size_t) (2 * VARINT_MAX + 2) +
												   selection.bytes);
	if (status == MG_OK && out == NULL)
		status = MG_OUT_OF_MEMORY;
	if (status == MG_OK)
	{
		*bytes = out;
		out += headroom;
		*out++ = VERSION;
		*out++ = summary->known ? 0 : FLAG_UNKNOWN;
		out = put_varint(out, summary->k);
		if (summary->known)
		{
			out = put_varint(out, summary->total);
			out = put_varint(out, selection.error);
		}
		out = put_varint(out, selection.count);
		out = put_items(out, summary, &selection);
		*size = (size_t) (out - *bytes);
	}
	mg_release(&summary->allocator, selection.items);
	return status;
}

MgStatus
mg_encode(const MgSummary *summary, MgForm form, size_t headroom, unsigned char **bytes,
		  size_t *size)
{
	MgSummary view;
	MgStatus  status = mg_view_open(summary, &view);

	*bytes = NULL;
	if (status == MG_OK)
	{
		status = encode(&view, form, headroom, bytes, size);
		mg_view_close(summary, &view);
	}
	return status;
}

/* ---- reading ---- */

/* One integer below 2^63 of more than one byte, in its shortest form. */
static bool
get_long_varint(const unsigned char **next, const unsigned char *end, int64_t *value)
{
	uint64_t result = 0;

	for (int shift = 0; shift < 7 * VARINT_MAX; shift += 7)
	{
		unsigned char byte;

		if (*next == end)
			return false;
		byte = *(*next)++;
		result |= (uint64_t) (byte & 0x7f) << shift;
		if (byte < 0x80)
		{
			*value = (int64_t) result;
			return byte != 0 || shift == 0;
		}
	}
	return false;
}

static inline bool
get_varint(const unsigned char **next, const unsigned char *end, int64_t *value)
{
	if (*next == end || **next >= 0x80)
		return get_long_varint(next, end, value);
	*value = *(*next)++;
	return true;
}

MgStatus
mg_reader_open(MgReader *reader, const void *bytes, size_t size)
{
	const unsigned char *next = bytes, *end;
	int64_t				 k, items;

	*reader = (MgReader) {.total = MG_UNKNOWN, .error = MG_UNKNOWN};
	if (size < 2 || next[0] != VERSION || (next[1] & ~FLAG_UNKNOWN) != 0)
		return MG_CORRUPT;
	end = next + size;
	reader->known = next[1] == 0;
	next += 2;
	if (!get_varint(&next, end, &k) || k < MG_K_MIN || k > MG_K_MAX)
		return MG_CORRUPT;
	if (reader->known &&
		(!get_varint(&next, end, &reader->total) || !get_varint(&next, end, &reader->error)))
		return MG_CORRUPT;
	if (!get_varint(&next, end, &items) || items > mg_room((int) k))
		return MG_CORRUPT;
	reader->k = (int) k;
	reader->size = reader->left = (int) items;
	reader->next = next;
	reader->end = end;
	return MG_OK;
}

MgStatus
mg_reader_next(MgReader *reader, MgItem *item, bool *found)
{
	const unsigned char *next = reader->next, *end = reader->end;
	int64_t				 lower, slack = 0, length;

	*found = false;
	if (reader->left == 0)
		return MG_OK;
	if (!get_varint(&next, end, &lower))
		return MG_CORRUPT;
	if (reader->left < reader->size)
		lower = reader->last_lower - lower;
	if (reader->known && reader->error > 0 && !get_varint(&next, end, &slack))
		return MG_CORRUPT;
	if (lower <= 0 || slack > INT64_MAX - lower || !get_varint(&next, end, &length) ||
		length > MG_ITEM_MAX_LENGTH || length > end - next)
		return MG_CORRUPT;
	*item = (MgItem) {.bytes = (const char *) next,
					  .length = (uint32_t) length,
					  .lower = lower,
					  .upper = reader->known ? lower + slack : MG_UNKNOWN};
	reader->next = next + length;
	reader->left--;
	reader->last_lower = lower;
	*found = true;
	return MG_OK;
}

/* ---- validating ---- */

/* Take over one item from outside; says what is wrong with it, or NULL. */
static MgStatus
import_item(MgSummary *summary, const MgItem *item, const char **problem)
{
	bool	 listed;
	MgStatus status;

	if (item->length > MG_ITEM_MAX_LENGTH)
		return MG_ITEM_TOO_LONG;
	if (item->lower < 1)
		*problem = "an item's lower bound is not positive";
	else if (summary->known && item->upper < item->lower)
		*problem = "an item's upper bound is below its lower bound";
	else if (summary->known && item->upper - item->lower > summary->error)
		*problem = "an item's bounds are further apart than the error";
	else if (!summary->known && item->upper != MG_UNKNOWN)
		*problem = "an item has an upper bound although the total is unknown";
	if (*problem != NULL)
		return MG_CORRUPT;
	status = mg_list(summary, item->bytes, item->length, item->lower,
					 summary->known ? summary->error - (item->upper - item->lower) : 0, &listed);
	if (status == MG_OK && !listed)
	{
		*problem = "an item is listed twice";
		return MG_CORRUPT;
	}
	return status;
}

/* Start a summary with what stands before the items. */
static MgStatus
import_header(const MgAllocator *allocator, int k, int64_t total, int64_t error, int count,
			  MgSummary **summary, const char **problem)
{
	MgStatus status;

	if ((total == MG_UNKNOWN) != (error == MG_UNKNOWN))
		*problem = "total and error must be known both, or neither";
	else if (total < MG_UNKNOWN || error < MG_UNKNOWN)
		*problem = "total and error must not be negative";
	else if (k >= MG_K_MIN && k <= MG_K_MAX && count > mg_room(k))
		*problem = "more items than a summary of this k can hold";
	if (*problem != NULL)
		return MG_CORRUPT;
	status = mg_create(allocator, k, summary);
	if (status != MG_OK)
		return status;
	if (total == MG_UNKNOWN)
		mg_make_unknown(*summary);
	else
	{
		(*summary)->total = total;
		(*summary)->error = error;
	}
	return MG_OK;
}

/* All items are in: do they fit the total, and does the guarantee hold? */
static MgStatus
import_check(const MgSummary *summary, const char **problem)
{
	int64_t left = summary->total;

	if (!summary->known)
		return MG_OK;
	for (uint32_t i = 0; i < summary->count; i++)
	{
		if (summary->lowers[i] > left)
		{
			*problem = "the items' lower bounds add up to more than the total";
			return MG_CORRUPT;
		}
		left -= summary->lowers[i];
	}
	if (!mg_credit_holds(summary))
	{
		*problem = "the error is larger than the total and the items allow";
		return MG_CORRUPT;
	}
	return MG_OK;
}

/* The summary, or nothing and a problem that says why. */
static MgStatus
import_end(MgStatus status, MgSummary **summary, const char *found, const char **problem)
{
	if (status != MG_OK)
	{
		mg_free(*summary);
		*summary = NULL;
	}
	if (problem != NULL)
		*problem = found != NULL ? found : mg_status_message(status);
	return status;
}

MgStatus
mg_from_items(const MgAllocator *allocator, int k, int64_t total, int64_t error,
			  const MgItem *items, int count, MgSummary **summary, const char **problem)
{
	const char *found = NULL;
	MgStatus	status;

	*summary = NULL;
	status = import_header(allocator, k, total, error, count, summary, &found);
	if (status == MG_OK)
		status = mg_expect(*summary, (uint32_t) count);
	for (int i = 0; status == MG_OK && i < count; i++)
	{
		mg_pause(allocator, (uint32_t) i);
		status = import_item(*summary, &items[i], &found);
	}
	if (status == MG_OK)
		status = import_check(*summary, &found);
	return import_end(status, summary, found, problem);
}

/* The reader's items, which must stand in canonical order, and nothing after them. */
static MgStatus
import_all(MgReader *reader, MgSummary *summary, const char **problem)
{
	MgItem last = {.length = 0}, item;
	bool   more;

	for (;;)
	{
		MgStatus status = mg_reader_next(reader, &item, &more);

		if (status != MG_OK)
		{
			*problem = "an item is cut off or out of range";
			return status;
		}
		if (!more)
			break;
		if (reader->left + 1 < reader->size && mg_compare_items(&last, &item) >= 0)
		{
			*problem = "items are not in order";
			return MG_CORRUPT;
		}
		mg_pause(&summary->allocator, summary->count);
		status = import_item(summary, &item, problem);
		if (status != MG_OK)
			return status;
		last = item;
	}
	if (reader->next != reader->end)
	{
		*problem = "bytes follow the last item";
		return MG_CORRUPT;
	}
	return MG_OK;
}

MgStatus
mg_decode(const MgAllocator *allocator, const void *bytes, size_t size, MgSummary **summary,
		  const char **problem)
{
	const char *found = NULL;
	MgReader	reader;
	MgStatus	status = mg_reader_open(&reader, bytes, size);

	*summary = NULL;
	if (status != MG_OK)
		found = "the header is not that of a summary of version 1";
	else
		status = import_header(allocator, reader.k, reader.total, reader.error, reader.size,
							   summary, &found);
	if (status == MG_OK && reader.size <= (reader.end - reader.next) / ITEM_MIN)
		status = mg_expect(*summary, (uint32_t) reader.size); /* else import_all finds out */
	if (status == MG_OK)
		status = import_all(&reader, *summary, &found);
	if (status == MG_OK)
		status = import_check(*summary, &found);
	return import_end(status, summary, found, problem);
}

MgStatus
mg_validate(const MgAllocator *allocator, const void *bytes, size_t size, const char **problem)
{
	MgSummary *summary;
	MgStatus   status = mg_decode(allocator, bytes, size, &summary, problem);

	mg_free(summary);
	return status;
}
