/*
 * topk_compare.c
 *	  Equality, order and hash of topk_summary, for its operator classes.
 *
 * The bytes are canonical, so equal summaries are equal bytes.  The order has
 * no meaning; it exists for DISTINCT, GROUP BY, UNION and merge joins.
 */
#include "topk.h"

#include "common/hashfn.h"

PG_FUNCTION_INFO_V1(topk_summary_eq);
PG_FUNCTION_INFO_V1(topk_summary_ne);
PG_FUNCTION_INFO_V1(topk_summary_lt);
PG_FUNCTION_INFO_V1(topk_summary_le);
PG_FUNCTION_INFO_V1(topk_summary_gt);
PG_FUNCTION_INFO_V1(topk_summary_ge);
PG_FUNCTION_INFO_V1(topk_summary_cmp);
PG_FUNCTION_INFO_V1(topk_summary_hash);
PG_FUNCTION_INFO_V1(topk_summary_hash_extended);

static int
compare_arguments(FunctionCallInfo fcinfo)
{
	TopkSummary *a = PG_GETARG_TOPK(0);
	TopkSummary *b = PG_GETARG_TOPK(1);
	Size		 a_size = VARSIZE_ANY_EXHDR(a);
	Size		 b_size = VARSIZE_ANY_EXHDR(b);
	int			 order = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(a_size, b_size));

	if (order == 0)
		order = (a_size > b_size) - (a_size < b_size);
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

Datum
topk_summary_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == 0);
}

Datum
topk_summary_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != 0);
}

Datum
topk_summary_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

Datum
topk_summary_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

Datum
topk_summary_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

Datum
topk_summary_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

Datum
topk_summary_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}

Datum
topk_summary_hash(PG_FUNCTION_ARGS)
{
	TopkSummary *value = PG_GETARG_TOPK(0);
	Datum		 hash = hash_any((unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));

	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_DATUM(hash);
}

Datum
topk_summary_hash_extended(PG_FUNCTION_ARGS)
{
	TopkSummary *value = PG_GETARG_TOPK(0);
	Datum hash = hash_any_extended((unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
								   PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_DATUM(hash);
}
