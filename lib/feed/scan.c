/*
 * scan.c
 *	  One pass over JSON text: the values that pointers lead to, and nothing else is built.
 *
 * Must not know what the values mean.
 *
 * A value that lies in n containers has a path of n steps.  A field whose
 * pointer agrees with the first m of them has matched = m; when all agree and
 * there are no more, the value is the field's.
 */
#include "feed/scan.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "feed/text.h"

/* No further element of this array is looked for. */
#define SCAN_PASSED INT64_MAX

/* yajl's answers from a callback. */
#define SCAN_GO_ON 1
#define SCAN_BREAK_OFF 0

static int
scan_break(FeedScan *scan, FeedReason reason)
{
	scan->reason = reason;
	return SCAN_BREAK_OFF;
}

/* ---- the path ---- */

static bool
scan_in_array(const FeedScan *scan)
{
	int innermost = scan->depth - 1;

	return scan->depth > 0 && (scan->arrays[innermost / CHAR_BIT] >> innermost % CHAR_BIT & 1);
}

/* Another value begins in the innermost container: does its step agree with the field's? */
static void
scan_step(FeedScan *scan, FeedField *field, bool agrees)
{
	if (field->matched != scan->depth - 1 || !agrees)
		return;
	field->matched = scan->depth;
	field->value.type = FEED_VALUE_MISSING; /* whatever was there under the same name */
}

static void
scan_element(FeedScan *scan)
{
	for (int i = 0; i < scan->count; i++)
	{
		FeedField *field = &scan->fields[i];

		if (field->matched >= scan->depth)
		{
			field->matched = scan->depth - 1;
			field->index = SCAN_PASSED;
		}
		if (field->matched == scan->depth - 1 && field->index != SCAN_PASSED &&
			field->matched < field->pointer->count)
			scan_step(scan, field, field->index++ == field->pointer->tokens[field->matched].index);
	}
}

static int
scan_name(void *context, const unsigned char *name, size_t length)
{
	FeedScan *scan = context;

	/* PostgreSQL's jsonb can't hold such a name, though nothing asks for it here */
	if (memchr(name, '\0', length) != NULL)
		return scan_break(scan, FEED_NUL_CHARACTER);
	for (int i = 0; i < scan->count; i++)
	{
		FeedField		*field = &scan->fields[i];
		const FeedToken *token;

		if (field->matched >= scan->depth)
			field->matched = scan->depth - 1;
		if (field->matched >= field->pointer->count)
			continue;
		token = &field->pointer->tokens[field->matched];
		scan_step(scan, field, token->length == length && memcmp(token->name, name, length) == 0);
	}
	return SCAN_GO_ON;
}

/* ---- values ---- */

/* The text of a value: where it stands, or a copy if yajl unescaped it, in memory that it uses again. */
static bool
scan_keep(const FeedScan *scan, FeedField *field, const char *text, size_t length)
{
	field->value.length = length;
	field->value.text = text;
	if (text >= scan->text && text < scan->text + scan->length)
		return true;
	free(field->copy);
	field->copy = malloc(length + 1);
	if (field->copy == NULL)
		return false;
	memcpy(field->copy, text, length);
	field->value.text = field->copy;
	return true;
}

static int
scan_value(FeedScan *scan, FeedValueType type, const char *text, size_t length)
{
	if (scan->depth == 0)
		scan->type = type;
	else if (scan_in_array(scan))
		scan_element(scan);
	for (int i = 0; i < scan->count; i++)
	{
		FeedField *field = &scan->fields[i];

		if (field->matched != scan->depth || field->pointer->count != scan->depth)
			continue;
		field->value.type = type;
		if (text != NULL && !scan_keep(scan, field, text, length))
			return scan_break(scan, FEED_OUT_OF_MEMORY);
	}
	return SCAN_GO_ON;
}

static int
scan_null(void *context)
{
	return scan_value(context, FEED_VALUE_NULL, NULL, 0);
}

static int
scan_boolean(void *context, int value)
{
	(void) value;
	return scan_value(context, FEED_VALUE_BOOLEAN, NULL, 0);
}

static int
scan_number(void *context, const char *text, size_t length)
{
	return scan_value(context, FEED_VALUE_NUMBER, text, length);
}

static int
scan_string(void *context, const unsigned char *text, size_t length)
{
	return scan_value(context, FEED_VALUE_STRING, (const char *) text, length);
}

static int
scan_open(FeedScan *scan, FeedValueType type)
{
	char *byte = &scan->arrays[scan->depth / CHAR_BIT];
	int	  bit = 1 << scan->depth % CHAR_BIT;

	if (scan_value(scan, type, NULL, 0) == SCAN_BREAK_OFF)
		return SCAN_BREAK_OFF;
	if (scan->depth == FEED_SCAN_DEPTH)
		return scan_break(scan, FEED_INVALID_JSON);
	*byte = (char) (type == FEED_VALUE_ARRAY ? *byte | bit : *byte & ~bit);
	for (int i = 0; i < scan->count; i++)
	{
		if (scan->fields[i].matched == scan->depth)
			scan->fields[i].index = 0;
	}
	scan->depth++;
	return SCAN_GO_ON;
}

static int
scan_open_object(void *context)
{
	return scan_open(context, FEED_VALUE_OBJECT);
}

static int
scan_open_array(void *context)
{
	return scan_open(context, FEED_VALUE_ARRAY);
}

static int
scan_close(void *context)
{
	FeedScan *scan = context;

	scan->depth--;
	for (int i = 0; i < scan->count; i++)
	{
		if (scan->fields[i].matched > scan->depth)
			scan->fields[i].matched = scan->depth;
	}
	return SCAN_GO_ON;
}

static const yajl_callbacks scan_callbacks = {
	.yajl_null = scan_null,
	.yajl_boolean = scan_boolean,
	.yajl_number = scan_number,
	.yajl_string = scan_string,
	.yajl_start_map = scan_open_object,
	.yajl_map_key = scan_name,
	.yajl_end_map = scan_close,
	.yajl_start_array = scan_open_array,
	.yajl_end_array = scan_close,
};

/* ---- what is wrong ---- */

/* What text has that yajl would let pass. */
static FeedReason
scan_check_text(const char *text, size_t length, char *detail)
{
	size_t at;

	switch (feed_text_check(text, length, &at))
	{
		case FEED_TEXT_GOOD:
			break;
		case FEED_TEXT_NOT_UTF8:
			return feed_refuse(FEED_INVALID_UTF8, detail, "at byte %zu: 0x%02x is not UTF-8", at,
							   (unsigned char) text[at]);
		case FEED_TEXT_SURROGATE:
			return feed_refuse(FEED_INVALID_JSON, detail,
							   "at byte %zu: an escape is half of a surrogate pair", at);
		case FEED_TEXT_SPACE:
			return feed_refuse(FEED_INVALID_JSON, detail,
							   "at byte %zu: character 0x%02x must not be there", at,
							   (unsigned char) text[at]);
	}
	return FEED_ACCEPTED;
}

/* yajl's words about text that it refused. */
static FeedReason
scan_refuse_json(const FeedScan *scan, yajl_handle parser, size_t at, char *detail)
{
	unsigned char *words = yajl_get_error(parser, 0, NULL, 0);
	FeedReason	   reason = FEED_INVALID_JSON;

	if (words == NULL)
		return feed_refuse(FEED_OUT_OF_MEMORY, detail, "out of memory");
	words[strcspn((char *) words, "\n")] = '\0';
	if (strstr((char *) words, "inside") != NULL && at < scan->length && scan->text[at] == '\0')
		reason = FEED_NUL_CHARACTER;
	feed_refuse(reason, detail, "at byte %zu: %s", at, (char *) words);
	yajl_free_error(parser, words);
	return reason;
}

static FeedReason
scan_refuse(const FeedScan *scan, yajl_handle parser, size_t at, char *detail)
{
	switch (scan->reason)
	{
		case FEED_ACCEPTED:
			return scan_refuse_json(scan, parser, at, detail);
		case FEED_NUL_CHARACTER:
			return feed_refuse(scan->reason, detail, "at byte %zu: the name of a field holds a NUL",
							   at);
		case FEED_INVALID_JSON:
			return feed_refuse(scan->reason, detail, "nested deeper than %d levels",
							   FEED_SCAN_DEPTH);
		default:
			return feed_refuse(scan->reason, detail, "out of memory");
	}
}

/* ---- the whole ---- */

/* yajl itself overlooks garbage that looks like the start of a token: it stops after the value, and we look. */
static FeedReason
scan_parse(FeedScan *scan, yajl_handle parser, char *detail)
{
	yajl_status status;
	size_t		at;

	yajl_config(parser, yajl_dont_validate_strings, 1);
	yajl_config(parser, yajl_allow_trailing_garbage, 1);
	status = yajl_parse(parser, (const unsigned char *) scan->text, scan->length);
	at = yajl_get_bytes_consumed(parser);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(parser); /* a number may end with the text */
	if (status != yajl_status_ok)
		return scan_refuse(scan, parser, at, detail);
	while (at < scan->length && strchr(" \t\r\n", scan->text[at]) != NULL && scan->text[at] != '\0')
		at++;
	if (at < scan->length)
		return feed_refuse(FEED_INVALID_JSON, detail, "at byte %zu: trailing garbage", at);
	return FEED_ACCEPTED;
}

FeedReason
feed_scan_run(FeedScan *scan, const char *text, size_t length, char detail[FEED_DETAIL_SIZE])
{
	FeedReason	reason = scan_check_text(text, length, detail);
	yajl_handle parser;

	if (reason != FEED_ACCEPTED)
		return reason;
	scan->text = text;
	scan->length = length;
	parser = yajl_alloc(&scan_callbacks, NULL, scan);
	if (parser == NULL)
		return feed_refuse(FEED_OUT_OF_MEMORY, detail, "out of memory");
	reason = scan_parse(scan, parser, detail);
	yajl_free(parser);
	return reason;
}

void
feed_scan_free(FeedScan *scan)
{
	for (int i = 0; i < scan->count; i++)
		free(scan->fields[i].copy);
}
