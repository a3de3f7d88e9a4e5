/*
 * topk_expanded.c
 *	  The expanded form of topk_summary: an aggregate's state, changed in place.
 *
 * It flattens to every counter that it holds (MG_PARTIAL), so that no weight
 * is lost when it travels between the processes of a parallel plan.
 *
 * nodeAgg.c leaves an expanded object where it is if its memory context is a
 * child of the aggregate's own.  Each object usually owns such a child, but a
 * hashed GROUP BY adds up the size of all children whenever a group begins,
 * which is quadratic in the groups.  So the states of one aggregate context
 * share one child.  They all end with it; nothing deletes or moves a single
 * one, because the transition functions always return the pointer they got.
 *
 * Must not know any SQL function.
 */
#include "topk.h"

#include "nodes/memnodes.h"

#define CONTEXT_NAME "topk_summary states"
#define CONTEXT_SEARCH 16 /* children to look at: other aggregates may have many */

static Size expanded_flat_size(ExpandedObjectHeader *header);
static void expanded_flatten(ExpandedObjectHeader *header, void *result, Size size);

static const ExpandedObjectMethods expanded_methods = {
	.get_flat_size = expanded_flat_size,
	.flatten_into = expanded_flatten,
};

/* The child of an aggregate's context in which its states live. */
static MemoryContext
expanded_context(MemoryContext parent)
{
	MemoryContext child = parent->firstchild;

	for (int i = 0; child != NULL && i < CONTEXT_SEARCH; i++, child = child->nextchild)
	{
		if (strcmp(child->name, CONTEXT_NAME) == 0)
			return child;
	}
	return AllocSetContextCreate(parent, CONTEXT_NAME, ALLOCSET_DEFAULT_SIZES);
}

/* The object around a summary that is still to be set. */
static TopkExpanded *
expanded_new(MemoryContext parent)
{
	MemoryContext context = expanded_context(parent);
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
topk_expanded_copy(MemoryContext parent, Datum value)
{
	TopkExpanded *expanded = expanded_new(parent);

	expanded->summary =
		topk_load(expanded->header.eoh_context, (TopkSummary *) PG_DETOAST_DATUM_PACKED(value));
	return expanded;
}

TopkSummary *
topk_published(Datum datum)
{
	TopkSummary *stored;
	TopkSummary *result;

	if (!VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(datum)))
		return topk_store(
			topk_load(CurrentMemoryContext, (TopkSummary *) PG_DETOAST_DATUM_PACKED(datum)),
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
