/*
 * topk.h
 *	  What the C files of the extension share: values of type topk_summary, flat
 *	  and expanded.
 *
 * The algorithm and the bytes are lib/mg's; this must not know either.
 *
 * On disk a topk_summary is a varlena whose payload is exactly lib/mg's native
 * bytes.  Inside an aggregate it is an expanded object (see PostgreSQL's
 * utils/expandeddatum.h), so that counting a row copies nothing.
 */
#ifndef TOPK_H
#define TOPK_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/expandeddatum.h"
#include "utils/memutils.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "mg/mg.h"

#ifndef pg_noreturn /* before PostgreSQL 18 */
#define pg_noreturn _Noreturn
#endif

/* ---- flat values (topk_value.c) ---- */

/* A flat value: use VARDATA_ANY and VARSIZE_ANY_EXHDR, the header may be short. */
typedef struct varlena TopkSummary;

/* Detoasted, and flattened if it was expanded. */
#define PG_GETARG_TOPK(n) ((TopkSummary *) PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(n)))

/* Enough of it for topk_reader_open alone, so that a large value is not read whole. */
#define PG_GETARG_TOPK_HEADER(n) ((TopkSummary *) PG_DETOAST_DATUM_SLICE(PG_GETARG_DATUM(n), 0, 64))

#define PG_RETURN_TOPK(value) PG_RETURN_POINTER(value)

/* lib/mg's memory, taken from a memory context.  Raises the server's error when there is none. */
extern MgAllocator topk_allocator(MemoryContext context);

/* The SQLSTATE of a status other than MG_OK; mg_status_message has the words. */
extern int topk_sqlstate(MgStatus status);

/* Raise the error that belongs to a status other than MG_OK. */
pg_noreturn extern void topk_raise(MgStatus status);

static inline void
topk_check(MgStatus status)
{
	if (unlikely(status != MG_OK))
		topk_raise(status);
}

/* The argument k of a function that is not strict. */
static inline int
topk_getarg_k(FunctionCallInfo fcinfo, int argument)
{
	if (unlikely(PG_ARGISNULL(argument)))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("k must not be null")));
	return PG_GETARG_INT32(argument);
}

/* A new, empty summary in a memory context. */
extern MgSummary *topk_create(MemoryContext context, int k);

/* A flat value as a summary in a memory context. */
extern MgSummary *topk_load(MemoryContext context, const TopkSummary *value);

/* Merge a flat value into a summary. */
extern void topk_merge_value(MgSummary *summary, const TopkSummary *value);

/* A flat value, allocated where the summary lives. */
extern TopkSummary *topk_store(MgSummary *summary, MgForm form);

/* A flat value with these bytes, which lib/mg has made or validated, as payload. */
extern TopkSummary *topk_wrap(const void *bytes, Size size);

/*
 * What SQL calls the estimate: the lower bound.  It never exceeds the true
 * weight, and is exact for an item that was listed before the first purge.
 */
static inline int64
topk_item_estimate(const MgItem *item)
{
	return item->lower;
}

/* Read a flat value: mg_reader_open and mg_reader_next, which can't fail on a stored value. */
extern void topk_reader_open(MgReader *reader, const TopkSummary *value);
extern bool topk_reader_next(MgReader *reader, MgItem *item);

/*
 * Pass every item of a flat value through convert, as pg_client_to_server and
 * its like: it gets bytes and length, and returns the same pointer if there is
 * nothing to do, a NUL-terminated string otherwise, or raises an error if the
 * bytes are not valid.  Returns the value, or a new one if an item changed.
 */
typedef char *(*TopkConversion)(const char *bytes, int length);

extern TopkSummary *topk_convert(TopkSummary *value, TopkConversion convert);

/* ---- expanded values (topk_expanded.c) ---- */

typedef struct TopkExpanded
{
	ExpandedObjectHeader header;
	MgSummary			*summary;
	TopkSummary			*flat; /* MG_PARTIAL, between get_flat_size and flatten_into */
} TopkExpanded;

/* A new, empty summary that lives in a child of the parent, an aggregate's context. */
extern TopkExpanded *topk_expanded_create(MemoryContext parent, int k);

/* The same of a value, which may be flat or expanded. */
extern TopkExpanded *topk_expanded_copy(MemoryContext parent, Datum value);

/* To be called before each change of the summary. */
static inline void
topk_expanded_touch(TopkExpanded *expanded)
{
	if (unlikely(expanded->flat != NULL))
	{
		pfree(expanded->flat);
		expanded->flat = NULL;
	}
}

/*
 * The published form of a value, flat or expanded: at most k items.  The value
 * itself stays as it is; the result is in the current memory context.
 */
extern TopkSummary *topk_published(Datum datum);

#endif /* TOPK_H */
