/*
 * topk_aggregate.c
 *	  topk_agg, topk_weighted_agg and topk_merge: transition, combine, final.
 *
 * The state is a topk_summary in its expanded form, a child of the aggregate's
 * memory context: nodeAgg.c then keeps it where it is, and each row is counted
 * in place.  A state that comes from another process is flat.
 *
 * Must not know how a summary is encoded.
 */
#include "topk.h"

PG_FUNCTION_INFO_V1(topk_agg_transition);
PG_FUNCTION_INFO_V1(topk_weighted_agg_transition);
PG_FUNCTION_INFO_V1(topk_merge_transition);
PG_FUNCTION_INFO_V1(topk_agg_combine);
PG_FUNCTION_INFO_V1(topk_agg_final);

/* Not inlined, so that the way of most rows has no address on the stack to protect. */
static pg_noinline MemoryContext
aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("aggregate function called in non-aggregate context")));
	return context;
}

/* The state in argument 0, to be changed in place; NULL before the first row that counts. */
static inline TopkExpanded *
aggregate_state(FunctionCallInfo fcinfo)
{
	Datum			value = PG_GETARG_DATUM(0);
	varatt_expanded pointer;

	if (unlikely(PG_ARGISNULL(0)))
		return NULL;
	if (unlikely(!VARATT_IS_EXTERNAL_EXPANDED_RW(DatumGetPointer(value))))
		return topk_expanded_copy(aggregate_context(fcinfo), value);
	/* DatumGetEOHP, without the call */
	memcpy(&pointer, VARDATA_EXTERNAL(DatumGetPointer(value)), sizeof(pointer));
	return (TopkExpanded *) pointer.eohptr;
}

/* Nothing to count: the state, or NULL, as it came. */
static Datum
aggregate_skip(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

static inline void
aggregate_require_k(const TopkExpanded *state, int k)
{
	int before = mg_k(state->summary);

	if (unlikely(k != before))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("k must not change within a group"),
			 errdetail("k is %d in one row and %d in another.", Min(before, k), Max(before, k))));
}

/* The text in argument 1, detoasted.  Most need not be, and then a call would be a waste. */
static inline text *
aggregate_item(FunctionCallInfo fcinfo)
{
	struct varlena *value = (struct varlena *) PG_GETARG_POINTER(1);

	if (unlikely(VARATT_IS_EXTERNAL(value) || VARATT_IS_COMPRESSED(value)))
		return PG_GETARG_TEXT_PP(1);
	return value;
}

/* Count the item in argument 1; k is argument number k_argument, if there are so many. */
static pg_attribute_always_inline Datum
aggregate_add(FunctionCallInfo fcinfo, int64 weight, int k_argument)
{
	TopkExpanded *state = aggregate_state(fcinfo);
	text		 *item = aggregate_item(fcinfo);
	int			  k = k_argument < PG_NARGS() ? topk_getarg_k(fcinfo, k_argument) : MG_K_DEFAULT;

	if (unlikely(state == NULL))
		state = topk_expanded_create(aggregate_context(fcinfo), k);
	else
		aggregate_require_k(state, k);

	topk_expanded_touch(state);
	topk_check(mg_add(state->summary, VARDATA_ANY(item), VARSIZE_ANY_EXHDR(item), weight));
	PG_RETURN_DATUM(EOHPGetRWDatum(&state->header));
}

/* (state, item [, k]) */
Datum
topk_agg_transition(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		return aggregate_skip(fcinfo);
	return aggregate_add(fcinfo, 1, 2);
}

/* (state, item, weight [, k]) */
Datum
topk_weighted_agg_transition(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return aggregate_skip(fcinfo);
	return aggregate_add(fcinfo, PG_GETARG_INT64(2), 3);
}

/* Merge the summary in argument 1 into the state. */
static Datum
aggregate_merge(FunctionCallInfo fcinfo, bool same_k)
{
	TopkExpanded *state = aggregate_state(fcinfo);
	TopkSummary	 *value = PG_GETARG_TOPK(1);
	MgReader	  reader;

	if (state == NULL || same_k)
	{
		topk_reader_open(&reader, value);
		if (state == NULL)
			state = topk_expanded_create(aggregate_context(fcinfo), reader.k);
		else
			aggregate_require_k(state, reader.k);
	}
	topk_expanded_touch(state);
	topk_merge_value(state->summary, value);
	PG_RETURN_DATUM(EOHPGetRWDatum(&state->header));
}

/* Transition and combine function of topk_merge: the smaller k wins. */
Datum
topk_merge_transition(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		return aggregate_skip(fcinfo);
	return aggregate_merge(fcinfo, false);
}

/* Combine function of the others: k changes as little between workers as between rows. */
Datum
topk_agg_combine(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		return aggregate_skip(fcinfo);
	return aggregate_merge(fcinfo, true);
}

/* Strict.  A window frame goes on with the state after this, so it must not change. */
Datum
topk_agg_final(PG_FUNCTION_ARGS)
{
	PG_RETURN_TOPK(topk_published(PG_GETARG_DATUM(0)));
}
