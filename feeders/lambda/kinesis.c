/*
 * kinesis.c
 *	  The event that Lambda's event source mapping makes of a Kinesis batch,
 *	  taken apart into its records.
 *
 * Must not know what the records hold, nor what becomes of them.
 *
 *	{"Records": [{"kinesis": {"partitionKey": …, "sequenceNumber": …, "data": …,
 *	  "approximateArrivalTimestamp": …}, "eventSource": "aws:kinesis",
 *	  "eventID": "SHARD:SEQUENCE", "eventSourceARN": …}, …]}
 *
 * One pass with yajl; texts stay where they are in the event unless they have escapes.
 */
#include "kinesis.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "daemon/grow.h"
#include "sequence.h"

/* Deepest nesting that is followed: what AWS sends has 4 levels. */
#define KINESIS_DEPTH 64

/* How many containers lie around the members of ... */
#define DEPTH_EVENT 1
#define DEPTH_RECORDS 2
#define DEPTH_RECORD 3
#define DEPTH_KINESIS 4

/* Seconds since the epoch beyond which an arrival time is none. */
#define ARRIVAL_MAX 1e11

/* What is taken of a record. */
typedef enum Field
{
	FIELD_NONE = -1,
	FIELD_SOURCE, /* of the record */
	FIELD_ARN,
	FIELD_ID,
	FIELD_KINESIS,
	FIELD_KEY, /* of its kinesis */
	FIELD_SEQUENCE,
	FIELD_DATA,
	FIELD_ARRIVAL,
	FIELD_COUNT
} Field;

static const char *const field_names[FIELD_COUNT] = {
	[FIELD_SOURCE] = "eventSource", [FIELD_ARN] = "eventSourceARN",
	[FIELD_ID] = "eventID",			[FIELD_KINESIS] = "kinesis",
	[FIELD_KEY] = "partitionKey",	[FIELD_SEQUENCE] = "sequenceNumber",
	[FIELD_DATA] = "data",			[FIELD_ARRIVAL] = "approximateArrivalTimestamp",
};

typedef struct Parser
{
	KinesisEvent *event;
	const char	 *text;
	size_t		  length;
	yajl_handle	  yajl;

	int	 depth;		   /* containers that are open */
	bool in_records;   /* at DEPTH_RECORDS and below: in the array Records */
	bool in_record;	   /* below: in an object of it */
	bool in_kinesis;   /* below: in its object kinesis */
	bool records_next; /* the next value is that of Records */
	bool has_records;
	bool is_object; /* the whole */

	Field	  field; /* whose value comes next */
	FeedValue values[FIELD_COUNT];
	size_t	  element_start; /* of the element of Records that is being read */
	size_t	  last_end;		 /* where the one before it ended */

	const char *broken; /* why parsing was broken off */
} Parser;

/* yajl's answers from a callback. */
#define GO_ON 1
#define BREAK_OFF 0

static int
break_off(Parser *parser, const char *why)
{
	parser->broken = why;
	return BREAK_OFF;
}

/* ---- texts and lists ---- */

/* Keep a text that yajl unescaped, in memory that it uses again. */
static const char *
keep_copy(KinesisEvent *event, const char *text, size_t length)
{
	char **copies =
		grow(event->copies, event->copy_count, &event->copy_room, sizeof(*event->copies));
	char *copy;

	if (copies == NULL)
		return NULL;
	event->copies = copies;
	copy = malloc(length + 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	event->copies[event->copy_count++] = copy;
	return copy;
}

/* ---- one record ---- */

static KinesisText
string_of(const FeedValue *value)
{
	if (value->type != FEED_VALUE_STRING)
		return (KinesisText) {0};
	return (KinesisText) {value->text, value->length};
}

static bool
is_string(const FeedValue *value, const char *string)
{
	return value->type == FEED_VALUE_STRING && value->length == strlen(string) &&
		   memcmp(value->text, string, value->length) == 0;
}

/* Visible ASCII: what can be part of an id. */
static bool
is_name(const KinesisText *name, size_t max_length)
{
	if (name->text == NULL || name->length == 0 || name->length > max_length)
		return false;
	for (size_t i = 0; i < name->length; i++)
	{
		if (!isgraph((unsigned char) name->text[i]))
			return false;
	}
	return true;
}

/* The part of an eventID before its colon. */
static KinesisText
shard_of(const FeedValue *id)
{
	const char *colon = id->type == FEED_VALUE_STRING ? memchr(id->text, ':', id->length) : NULL;

	if (colon == NULL)
		return (KinesisText) {0};
	return (KinesisText) {id->text, (size_t) (colon - id->text)};
}

/* Seconds with a fraction, as Unix milliseconds. */
static int64_t
arrival_of(const FeedValue *value)
{
	char   text[64];
	double seconds;

	if (value->type != FEED_VALUE_NUMBER || value->length >= sizeof(text))
		return FEED_NO_TIME;
	memcpy(text, value->text, value->length);
	text[value->length] = '\0';
	seconds = strtod(text, NULL);
	if (!(seconds >= 0 && seconds <= ARRIVAL_MAX))
		return FEED_NO_TIME;
	return llround(seconds * 1000);
}

static void
refuse(KinesisRecord *record, FeedReason reason, const char *problem)
{
	if (record->problem != NULL)
		return;
	record->problem = problem;
	record->reason = reason;
}

/* What was read of a record becomes one; with what there is if it is not as it should be. */
static void
read_fields(const FeedValue *values, KinesisRecord *record)
{
	record->partition_key = string_of(&values[FIELD_KEY]);
	record->data = string_of(&values[FIELD_DATA]);
	record->arrival = arrival_of(&values[FIELD_ARRIVAL]);
	record->sequence = string_of(&values[FIELD_SEQUENCE]);
	record->arn = string_of(&values[FIELD_ARN]);
	record->shard = shard_of(&values[FIELD_ID]);

	if (values[FIELD_KINESIS].type != FEED_VALUE_OBJECT)
		refuse(record, FEED_BAD_RECORD, "the record has no object kinesis");
	if (!is_string(&values[FIELD_SOURCE], "aws:kinesis"))
		refuse(record, FEED_BAD_RECORD, "the record's eventSource is not aws:kinesis");
	if (record->sequence.text == NULL ||
		!sequence_valid(record->sequence.text, record->sequence.length))
	{
		refuse(record, FEED_BAD_ID, "the record's sequenceNumber is not a string of digits");
		record->sequence = (KinesisText) {0};
	}
	if (!is_name(&record->arn, KINESIS_ARN_MAX_LENGTH))
	{
		refuse(record, FEED_BAD_ID, "the record's eventSourceARN is not a name of a stream");
		record->arn = (KinesisText) {0};
	}
	if (!is_name(&record->shard, KINESIS_SHARD_MAX_LENGTH))
	{
		refuse(record, FEED_BAD_ID,
			   "the record's eventID is not the name of a shard, a colon and a sequence number");
		record->shard = (KinesisText) {0};
	}
	if (record->data.text == NULL)
		refuse(record, FEED_BAD_RECORD, "the record's data is not a string");
}

/* An element of Records ends before byte end. */
static int
end_element(Parser *parser, bool is_object, size_t end)
{
	KinesisEvent  *event = parser->event;
	KinesisRecord *records =
		grow(event->records, event->count, &event->room, sizeof(*event->records));
	KinesisRecord *record;

	if (records == NULL)
		return break_off(parser, "out of memory");
	event->records = records;
	record = &records[event->count++];
	*record = (KinesisRecord) {
		.whole = {parser->text + parser->element_start, end - parser->element_start},
		.arrival = FEED_NO_TIME};
	if (is_object)
		read_fields(parser->values, record);
	else
		refuse(record, FEED_BAD_RECORD, "the record is not an object");
	parser->last_end = end;
	return GO_ON;
}

/* ---- yajl's callbacks ---- */

/* Where the value at hand begins, if it is an element of Records: after the comma. */
static void
start_element(Parser *parser)
{
	size_t at = parser->last_end;

	while (at < parser->length && strchr(" \t\r\n,", parser->text[at]) != NULL &&
		   parser->text[at] != '\0')
		at++;
	parser->element_start = at;
	memset(parser->values, 0, sizeof(parser->values));
}

/* A value that is no container, or the beginning of one. */
static int
take_value(Parser *parser, FeedValueType type, const char *text, size_t length)
{
	FeedValue *value;

	if (parser->field == FIELD_NONE)
		return GO_ON;
	value = &parser->values[parser->field];
	parser->field = FIELD_NONE;
	*value = (FeedValue) {.type = type, .text = text, .length = length};
	if (text == NULL || (text >= parser->text && text < parser->text + parser->length))
		return GO_ON;
	value->text = keep_copy(parser->event, text, length);
	return value->text != NULL ? GO_ON : break_off(parser, "out of memory");
}

static int
on_scalar(void *context, FeedValueType type, const char *text, size_t length)
{
	Parser *parser = context;

	if (parser->records_next && parser->depth == DEPTH_EVENT)
	{
		parser->has_records = false;
		parser->records_next = false;
		return GO_ON;
	}
	if (parser->in_records && parser->depth == DEPTH_RECORDS)
	{
		start_element(parser);
		return end_element(parser, false, yajl_get_bytes_consumed(parser->yajl));
	}
	return take_value(parser, type, text, length);
}

static int
on_null(void *context)
{
	return on_scalar(context, FEED_VALUE_NULL, NULL, 0);
}

static int
on_boolean(void *context, int value)
{
	(void) value;
	return on_scalar(context, FEED_VALUE_BOOLEAN, NULL, 0);
}

static int
on_number(void *context, const char *text, size_t length)
{
	return on_scalar(context, FEED_VALUE_NUMBER, text, length);
}

static int
on_string(void *context, const unsigned char *text, size_t length)
{
	return on_scalar(context, FEED_VALUE_STRING, (const char *) text, length);
}

/* Records begins, perhaps anew: of duplicate names the last one counts. */
static void
begin_records(Parser *parser)
{
	parser->event->count = 0;
	parser->has_records = true;
	parser->in_records = true;
	parser->last_end = yajl_get_bytes_consumed(parser->yajl);
}

static int
on_open(Parser *parser, FeedValueType type)
{
	int depth = parser->depth++;

	if (depth >= KINESIS_DEPTH)
		return break_off(parser, "nested too deeply");
	if (depth == 0)
		parser->is_object = type == FEED_VALUE_OBJECT;
	if (depth == DEPTH_EVENT && parser->records_next)
	{
		parser->records_next = false;
		parser->has_records = false;
		if (type == FEED_VALUE_ARRAY)
			begin_records(parser);
		return GO_ON;
	}
	if (!parser->in_records)
		return GO_ON;
	if (depth == DEPTH_RECORDS)
	{
		start_element(parser);
		parser->in_record = type == FEED_VALUE_OBJECT;
		return GO_ON;
	}
	if (depth == DEPTH_RECORD && parser->field == FIELD_KINESIS)
	{
		/* what an earlier one of the same name said is forgotten */
		for (Field field = FIELD_KEY; field < FIELD_COUNT; field++)
			parser->values[field] = (FeedValue) {0};
		parser->in_kinesis = type == FEED_VALUE_OBJECT;
	}
	return take_value(parser, type, NULL, 0);
}

static int
on_open_object(void *context)
{
	return on_open(context, FEED_VALUE_OBJECT);
}

static int
on_open_array(void *context)
{
	return on_open(context, FEED_VALUE_ARRAY);
}

static int
on_close(void *context)
{
	Parser *parser = context;
	bool	was_record = parser->in_record;

	parser->depth--;
	parser->field = FIELD_NONE;
	if (!parser->in_records)
		return GO_ON;
	switch (parser->depth)
	{
		case DEPTH_EVENT:
			parser->in_records = false;
			break;
		case DEPTH_RECORDS:
			parser->in_record = false;
			return end_element(parser, was_record, yajl_get_bytes_consumed(parser->yajl));
		case DEPTH_RECORD:
			parser->in_kinesis = false;
			break;
		default:
			break;
	}
	return GO_ON;
}

static int
on_name(void *context, const unsigned char *name, size_t length)
{
	Parser *parser = context;
	Field	first = FIELD_COUNT;
	Field	last = FIELD_COUNT;

	parser->field = FIELD_NONE;
	if (parser->depth == DEPTH_EVENT)
		parser->records_next = length == 7 && memcmp(name, "Records", 7) == 0;
	else if (parser->in_record && parser->depth == DEPTH_RECORD)
	{
		first = FIELD_SOURCE;
		last = FIELD_KINESIS;
	}
	else if (parser->in_kinesis && parser->depth == DEPTH_KINESIS)
	{
		first = FIELD_KEY;
		last = FIELD_ARRIVAL;
	}
	for (Field field = first; field <= last && field < FIELD_COUNT; field++)
	{
		if (strlen(field_names[field]) == length && memcmp(field_names[field], name, length) == 0)
			parser->field = field;
	}
	return GO_ON;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_open_object,
	.yajl_map_key = on_name,
	.yajl_end_map = on_close,
	.yajl_start_array = on_open_array,
	.yajl_end_array = on_close,
};

/* ---- the whole ---- */

/* yajl overlooks some garbage that follows a value: it stops after the value, and we look. */
static bool
only_space_after(const Parser *parser, size_t at)
{
	while (at < parser->length && parser->text[at] != '\0' &&
		   strchr(" \t\r\n", parser->text[at]) != NULL)
		at++;
	return at == parser->length;
}

static const char *
run(Parser *parser)
{
	yajl_status status;

	yajl_config(parser->yajl, yajl_dont_validate_strings, 1); /* lib/feed looks at what counts */
	yajl_config(parser->yajl, yajl_allow_trailing_garbage, 1);
	status = yajl_parse(parser->yajl, (const unsigned char *) parser->text, parser->length);
	if (parser->broken != NULL)
		return parser->broken;
	if (status == yajl_status_ok && yajl_get_bytes_consumed(parser->yajl) < parser->length &&
		!only_space_after(parser, yajl_get_bytes_consumed(parser->yajl)))
		return "something follows the JSON";
	if (status == yajl_status_ok)
		status = yajl_complete_parse(parser->yajl);
	if (status != yajl_status_ok)
		return "not JSON";
	if (!parser->is_object)
		return "not an object";
	return parser->has_records ? NULL : "no array Records";
}

bool
kinesis_parse(const char *text, size_t length, KinesisEvent *event)
{
	Parser		parser = {.event = event, .text = text, .length = length, .field = FIELD_NONE};
	const char *problem = "out of memory";

	*event = (KinesisEvent) {0};
	parser.yajl = yajl_alloc(&callbacks, NULL, &parser);
	if (parser.yajl != NULL)
	{
		problem = run(&parser);
		yajl_free(parser.yajl);
	}
	if (problem == NULL)
	{
		event->numbers = malloc((size_t) event->count * SEQUENCE_MAX_DIGITS + 1);
		problem = event->numbers == NULL ? "out of memory" : NULL;
	}
	if (problem != NULL)
		snprintf(event->problem, sizeof(event->problem),
				 "%s: an event of Kinesis is an object with an array Records", problem);
	return problem == NULL;
}

static void
free_copies(KinesisEvent *event)
{
	for (int i = 0; i < event->copy_count; i++)
		free(event->copies[i]);
	free(event->copies);
	event->copies = NULL;
	event->copy_count = event->copy_room = 0;
}

const char *
kinesis_forget(KinesisEvent *event, int index)
{
	KinesisRecord *record = &event->records[index];
	const char	  *end = record->whole.text + record->whole.length;
	KinesisText	   sequence = record->sequence;

	*record = (KinesisRecord) {.arrival = record->arrival};
	if (sequence.text != NULL)
	{
		record->sequence = (KinesisText) {event->numbers + event->numbers_size, sequence.length};
		memcpy(event->numbers + event->numbers_size, sequence.text, sequence.length);
		event->numbers_size += sequence.length;
	}
	if (index == event->count - 1)
		free_copies(event);
	return end;
}

void
kinesis_free(KinesisEvent *event)
{
	free_copies(event);
	free(event->records);
	free(event->numbers);
	*event = (KinesisEvent) {0};
}
