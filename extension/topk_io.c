/*
 * topk_io.c
 *	  Text form, binary form and JSON of topk_summary.
 *
 * All of this reads what comes from outside: lib/mg validates it, the server
 * parses the JSON and checks the encoding.  Must not know the native bytes.
 */
#include "topk.h"

#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(topk_summary_in);
PG_FUNCTION_INFO_V1(topk_summary_out);
PG_FUNCTION_INFO_V1(topk_summary_recv);
PG_FUNCTION_INFO_V1(topk_summary_send);
PG_FUNCTION_INFO_V1(topk_to_json);

/* ---- text: {"k":3,"total":9,"error":0,"items":[["a",5,5],["b",4,4]]} ---- */

#define TEXT_KEYS 4

pg_noreturn static void text_invalid(const char *problem);

static void
text_invalid(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input for type %s: %s", "topk_summary", problem)));
}

/* An integer of 0 or more, or null for MG_UNKNOWN where that is allowed. */
static int64
text_number(const JsonbValue *value, const char *what, bool nullable)
{
	if (nullable && value->type == jbvNull)
		return MG_UNKNOWN;
	if (value->type == jbvNumeric)
	{
		char	   *digits = DatumGetCString(DirectFunctionCall1(numeric_out,
																 NumericGetDatum(value->val.numeric)));
		char	   *end;
		long long	number;

		errno = 0;
		number = strtoll(digits, &end, 10);
		if (*end == '\0' && errno == 0 && number >= 0)
		{
			pfree(digits);
			return number;
		}
	}
	text_invalid(psprintf("%s must be an integer between 0 and " INT64_FORMAT, what, PG_INT64_MAX));
}

static JsonbValue *
text_key(Jsonb *json, const char *key, JsonbValue *value)
{
	if (getKeyJsonValueFromContainer(&json->root, key, strlen(key), value) == NULL)
		text_invalid(psprintf("key \"%s\" is missing", key));
	return value;
}

/* ["a",5,5] */
static MgItem
text_item(const JsonbValue *triple)
{
	JsonbContainer *container = triple->val.binary.data;
	JsonbValue *item;
	MgItem		result;

	if (triple->type != jbvBinary || !JsonContainerIsArray(container) ||
		JsonContainerSize(container) != 3)
		text_invalid("each of \"items\" must be an array of item, lower bound and upper bound");
	item = getIthJsonbValueFromContainer(container, 0);
	if (item->type != jbvString)
		text_invalid("an item must be a string");
	result.bytes = item->val.string.val;
	result.length = item->val.string.len;
	result.lower = text_number(getIthJsonbValueFromContainer(container, 1),
							   "an item's lower bound", false);
	result.upper = text_number(getIthJsonbValueFromContainer(container, 2),
							   "an item's upper bound", true);
	return result;
}

/* The array of items; its bytes stay where the JSON has them. */
static MgItem *
text_items(const JsonbValue *array, int *count)
{
	JsonbContainer *container = array->val.binary.data;
	JsonbIterator *iterator;
	JsonbValue	value;
	MgItem	   *items;

	if (array->type != jbvBinary || !JsonContainerIsArray(container))
		text_invalid("\"items\" must be an array");
	items = palloc_extended(Max(JsonContainerSize(container), 1) * sizeof(MgItem),
							MCXT_ALLOC_HUGE);
	*count = 0;
	iterator = JsonbIteratorInit(container);
	(void) JsonbIteratorNext(&iterator, &value, true);	/* the array begins */
	while (JsonbIteratorNext(&iterator, &value, true) == WJB_ELEM)
	{
		CHECK_FOR_INTERRUPTS();
		items[(*count)++] = text_item(&value);
	}
	return items;
}

Datum
topk_summary_in(PG_FUNCTION_ARGS)
{
	Jsonb	   *json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, PG_GETARG_DATUM(0)));
	MgAllocator allocator = topk_allocator(CurrentMemoryContext);
	JsonbValue	value;
	int64		k,
				total,
				error;
	MgItem	   *items;
	int			count;
	MgSummary  *summary;
	MgStatus	status;
	const char *problem;

	if (!JB_ROOT_IS_OBJECT(json))
		text_invalid("it must be an object");
	k = text_number(text_key(json, "k", &value), "\"k\"", false);
	total = text_number(text_key(json, "total", &value), "\"total\"", true);
	error = text_number(text_key(json, "error", &value), "\"error\"", true);
	items = text_items(text_key(json, "items", &value), &count);
	if (JB_ROOT_COUNT(json) != TEXT_KEYS)
		text_invalid("keys other than \"k\", \"total\", \"error\" and \"items\" are not allowed");
	if (k > MG_K_MAX)
		topk_raise(MG_K_OUT_OF_RANGE);

	status = mg_from_items(&allocator, (int) k, total, error, items, count, &summary, &problem);
	if (status == MG_CORRUPT)
		text_invalid(problem);
	topk_check(status);
	PG_RETURN_TOPK(topk_store(summary, MG_PARTIAL));
}

/* A number, or null where it is not known. */
static void
text_append_number(StringInfo out, int64 number)
{
	if (number == MG_UNKNOWN)
		appendStringInfoString(out, "null");
	else
		appendStringInfo(out, INT64_FORMAT, number);
}

static void
text_append_item(StringInfo out, const MgItem *item, StringInfo scratch)
{
	resetStringInfo(scratch);	/* escape_json wants a terminated string */
	appendBinaryStringInfo(scratch, item->bytes, item->length);
	appendStringInfoChar(out, '[');
	escape_json(out, scratch->data);
	appendStringInfoChar(out, ',');
	text_append_number(out, item->lower);
	appendStringInfoChar(out, ',');
	text_append_number(out, item->upper);
	appendStringInfoChar(out, ']');
}

static void
text_append(StringInfo out, const TopkSummary *value)
{
	StringInfoData scratch;
	MgReader	reader;
	MgItem		item;

	topk_reader_open(&reader, value);
	appendStringInfo(out, "{\"k\":%d,\"total\":", reader.k);
	text_append_number(out, reader.total);
	appendStringInfoString(out, ",\"error\":");
	text_append_number(out, reader.error);
	appendStringInfoString(out, ",\"items\":[");
	initStringInfo(&scratch);
	for (bool first = true; topk_reader_next(&reader, &item); first = false)
	{
		if (!first)
			appendStringInfoChar(out, ',');
		text_append_item(out, &item, &scratch);
	}
	pfree(scratch.data);
	appendStringInfoString(out, "]}");
}

Datum
topk_summary_out(PG_FUNCTION_ARGS)
{
	StringInfoData out;

	initStringInfo(&out);
	text_append(&out, PG_GETARG_TOPK(0));
	PG_RETURN_CSTRING(out.data);
}

Datum
topk_to_json(PG_FUNCTION_ARGS)
{
	StringInfoData out;

	initStringInfo(&out);
	text_append(&out, PG_GETARG_TOPK(0));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

/* ---- binary: the native bytes, their items in the client's encoding ---- */

Datum
topk_summary_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	MgAllocator allocator = topk_allocator(CurrentMemoryContext);
	int			size = message->len - message->cursor;
	const char *bytes = pq_getmsgbytes(message, size);
	const char *problem;
	MgStatus	status = mg_validate(&allocator, bytes, size, &problem);

	if (status == MG_CORRUPT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary input for type %s: %s", "topk_summary", problem)));
	topk_check(status);
	PG_RETURN_TOPK(topk_convert(topk_wrap(bytes, size), pg_client_to_server));
}

Datum
topk_summary_send(PG_FUNCTION_ARGS)
{
	TopkSummary *value = topk_convert(PG_GETARG_TOPK(0), pg_server_to_client);
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendbytes(&message, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}
