/*
 * event.c
 *	  One event: from the bytes of a record to entity, key, weight and time.
 *
 * Must not know where the bytes came from (Kafka, Lambda) or where the counts
 * go.
 */
#include "feed/event.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed/number.h"
#include "feed/time.h"
#include "mg/mg.h"

/*
 * A lone value is JSON too, and is told that it is no object.  jansson
 * refuses \u0000 unless told otherwise, with the same code as any broken
 * text: it is let through here and found where it matters.
 */
#define EVENT_JSON_FLAGS (JSON_DECODE_ANY | JSON_ALLOW_NUL)

/* An array rather than a switch, so that a new reason without a code is caught by its test. */
static const char *const event_reason_codes[] = {
	[FEED_ACCEPTED] = "accepted",
	[FEED_EMPTY_VALUE] = "empty_value",
	[FEED_INVALID_JSON] = "invalid_json",
	[FEED_INVALID_UTF8] = "invalid_utf8",
	[FEED_NUL_CHARACTER] = "nul_character",
	[FEED_NOT_AN_OBJECT] = "not_an_object",
	[FEED_MISSING_ENTITY] = "missing_entity",
	[FEED_EMPTY_ENTITY] = "empty_entity",
	[FEED_MISSING_KEY] = "missing_key",
	[FEED_EMPTY_KEY] = "empty_key",
	[FEED_WRONG_TYPE] = "wrong_type",
	[FEED_TOO_LONG] = "too_long",
	[FEED_BAD_WEIGHT] = "bad_weight",
	[FEED_BAD_TIME] = "bad_time",
	[FEED_OUTSIDE_RETENTION] = "outside_retention",
	[FEED_TOO_FAR_IN_FUTURE] = "too_far_in_future",
	[FEED_OUT_OF_MEMORY] = "out_of_memory",
};

const char *
feed_reason_code(FeedReason reason)
{
	return event_reason_codes[reason];
}

/* Write the detail and hand the reason through. */
static FeedReason
event_refuse(FeedReason reason, char *detail, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(detail, FEED_DETAIL_SIZE, format, arguments);
	va_end(arguments);
	return reason;
}

/* How a message calls the field of a pointer: "/entity_id" is entity_id, longer ones stay. */
static const char *
event_field_name(const FeedPointer *pointer)
{
	if (pointer->count == 1)
		return pointer->tokens;
	return pointer->count == 0 ? "the event" : pointer->text;
}

static const char *
event_type_name(const json_t *value)
{
	switch (json_typeof(value))
	{
		case JSON_OBJECT:
			return "an object";
		case JSON_ARRAY:
			return "an array";
		case JSON_STRING:
			return "a string";
		case JSON_INTEGER:
		case JSON_REAL:
			return "a number";
		case JSON_TRUE:
		case JSON_FALSE:
			return "a boolean";
		case JSON_NULL:
			break;
	}
	return "null";
}

/* What jansson found wrong.  Its text may quote the payload: only ASCII of it is kept. */
static FeedReason
event_refuse_json(const json_error_t *error, char *detail)
{
	FeedReason reason = FEED_INVALID_JSON;

	switch (json_error_code(error))
	{
		case json_error_out_of_memory:
			return event_refuse(FEED_OUT_OF_MEMORY, detail, "out of memory");
		case json_error_stack_overflow:
			return event_refuse(FEED_INVALID_JSON, detail, "nested deeper than %d levels",
								JSON_PARSER_MAX_DEPTH);
		case json_error_invalid_utf8:
			reason = FEED_INVALID_UTF8;
			break;
		case json_error_null_byte_in_key:
			reason = FEED_NUL_CHARACTER;
			break;
		default:
			if (strncmp(error->text, "control character 0x0 ", 22) == 0)
				reason = FEED_NUL_CHARACTER;
			break;
	}
	event_refuse(reason, detail, "at byte %d: %s", error->position, error->text);
	for (char *c = detail; *c != '\0'; c++)
	{
		if (!isascii((unsigned char) *c) || !isprint((unsigned char) *c))
			*c = '?';
	}
	return reason;
}

/*
 * Load the document.  jansson refuses numbers beyond its range even in fields
 * that nobody reads: they are given a stand-in, and the document another try.
 */
static FeedReason
event_load(const void *payload, size_t length, json_t **document, char *detail)
{
	json_error_t error;
	char		*softened;

	*document = json_loadb(payload, length, EVENT_JSON_FLAGS, &error);
	if (*document == NULL && json_error_code(&error) == json_error_numeric_overflow)
	{
		softened = feed_number_soften(payload, length);
		if (softened == NULL)
			return event_refuse(FEED_OUT_OF_MEMORY, detail, "out of memory");
		*document = json_loadb(softened, length, EVENT_JSON_FLAGS, &error);
		free(softened);
	}
	return *document == NULL ? event_refuse_json(&error, detail) : FEED_ACCEPTED;
}

/* What differs between the two strings of an event. */
typedef struct EventString
{
	const FeedPointer *pointer;
	FeedReason		   missing;
	FeedReason		   empty;
	size_t			   max_length;
} EventString;

static FeedReason
event_read_string(const EventString *field, json_t *document, const char **string, size_t *length,
				  char *detail)
{
	const char *name = event_field_name(field->pointer);
	json_t	   *value = feed_pointer_get(field->pointer, document);

	if (value == NULL)
		return event_refuse(field->missing, detail, "%s is missing; it must be a non-empty string",
							name);
	if (!json_is_string(value))
		return event_refuse(FEED_WRONG_TYPE, detail, "%s is %s; it must be a non-empty string",
							name, event_type_name(value));
	*string = json_string_value(value);
	*length = json_string_length(value);
	if (*length == 0)
		return event_refuse(field->empty, detail,
							"%s is an empty string; it must be a non-empty string", name);
	if (memchr(*string, '\0', *length) != NULL)
		return event_refuse(FEED_NUL_CHARACTER, detail,
							"%s holds a NUL character, which can not be stored", name);
	if (*length > field->max_length)
		return event_refuse(FEED_TOO_LONG, detail, "%s is %zu bytes long; at most %zu are allowed",
							name, *length, field->max_length);
	return FEED_ACCEPTED;
}

/* A whole number, written as such or as 1.7e12. */
static bool
event_whole_number(const json_t *value, int64_t *number)
{
	double real = json_real_value(value);

	if (json_is_integer(value))
	{
		*number = json_integer_value(value);
		return true;
	}
	/* beyond 2^53 a double is no longer exact */
	if (!json_is_real(value) || fabs(real) > 9007199254740992.0 || real != floor(real))
		return false;
	*number = (int64_t) real;
	return true;
}

static FeedReason
event_read_weight(const FeedPointer *pointer, json_t *document, FeedEvent *event, char *detail)
{
	const char *name = event_field_name(pointer);
	json_t	   *value = feed_pointer_get(pointer, document);

	if (value == NULL || !json_is_number(value))
		return event_refuse(FEED_BAD_WEIGHT, detail, "%s is %s; it must be a whole number", name,
							value == NULL ? "missing" : event_type_name(value));
	if (!event_whole_number(value, &event->weight) || event->weight < 0 ||
		event->weight > FEED_WEIGHT_MAX)
		return event_refuse(FEED_BAD_WEIGHT, detail, "%s must be a whole number from 0 to %lld",
							name, (long long) FEED_WEIGHT_MAX);
	return FEED_ACCEPTED;
}

static FeedReason
event_read_time(const FeedPointer *pointer, json_t *document, FeedEvent *event, char *detail)
{
	const char *name = event_field_name(pointer);
	json_t	   *value = feed_pointer_get(pointer, document);

	if (value == NULL)
		return event_refuse(FEED_BAD_TIME, detail,
							"%s is missing; it must be an RFC 3339 time or Unix milliseconds",
							name);
	if (json_is_string(value) ? feed_time_parse(json_string_value(value), &event->time)
							  : event_whole_number(value, &event->time))
		return FEED_ACCEPTED;
	return event_refuse(FEED_BAD_TIME, detail,
						"%s is neither an RFC 3339 time "
						"(2026-01-31T23:59:59Z) nor a number of Unix milliseconds",
						name);
}

/* The fields of a document; entity first, so that its reason wins. */
static FeedReason
event_read_fields(const FeedFields *fields, json_t *document, FeedEvent *event, char *detail)
{
	const EventString entity = {&fields->entity, FEED_MISSING_ENTITY, FEED_EMPTY_ENTITY,
								MG_ITEM_MAX_LENGTH};
	const EventString key = {&fields->key, FEED_MISSING_KEY, FEED_EMPTY_KEY, FEED_KEY_MAX_LENGTH};
	FeedReason		  reason;

	reason = event_read_string(&entity, document, &event->entity, &event->entity_length, detail);
	if (reason == FEED_ACCEPTED && fields->key.text != NULL)
		reason = event_read_string(&key, document, &event->key, &event->key_length, detail);
	if (reason == FEED_ACCEPTED && fields->weight.text != NULL)
		reason = event_read_weight(&fields->weight, document, event, detail);
	if (reason == FEED_ACCEPTED && fields->time.text != NULL)
		reason = event_read_time(&fields->time, document, event, detail);
	else if (reason == FEED_ACCEPTED && event->time == FEED_NO_TIME)
		reason = event_refuse(FEED_BAD_TIME, detail, "the record carries no time");
	return reason;
}

FeedReason
feed_event_parse(const FeedFields *fields, const void *payload, size_t length, int64_t record_time,
				 FeedEvent *event, char detail[FEED_DETAIL_SIZE])
{
	FeedReason reason;

	*event = (FeedEvent) {.key = FEED_KEY_DEFAULT,
						  .key_length = strlen(FEED_KEY_DEFAULT),
						  .weight = 1,
						  .time = record_time};
	if (payload == NULL || length == 0)
		return event_refuse(FEED_EMPTY_VALUE, detail, "the record has no value");
	reason = event_load(payload, length, &event->document, detail);
	if (reason != FEED_ACCEPTED)
		return reason;
	if (!json_is_object(event->document))
		return event_refuse(FEED_NOT_AN_OBJECT, detail, "the value is %s; it must be an object",
							event_type_name(event->document));
	return event_read_fields(fields, event->document, event, detail);
}

void
feed_event_free(FeedEvent *event)
{
	json_decref(event->document);
	event->document = NULL;
}
