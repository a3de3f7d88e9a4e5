/*
 * topk_value.c
 *	  Flat values of type topk_summary: to and from lib/mg, its errors, its memory.
 *
 * Must not know any SQL function.
 */
#include "topk.h"

#include "miscadmin.h"

static void *
value_allocate(void *context, size_t size)
{
	return MemoryContextAllocHuge((MemoryContext) context, size);
}

static void *
value_resize(void *context pg_attribute_unused(), void *pointer, size_t size)
{
	return repalloc_huge(pointer, size);
}

static void
value_release(void *context pg_attribute_unused(), void *pointer)
{
	pfree(pointer);
}

static void
value_pause(void *context pg_attribute_unused())
{
	CHECK_FOR_INTERRUPTS();
}

static const MgMethods value_methods = {
	.allocate = value_allocate,
	.resize = value_resize,
	.release = value_release,
	.pause = value_pause,
};

MgAllocator
topk_allocator(MemoryContext context)
{
	MgAllocator allocator = {.methods = &value_methods, .context = context};

	return allocator;
}

int
topk_sqlstate(MgStatus status)
{
	switch (status)
	{
		case MG_OK:
			break;
		case MG_OUT_OF_MEMORY:
			return ERRCODE_OUT_OF_MEMORY;
		case MG_K_OUT_OF_RANGE:
		case MG_K_CANNOT_GROW:
		case MG_WEIGHT_NEGATIVE:
			return ERRCODE_INVALID_PARAMETER_VALUE;
		case MG_ITEM_TOO_LONG:
		case MG_TOO_LARGE:
			return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		case MG_COUNT_OVERFLOW:
			return ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
		case MG_CORRUPT:
			return ERRCODE_DATA_CORRUPTED;
	}
	return ERRCODE_INTERNAL_ERROR;
}

void
topk_raise(MgStatus status)
{
	ereport(ERROR, (errcode(topk_sqlstate(status)), errmsg("%s", mg_status_message(status))));
}

MgSummary *
topk_create(MemoryContext context, int k)
{
	MgAllocator allocator = topk_allocator(context);
	MgSummary  *summary;

	topk_check(mg_create(&allocator, k, &summary));
	return summary;
}

MgSummary *
topk_load(MemoryContext context, const TopkSummary *value)
{
	MgReader   reader;
	MgSummary *summary;

	topk_reader_open(&reader, value);
	summary = topk_create(context, reader.k);
	topk_merge_value(summary, value);
	return summary;
}

void
topk_merge_value(MgSummary *summary, const TopkSummary *value)
{
	topk_check(mg_merge_bytes(summary, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
}

TopkSummary *
topk_store(MgSummary *summary, MgForm form)
{
	unsigned char *bytes;
	size_t		   size;

	topk_check(mg_encode(summary, form, VARHDRSZ, &bytes, &size));
	if (!AllocSizeIsValid(size))
		topk_raise(MG_TOO_LARGE);
	SET_VARSIZE(bytes, size);
	return (TopkSummary *) bytes;
}

TopkSummary *
topk_wrap(const void *bytes, Size size)
{
	TopkSummary *value = palloc(VARHDRSZ + size);

	SET_VARSIZE(value, VARHDRSZ + size);
	memcpy(VARDATA(value), bytes, size);
	return value;
}

void
topk_reader_open(MgReader *reader, const TopkSummary *value)
{
	topk_check(mg_reader_open(reader, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
}

bool
topk_reader_next(MgReader *reader, MgItem *item)
{
	bool found;

	CHECK_FOR_INTERRUPTS();
	topk_check(mg_reader_next(reader, item, &found));
	return found;
}

TopkSummary *
topk_convert(TopkSummary *value, TopkConversion convert)
{
	MgAllocator allocator = topk_allocator(CurrentMemoryContext);
	MgReader	reader;
	MgItem	   *items;
	int			count = 0;
	bool		changed = false;
	MgSummary  *summary;
	MgStatus	status;
	const char *problem = NULL;

	topk_reader_open(&reader, value);
	items = palloc_extended(Max(reader.size, 1) * sizeof(MgItem), MCXT_ALLOC_HUGE);
	while (topk_reader_next(&reader, &items[count]))
	{
		MgItem *item = &items[count++];
		char   *converted = convert(item->bytes, item->length);

		if (converted == item->bytes)
			continue;
		item->bytes = converted;
		item->length = strlen(converted);
		changed = true;
	}
	if (!changed)
		return value;

	status = mg_from_items(&allocator, reader.k, reader.total, reader.error, items, count, &summary,
						   &problem);
	if (status == MG_CORRUPT) /* two items became one */
		ereport(ERROR, (errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
						errmsg("could not convert the items of a %s to another encoding: %s",
							   "topk_summary", problem)));
	topk_check(status);
	return topk_store(summary, MG_PARTIAL);
}
