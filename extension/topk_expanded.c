/*
 * topk_expanded.c
 *	  The expanded form of topk_summary: a summary that is changed in place.
 *
 * An expanded object owns a memory context with everything that belongs to it,
 * and flattens to every counter that it holds (MG_PARTIAL), so that no weight
 * is lost when it travels between the processes of a parallel plan.
 *
 * Must not know any SQL function.
 */
#include "topk.h"

static Size expanded_flat_size(ExpandedObjectHeader *header);
static void expanded_flatten(ExpandedObjectHeader *header, void *result, Size size);

static const ExpandedObjectMethods expanded_methods = {
	.get_flat_size = expanded_flat_size,
	.flatten_into = expanded_flatten,
};

/* The object around a summary that is still to be set. */
static TopkExpanded *
expanded_new(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "topk_summary", ALLOCSET_SMALL_SIZES);
	TopkExpanded *expanded = MemoryContextAlloc(context, sizeof(TopkExpanded));

	EOH_init_header(&expanded->header, &expanded_methods, context);
	expanded->summary = NULL;
	expanded->flat = NULL;
	return expanded;
}

TopkExpanded *
topk_expanded_create(MemoryContext parent, int k)
{
	TopkExpanded *expanded = expanded_new(parent);

	expanded->summary = topk_create(expanded->header.eoh_context, k);
	return expanded;
}

TopkExpanded *
topk_expanded_writable(Datum datum, MemoryContext parent)
{
	TopkExpanded *expanded;

	if (VARATT_IS_EXTERNAL_EXPANDED_RW(DatumGetPointer(datum)))
		return (TopkExpanded *) DatumGetEOHP(datum);

	expanded = expanded_new(parent);
	expanded->summary = topk_load(expanded->header.eoh_context,
								  (TopkSummary *) PG_DETOAST_DATUM_PACKED(datum));
	return expanded;
}

TopkSummary *
topk_published(Datum datum)
{
	TopkSummary *stored;
	TopkSummary *result;

	if (!VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(datum)))
		return topk_store(topk_load(CurrentMemoryContext,
									(TopkSummary *) PG_DETOAST_DATUM_PACKED(datum)),
						  MG_FINAL);

	/* A window calls this for each row: what lives with the state must not pile up. */
	stored = topk_store(((TopkExpanded *) DatumGetEOHP(datum))->summary, MG_FINAL);
	result = topk_wrap(VARDATA(stored), VARSIZE(stored) - VARHDRSZ);
	pfree(stored);
	return result;
}

static Size
expanded_flat_size(ExpandedObjectHeader *header)
{
	TopkExpanded *expanded = (TopkExpanded *) header;

	if (expanded->flat == NULL)
		expanded->flat = topk_store(expanded->summary, MG_PARTIAL);
	return VARSIZE(expanded->flat);
}

static void
expanded_flatten(ExpandedObjectHeader *header, void *result, Size size)
{
	TopkExpanded *expanded = (TopkExpanded *) header;

	Assert(size == VARSIZE(expanded->flat));
	memcpy(result, expanded->flat, size);
	pfree(expanded->flat);
	expanded->flat = NULL;
}
