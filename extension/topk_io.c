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

typedef struct TextForm
{
	int64	k, total, error;
	MgItem *items;
	int		count;
} TextForm;

/*
 * Since 16 an input function reports what is wrong with its input to who asked
 * for that (pg_input_is_valid), and returns.  So all of this returns false then.
 */
#if PG_VERSION_NUM < 160000
#define errsave(escontext, ...) ereport(ERROR, __VA_ARGS__)
#endif

static bool
text_invalid(Node *escontext, const char *problem)
{
	errsave(escontext, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
						errmsg("invalid input for type %s: %s", "topk_summary", problem)));
	return false;
}

static bool
text_json(char *text, Node *escontext, Jsonb **json)
{
	Datum result;

#if PG_VERSION_NUM >= 160000
	if (!DirectInputFunctionCallSafe(jsonb_in, text, InvalidOid, -1, escontext, &result))
		return false;
#else
	result = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
#endif
	*json = DatumGetJsonbP(result);
	return true;
}

/* An integer of 0 or more, or null for MG_UNKNOWN where that is allowed. */
static bool
text_number(const JsonbValue *value, const char *what, bool nullable, Node *escontext,
			int64 *result)
{
	*result = MG_UNKNOWN;
	if (nullable && value->type == jbvNull)
		return true;
	if (value->type == jbvNumeric)
	{
		char *digits =
			DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		char *end;

		errno = 0;
		*result = strtoll(digits, &end, 10);
		if (*end == '\0' && errno == 0 && *result >= 0)
		{
			pfree(digits);
			return true;
		}
	}
	return text_invalid(escontext, psprintf("%s must be an integer between 0 and " INT64_FORMAT,
											what, PG_INT64_MAX));
}

/* ["a",5,5] */
static bool
text_item(const JsonbValue *triple, Node *escontext, MgItem *result)
{
	JsonbContainer *container = triple->val.binary.data;
	JsonbValue	   *item;

	if (triple->type != jbvBinary || !JsonContainerIsArray(container) ||
		JsonContainerSize(container) != 3)
		return text_invalid(
			escontext, "each of \"items\" must be an array of item, lower bound and upper bound");
	item = getIthJsonbValueFromContainer(container, 0);
	if (item->type != jbvString)
		return text_invalid(escontext, "an item must be a string");
	result->bytes = item->val.string.val;
	result->length = item->val.string.len;
	return text_number(getIthJsonbValueFromContainer(container, 1), "an item's lower bound", false,
					   escontext, &result->lower) &&
		   text_number(getIthJsonbValueFromContainer(container, 2), "an item's upper bound", true,
					   escontext, &result->upper);
}

/* The array of items; its bytes stay where the JSON has them. */
static bool
text_items(const JsonbValue *array, Node *escontext, TextForm *form)
{
	JsonbContainer *container = array->val.binary.data;
	JsonbIterator  *iterator;
	JsonbValue		value;

	if (array->type != jbvBinary || !JsonContainerIsArray(container))
		return text_invalid(escontext, "\"items\" must be an array");
	form->items =
		palloc_extended(Max(JsonContainerSize(container), 1) * sizeof(MgItem), MCXT_ALLOC_HUGE);
	form->count = 0;
	iterator = JsonbIteratorInit(container);
	(void) JsonbIteratorNext(&iterator, &value, true); /* the array begins */
	while (JsonbIteratorNext(&iterator, &value, true) == WJB_ELEM)
	{
		CHECK_FOR_INTERRUPTS();
		if (!text_item(&value, escontext, &form->items[form->count++]))
			return false;
	}
	return true;
}

static bool
text_key(Jsonb *json, const char *key, Node *escontext, JsonbValue *value)
{
	if (getKeyJsonValueFromContainer(&json->root, key, strlen(key), value) != NULL)
		return true;
	return text_invalid(escontext, psprintf("key \"%s\" is missing", key));
}

static bool
text_form(Jsonb *json, Node *escontext, TextForm *form)
{
	JsonbValue value;

	if (!JB_ROOT_IS_OBJECT(json))
		return text_invalid(escontext, "it must be an object");
	if (!text_key(json, "k", escontext, &value) ||
		!text_number(&value, "\"k\"", false, escontext, &form->k) ||
		!text_key(json, "total", escontext, &value) ||
		!text_number(&value, "\"total\"", true, escontext, &form->total) ||
		!text_key(json, "error", escontext, &value) ||
		!text_number(&value, "\"error\"", true, escontext, &form->error) ||
		!text_key(json, "items", escontext, &value) || !text_items(&value, escontext, form))
		return false;
	if (JB_ROOT_COUNT(json) != TEXT_KEYS)
		return text_invalid(
			escontext, "keys other than \"k\", \"total\", \"error\" and \"items\" are not allowed");
	return true;
}

Datum
topk_summary_in(PG_FUNCTION_ARGS)
{
	Node	   *escontext = fcinfo->context;
	MgAllocator allocator = topk_allocator(CurrentMemoryContext);
	Jsonb	   *json;
	TextForm	form = {0};
	MgSummary  *summary = NULL;
	MgStatus	status = MG_K_OUT_OF_RANGE;
	const char *problem = NULL;

	if (!text_json(PG_GETARG_CSTRING(0), escontext, &json) || !text_form(json, escontext, &form))
		PG_RETURN_NULL();
	if (form.k <= MG_K_MAX)
		status = mg_from_items(&allocator, (int) form.k, form.total, form.error, form.items,
							   form.count, &summary, &problem);
	if (status == MG_OK)
		PG_RETURN_TOPK(topk_store(summary, MG_PARTIAL));
	if (status == MG_CORRUPT)
		text_invalid(escontext, problem);
	else
		errsave(escontext,
				(errcode(topk_sqlstate(status)), errmsg("%s", mg_status_message(status))));
	PG_RETURN_NULL();
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
	resetStringInfo(scratch); /* escape_json wants a terminated string */
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
	MgReader	   reader;
	MgItem		   item;

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
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("invalid binary input for type %s: %s", "topk_summary", problem)));
	topk_check(status);
	PG_RETURN_TOPK(topk_convert(topk_wrap(bytes, size), pg_client_to_server));
}

Datum
topk_summary_send(PG_FUNCTION_ARGS)
{
	TopkSummary	  *value = topk_convert(PG_GETARG_TOPK(0), pg_server_to_client);
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendbytes(&message, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}
