/*
 * topk_murmur.c
 *	  topk_to_murmur and topk_from_murmur: the value of the DynamoDB row.
 *
 * Its items are UTF-8 whatever the encoding of the database.  Must not know
 * the bytes: they are lib/mg's.
 */
#include "topk.h"

#include "mb/pg_wchar.h"

PG_FUNCTION_INFO_V1(topk_to_murmur);
PG_FUNCTION_INFO_V1(topk_from_murmur);

static char *
murmur_to_utf8(const char *bytes, int length)
{
	return pg_server_to_any(bytes, length, PG_UTF8);
}

static char *
murmur_from_utf8(const char *bytes, int length)
{
	return pg_any_to_server(bytes, length, PG_UTF8);
}

/* (summary, k) → bytea */
Datum
topk_to_murmur(PG_FUNCTION_ARGS)
{
	TopkSummary	  *value = topk_convert(PG_GETARG_TOPK(0), murmur_to_utf8);
	MgAllocator	   allocator = topk_allocator(CurrentMemoryContext);
	unsigned char *bytes;
	size_t		   size;

	topk_check(mg_murmur_encode(&allocator, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
								PG_GETARG_INT32(1), VARHDRSZ, &bytes, &size));
	if (!AllocSizeIsValid(size))
		topk_raise(MG_TOO_LARGE);
	SET_VARSIZE(bytes, size);
	PG_RETURN_POINTER(bytes);
}

Datum
topk_from_murmur(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	MgAllocator allocator = topk_allocator(CurrentMemoryContext);
	MgSummary  *summary;
	const char *problem;
	MgStatus	status = mg_murmur_decode(&allocator, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes),
										  &summary, &problem);

	if (status == MG_CORRUPT)
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("invalid summary in Murmur's format: %s", problem)));
	topk_check(status);
	PG_RETURN_TOPK(topk_convert(topk_store(summary, MG_FINAL), murmur_from_utf8));
}
