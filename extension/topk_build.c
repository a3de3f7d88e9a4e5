/*
 * topk_build.c
 *	  Functions that make a summary: topk_empty, topk_build, topk_add,
 *	  topk_merge of two, topk_resize.
 *
 * Each returns the published form.  Must not know the aggregates.
 */
#include "topk.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"

PG_FUNCTION_INFO_V1(topk_empty);
PG_FUNCTION_INFO_V1(topk_build);
PG_FUNCTION_INFO_V1(topk_add);
PG_FUNCTION_INFO_V1(topk_merge);
PG_FUNCTION_INFO_V1(topk_resize);

static void
build_add(MgSummary *summary, const text *item, int64 weight)
{
	topk_check(mg_add(summary, VARDATA_ANY(item), VARSIZE_ANY_EXHDR(item), weight));
}

Datum
topk_empty(PG_FUNCTION_ARGS)
{
	PG_RETURN_TOPK(topk_store(topk_create(CurrentMemoryContext, PG_GETARG_INT32(0)), MG_FINAL));
}

/* (items, weights, k); without weights, each item weighs 1 */
Datum
topk_build(PG_FUNCTION_ARGS)
{
	Datum	  *items;
	Datum	  *weights = NULL;
	bool	  *item_nulls;
	bool	  *weight_nulls = NULL;
	int		   item_count;
	int		   weight_count;
	MgSummary *summary;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &items,
					  &item_nulls, &item_count);
	if (!PG_ARGISNULL(1))
	{
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
						  TYPALIGN_DOUBLE, &weights, &weight_nulls, &weight_count);
		if (weight_count != item_count)
			ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
							errmsg("items and weights must have the same number of elements"),
							errdetail("Their numbers of elements are %d and %d.", item_count,
									  weight_count)));
	}
	summary = topk_create(CurrentMemoryContext, topk_getarg_k(fcinfo, 2));
	for (int i = 0; i < item_count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (item_nulls[i] || (weights != NULL && weight_nulls[i]))
			continue;
		build_add(summary, DatumGetTextPP(items[i]),
				  weights == NULL ? 1 : DatumGetInt64(weights[i]));
	}
	PG_RETURN_TOPK(topk_store(summary, MG_FINAL));
}

/* (summary, item, weight, k); k is for a summary that does not exist yet */
Datum
topk_add(PG_FUNCTION_ARGS)
{
	MgSummary *summary;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	if (PG_ARGISNULL(0))
		summary = topk_create(CurrentMemoryContext, topk_getarg_k(fcinfo, 3));
	else
		summary = topk_load(CurrentMemoryContext, PG_GETARG_TOPK(0));
	build_add(summary, PG_GETARG_TEXT_PP(1), PG_GETARG_INT64(2));
	PG_RETURN_TOPK(topk_store(summary, MG_FINAL));
}

Datum
topk_merge(PG_FUNCTION_ARGS)
{
	MgSummary *summary;

	if (PG_ARGISNULL(0) && PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(0))
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));
	if (PG_ARGISNULL(1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	summary = topk_load(CurrentMemoryContext, PG_GETARG_TOPK(0));
	topk_merge_value(summary, PG_GETARG_TOPK(1));
	PG_RETURN_TOPK(topk_store(summary, MG_FINAL));
}

Datum
topk_resize(PG_FUNCTION_ARGS)
{
	MgSummary *summary = topk_load(CurrentMemoryContext, PG_GETARG_TOPK(0));

	topk_check(mg_resize(summary, PG_GETARG_INT32(1)));
	PG_RETURN_TOPK(topk_store(summary, MG_FINAL));
}
