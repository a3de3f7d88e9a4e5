/*
 * topk_text_fuzz.c
 *	  Any text as input of type topk_summary: it is refused with an error that
 *	  belongs to bad input, or it is a summary whose own text is read to an equal
 *	  one, and which every function reads.
 *
 * The text form is parsed by the server's own JSON code, so libFuzzer runs
 * inside a backend.  This is a module of the server that holds the extension's
 * code too; topk_text.py loads it into a throw-away server and calls
 *
 *	topk_text_fuzz(arguments text[]) returns void
 *
 * which runs libFuzzer with these arguments, and ends the backend with the run.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "../../extension/topk.h"
#include "fuzz.h"

PG_FUNCTION_INFO_V1(topk_text_fuzz);

extern int LLVMFuzzerRunDriver(int *argc, char ***argv,
							   int (*target)(const uint8_t *data, size_t size));

extern Datum topk_summary_in(PG_FUNCTION_ARGS);
extern Datum topk_summary_out(PG_FUNCTION_ARGS);
extern Datum topk_summary_eq(PG_FUNCTION_ARGS);
extern Datum topk_summary_hash(PG_FUNCTION_ARGS);
extern Datum topk_to_json(PG_FUNCTION_ARGS);
extern Datum topk_size(PG_FUNCTION_ARGS);
extern Datum topk_lower_bound(PG_FUNCTION_ARGS);
extern Datum topk_resize(PG_FUNCTION_ARGS);
extern Datum topk_to_murmur(PG_FUNCTION_ARGS);
extern Datum topk_from_murmur(PG_FUNCTION_ARGS);

/* Not JSON or no summary, k or a number or an item out of range, too deeply nested, a bad escape. */
static const int refusals[] = {
	ERRCODE_INVALID_TEXT_REPRESENTATION, ERRCODE_INVALID_PARAMETER_VALUE,
	ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,	 ERRCODE_PROGRAM_LIMIT_EXCEEDED,
	ERRCODE_STATEMENT_TOO_COMPLEX,		 ERRCODE_UNTRANSLATABLE_CHARACTER,
};

/* ---- what must hold of a summary that was accepted ---- */

static Datum
text_in(char *text)
{
	return DirectFunctionCall1(topk_summary_in, CStringGetDatum(text));
}

static char *
text_out(Datum summary)
{
	return DatumGetCString(DirectFunctionCall1(topk_summary_out, summary));
}

static void
check_text(Datum summary)
{
	char *form = text_out(summary);
	Datum again = text_in(form);

	require(DatumGetBool(DirectFunctionCall2(topk_summary_eq, summary, again)));
	require(DatumGetInt32(DirectFunctionCall1(topk_summary_hash, summary)) ==
			DatumGetInt32(DirectFunctionCall1(topk_summary_hash, again)));
	require(strcmp(form, text_out(again)) == 0);
	require(strcmp(form, TextDatumGetCString(DirectFunctionCall1(topk_to_json, summary))) == 0);
}

static void
check_items(Datum summary)
{
	MgReader reader;
	MgItem	 item;
	int		 count = 0;

	topk_reader_open(&reader, (TopkSummary *) DatumGetPointer(summary));
	if (reader.error != MG_UNKNOWN && reader.total != MG_UNKNOWN)
		require(reader.error <= reader.total / (reader.k + 1));
	for (; topk_reader_next(&reader, &item); count++)
	{
		Datum name = PointerGetDatum(cstring_to_text_with_len(item.bytes, item.length));

		require(pg_verifymbstr(item.bytes, item.length, true));
		require(DatumGetInt64(DirectFunctionCall2(topk_lower_bound, summary, name)) == item.lower);
	}
	require(count <= mg_room(reader.k));
	require(count == DatumGetInt32(DirectFunctionCall1(topk_size, summary)));
}

static void
check_forms(Datum summary)
{
	Datum cut = DirectFunctionCall2(topk_resize, summary, Int32GetDatum(1));
	Datum murmur = DirectFunctionCall2(topk_to_murmur, summary, Int32GetDatum(3));

	require(DatumGetInt32(DirectFunctionCall1(topk_size, cut)) <= 1);
	require(DatumGetInt32(DirectFunctionCall1(topk_size,
											  DirectFunctionCall1(topk_from_murmur, murmur))) <= 3);
}

/* ---- one input ---- */

static bool
is_refusal(int sqlstate)
{
	for (size_t i = 0; i < lengthof(refusals); i++)
		if (refusals[i] == sqlstate)
			return true;
	return false;
}

/* An error must not jump over libFuzzer's own frames, so none leaves this function. */
static void
try_text(char *text)
{
	volatile bool accepted = false;

	PG_TRY();
	{
		Datum summary = text_in(text);

		accepted = true;
		check_text(summary);
		check_items(summary);
		check_forms(summary);
	}
	PG_CATCH();
	{
		int sqlstate = geterrcode();

		FlushErrorState();
		if (accepted || !is_refusal(sqlstate))
			fprintf(stderr, "SQLSTATE %s\n", unpack_sql_state(sqlstate));
		require(!accepted);
		require(is_refusal(sqlstate));
	}
	PG_END_TRY();
}

/* libFuzzer keeps no input for which this is -1: the server hands no such text to a type. */
static int
try_bytes(const uint8_t *data, size_t size)
{
	static MemoryContext memory;
	MemoryContext		 callers;

	if (!pg_verifymbstr((const char *) data, (int) size, true))
		return -1;
	if (memory == NULL)
		memory = AllocSetContextCreate(TopMemoryContext, "one input", ALLOCSET_DEFAULT_SIZES);
	callers = MemoryContextSwitchTo(memory);
	try_text(pnstrdup((const char *) data, size));
	MemoryContextSwitchTo(callers);
	MemoryContextReset(memory);
	return 0;
}

Datum
topk_text_fuzz(PG_FUNCTION_ARGS)
{
	ArrayType *arguments = PG_GETARG_ARRAYTYPE_P(0);
	Datum	  *elements;
	char	 **argv;
	int		   argc;

	deconstruct_array(arguments, ARR_ELEMTYPE(arguments), -1, false, TYPALIGN_INT, &elements, NULL,
					  &argc);
	argv = palloc0((argc + 1) * sizeof(char *));
	for (int i = 0; i < argc; i++)
		argv[i] = TextDatumGetCString(elements[i]);
	exit(LLVMFuzzerRunDriver(&argc, &argv, try_bytes));
}
