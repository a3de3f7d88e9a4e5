/*
 * topk_accessors.c
 *	  Functions that read one number from a summary.
 *
 * What is unknown, as in a summary from Murmur's bytes, is NULL.
 */
#include "topk.h"

PG_FUNCTION_INFO_V1(topk_k);
PG_FUNCTION_INFO_V1(topk_size);
PG_FUNCTION_INFO_V1(topk_total);
PG_FUNCTION_INFO_V1(topk_error);
PG_FUNCTION_INFO_V1(topk_is_exact);
PG_FUNCTION_INFO_V1(topk_estimate);
PG_FUNCTION_INFO_V1(topk_lower_bound);
PG_FUNCTION_INFO_V1(topk_upper_bound);

/* ---- about the summary ---- */

static MgReader
accessor_header(FunctionCallInfo fcinfo)
{
	MgReader reader;

	topk_reader_open(&reader, PG_GETARG_TOPK_HEADER(0));
	return reader;
}

Datum
topk_k(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(accessor_header(fcinfo).k);
}

Datum
topk_size(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(accessor_header(fcinfo).size);
}

Datum
topk_total(PG_FUNCTION_ARGS)
{
	MgReader reader = accessor_header(fcinfo);

	if (!reader.known)
		PG_RETURN_NULL();
	PG_RETURN_INT64(reader.total);
}

Datum
topk_error(PG_FUNCTION_ARGS)
{
	MgReader reader = accessor_header(fcinfo);

	if (!reader.known)
		PG_RETURN_NULL();
	PG_RETURN_INT64(reader.error);
}

Datum
topk_is_exact(PG_FUNCTION_ARGS)
{
	MgReader reader = accessor_header(fcinfo);

	if (!reader.known)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(reader.error == 0);
}

/* ---- about one item ---- */

/* The item in argument 1; if it is not listed, 0 and the summary's error bound it. */
static MgItem
accessor_item(FunctionCallInfo fcinfo)
{
	TopkSummary *value = PG_GETARG_TOPK(0);
	text		*wanted = PG_GETARG_TEXT_PP(1);
	Size		 length = VARSIZE_ANY_EXHDR(wanted);
	MgReader	 reader;
	MgItem		 item;

	topk_reader_open(&reader, value);
	while (topk_reader_next(&reader, &item))
	{
		if (item.length == length && memcmp(item.bytes, VARDATA_ANY(wanted), length) == 0)
			return item;
	}
	item.lower = 0;
	item.upper = reader.error;
	return item;
}

Datum
topk_estimate(PG_FUNCTION_ARGS)
{
	MgItem item = accessor_item(fcinfo);

	PG_RETURN_INT64(topk_item_estimate(&item));
}

Datum
topk_lower_bound(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(accessor_item(fcinfo).lower);
}

Datum
topk_upper_bound(PG_FUNCTION_ARGS)
{
	MgItem item = accessor_item(fcinfo);

	if (item.upper == MG_UNKNOWN)
		PG_RETURN_NULL();
	PG_RETURN_INT64(item.upper);
}
