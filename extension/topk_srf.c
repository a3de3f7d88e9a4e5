/*
 * topk_srf.c
 *	  Functions that list the items of a summary: topk_top, topk_heavy_hitters.
 *
 * Rows come one at a time, straight from the stored bytes, highest first.
 */
#include "topk.h"

#include <math.h>

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(topk_top);
PG_FUNCTION_INFO_V1(topk_heavy_hitters);

#define LIST_COLUMNS 4 /* item, estimate, lower_bound, upper_bound */

/* What a listing has still to return. */
typedef struct Listing
{
	MgReader reader;
	int		 limit;	   /* rows still allowed */
	double	 share;	   /* bounds must exceed it, in weight */
	bool	 by_upper; /* the upper bound must, else the lower one */
} Listing;

/* On the first call: a listing of all items of argument 0, in memory that lasts. */
static Listing *
listing_begin(FunctionCallInfo fcinfo)
{
	FuncCallContext *call = SRF_FIRSTCALL_INIT();
	MemoryContext	 before = MemoryContextSwitchTo(call->multi_call_memory_ctx);
	Listing			*listing = palloc0(sizeof(Listing));
	TupleDesc		 columns;

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("function returning record called in context that cannot accept type record")));
	call->tuple_desc = BlessTupleDesc(columns);
	call->user_fctx = listing;
	topk_reader_open(&listing->reader, (TopkSummary *) PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(0)));
	listing->limit = listing->reader.size;
	listing->share = 0;
	MemoryContextSwitchTo(before);
	return listing;
}

/* The next item that belongs to the listing. */
static bool
listing_next(Listing *listing, MgItem *item)
{
	while (listing->limit > 0 && topk_reader_next(&listing->reader, item))
	{
		if ((double) (listing->by_upper ? item->upper : item->lower) > listing->share)
		{
			listing->limit--;
			return true;
		}
		if (!listing->by_upper)
			break; /* what follows is lower still */
	}
	return false;
}

static Datum
listing_return(FunctionCallInfo fcinfo)
{
	FuncCallContext *call = SRF_PERCALL_SETUP();
	MgItem			 item;
	Datum			 values[LIST_COLUMNS];
	bool			 nulls[LIST_COLUMNS] = {false};

	if (!listing_next(call->user_fctx, &item))
		SRF_RETURN_DONE(call);
	values[0] = PointerGetDatum(cstring_to_text_with_len(item.bytes, item.length));
	values[1] = Int64GetDatum(topk_item_estimate(&item));
	values[2] = Int64GetDatum(item.lower);
	values[3] = Int64GetDatum(item.upper);
	nulls[3] = item.upper == MG_UNKNOWN;
	SRF_RETURN_NEXT(call, HeapTupleGetDatum(heap_form_tuple(call->tuple_desc, values, nulls)));
}

/* (summary, n) */
Datum
topk_top(PG_FUNCTION_ARGS)
{
	if (SRF_IS_FIRSTCALL())
	{
		int n = PG_GETARG_INT32(1);

		if (n < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("n must not be negative")));
		listing_begin(fcinfo)->limit = n;
	}
	return listing_return(fcinfo);
}

/* Does this word ask for every item above the share, rather than for none below it? */
static bool
heavy_by_upper(const char *guarantee)
{
	if (strcmp(guarantee, "no_false_negatives") == 0)
		return true;
	if (strcmp(guarantee, "no_false_positives") != 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid guarantee: \"%s\"", guarantee),
			 errhint("Valid guarantees are \"no_false_positives\" and \"no_false_negatives\".")));
	return false;
}

/* Set what the share of the total comes to, and refuse what the summary can't promise. */
static void
heavy_set_share(Listing *listing, double share)
{
	if (isnan(share) || share < 0 || share > 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("share must be between 0 and 1")));
	if (!listing->reader.known)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot take a share of a total that is unknown"),
				 errdetail(
					 "The summary is, or includes, one in Murmur's format, which has no total.")));
	listing->share = share * (double) listing->reader.total;
	if (listing->by_upper && (double) listing->reader.error > listing->share)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("summary is too small to list every item above this share"),
						errdetail("An item that is not listed can weigh up to " INT64_FORMAT
								  " of a total of " INT64_FORMAT ".",
								  listing->reader.error, listing->reader.total),
						errhint("Ask for a larger share, or build the summary with a larger k.")));
}

/* (summary, share, guarantee) */
Datum
topk_heavy_hitters(PG_FUNCTION_ARGS)
{
	if (SRF_IS_FIRSTCALL())
	{
		bool	 by_upper = heavy_by_upper(text_to_cstring(PG_GETARG_TEXT_PP(2)));
		Listing *listing = listing_begin(fcinfo);

		listing->by_upper = by_upper;
		heavy_set_share(listing, PG_GETARG_FLOAT8(1));
	}
	return listing_return(fcinfo);
}
