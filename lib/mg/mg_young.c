/*
 * mg_young.c
 *	  A summary of few items: records one after the other, and nothing else.
 *
 * Libc only.  This file must not know what becomes of a summary that is no
 * longer young.
 *
 * A GROUP BY may hold a hundred thousand summaries at once, most of which never
 * see more than some dozen items.  So a summary begins with a record for each
 * item in its arena: a byte of the item's hash, its length, its weight, and its
 * bytes.  70 items so take 1 kB, where counters and their table take 4.
 * Looking an item up reads half of the records on average.
 */
#include "mg_internal.h"

#define RECORD_HEADER 3
#define RECORD_MAX 255 /* an item's length, and its weight */

bool
mg_young_next(const MgSummary *summary, uint32_t *offset, MgItem *item)
{
	const unsigned char *record;

	if (*offset == summary->arena_used)
		return false;
	record = (const unsigned char *) summary->arena + *offset;
	*item = (MgItem) {.bytes = (const char *) record + RECORD_HEADER,
					  .length = record[1],
					  .lower = record[2],
					  .upper = record[2]};
	*offset += RECORD_HEADER + item->length;
	return true;
}

/* The record of an item, or NULL. */
static unsigned char *
young_find(const MgSummary *summary, const void *item, size_t length, unsigned char tag)
{
	unsigned char *record;

	for (uint32_t offset = 0; offset < summary->arena_used; offset += RECORD_HEADER + record[1])
	{
		record = (unsigned char *) summary->arena + offset;
		if (record[0] == tag && record[1] == length &&
			(length == 0 || memcmp(record + RECORD_HEADER, item, length) == 0))
			return record;
	}
	return NULL;
}

static MgStatus
young_append(MgSummary *summary, const void *item, size_t length, unsigned char tag, int64_t weight)
{
	MgStatus	   status = mg_grow_arena(summary, RECORD_HEADER + length);
	unsigned char *record;

	if (status != MG_OK)
		return status;
	record = (unsigned char *) summary->arena + summary->arena_used;
	record[0] = tag;
	record[1] = (unsigned char) length;
	record[2] = (unsigned char) weight;
	if (length > 0)
		memcpy(record + RECORD_HEADER, item, length);
	summary->arena_used += RECORD_HEADER + (uint32_t) length;
	summary->count++;
	return MG_OK;
}

MgStatus
mg_young_add(MgSummary *summary, const void *item, size_t length, uint64_t hash, int64_t weight,
			 bool *added)
{
	unsigned char tag = (unsigned char) hash, *record = young_find(summary, item, length, tag);

	if (record != NULL)
	{
		*added = weight <= RECORD_MAX - record[2];
		if (*added)
			record[2] += (unsigned char) weight;
		return MG_OK;
	}
	*added = length <= RECORD_MAX && weight <= RECORD_MAX &&
			 summary->arena_used + RECORD_HEADER + length <= MG_YOUNG_MAX &&
			 summary->count < (uint32_t) mg_room(summary->k);
	return *added ? young_append(summary, item, length, tag, weight) : MG_OK;
}

MgStatus
mg_view_open(const MgSummary *summary, MgSummary *view)
{
	MgItem item;

	*view = *summary;
	if (!mg_young(summary) || summary->count == 0)
		return MG_OK;
	view->keys =
		mg_allocate(&summary->allocator, summary->count * (sizeof(MgKey) + sizeof(int64_t)));
	if (view->keys == NULL)
		return MG_OUT_OF_MEMORY;
	view->lowers = (int64_t *) (view->keys + summary->count);
	for (uint32_t i = 0, offset = 0; mg_young_next(summary, &offset, &item); i++)
	{
		view->keys[i] = mg_key(item.bytes, item.length, summary->seed);
		if (!mg_key_short(&view->keys[i]))
			mg_key_set_offset(&view->keys[i], offset - item.length);
		view->lowers[i] = item.lower;
	}
	return MG_OK;
}

void
mg_view_close(const MgSummary *summary, MgSummary *view)
{
	if (mg_young(summary))
		mg_release(&summary->allocator, view->keys);
}
