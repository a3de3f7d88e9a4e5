/*
 * event.c
 *	  One event: from the bytes of a record to entity, key, weight, time and id.
 *
 * Must not know where the bytes came from (Kafka, Lambda) or where the counts
 * go.
 */
#include "feed/event.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "feed/time.h"
#include "mg/mg.h"

/* Longest time that is looked at, and its ending NUL. */
#define EVENT_TIME_SIZE 64

/* How a message calls the field of a pointer: "/entity_id" is entity_id, longer ones stay. */
static const char *
event_field_name(const FeedPointer *pointer)
{
	if (pointer->count == 1)
		return pointer->tokens[0].name;
	return pointer->count == 0 ? "the event" : pointer->text;
}

static const char *
event_type_name(FeedValueType type)
{
	static const char *const names[] = {
		[FEED_VALUE_MISSING] = "missing",	[FEED_VALUE_NULL] = "null",
		[FEED_VALUE_BOOLEAN] = "a boolean", [FEED_VALUE_NUMBER] = "a number",
		[FEED_VALUE_STRING] = "a string",	[FEED_VALUE_OBJECT] = "an object",
		[FEED_VALUE_ARRAY] = "an array",
	};

	return names[type];
}

/* What differs between the strings of an event. */
typedef struct EventString
{
	FeedReason missing;
	FeedReason empty;
	size_t	   max_length;
} EventString;

static const EventString event_entity = {FEED_MISSING_ENTITY, FEED_EMPTY_ENTITY,
										 MG_ITEM_MAX_LENGTH};
static const EventString event_key = {FEED_MISSING_KEY, FEED_EMPTY_KEY, FEED_KEY_MAX_LENGTH};

static FeedReason
event_read_string(const EventString *kind, const FeedField *field, const char **string,
				  size_t *length, char *detail)
{
	const char		*name = event_field_name(field->pointer);
	const FeedValue *value = &field->value;

	if (value->type != FEED_VALUE_STRING)
		return feed_refuse(value->type == FEED_VALUE_MISSING ? kind->missing : FEED_WRONG_TYPE,
						   detail, "%s is %s; it must be a non-empty string", name,
						   event_type_name(value->type));
	if (value->length == 0)
		return feed_refuse(kind->empty, detail,
						   "%s is an empty string; it must be a non-empty string", name);
	if (memchr(value->text, '\0', value->length) != NULL)
		return feed_refuse(FEED_NUL_CHARACTER, detail,
						   "%s holds a NUL character, which can not be stored", name);
	if (value->length > kind->max_length)
		return feed_refuse(FEED_TOO_LONG, detail, "%s is %zu bytes long; at most %zu are allowed",
						   name, value->length, kind->max_length);
	*string = value->text;
	*length = value->length;
	return FEED_ACCEPTED;
}

/* A whole number, written as such or as 1.7e12. */
static bool
event_whole_number(const FeedValue *value, int64_t *number)
{
	char  *end;
	double real;

	/* a number within an object is followed by something that ends it */
	errno = 0;
	*number = strtoll(value->text, &end, 10);
	if (end == value->text + value->length)
		return errno == 0;
	real = strtod(value->text, NULL);
	/* beyond 2^53 a double is no longer exact */
	if (fabs(real) > 9007199254740992.0 || real != floor(real))
		return false;
	*number = (int64_t) real;
	return true;
}

static FeedReason
event_read_weight(const FeedField *field, int64_t *weight, char *detail)
{
	const char *name = event_field_name(field->pointer);

	if (field->value.type != FEED_VALUE_NUMBER)
		return feed_refuse(FEED_BAD_WEIGHT, detail, "%s is %s; it must be a whole number", name,
						   event_type_name(field->value.type));
	if (!event_whole_number(&field->value, weight) || *weight < 0 || *weight > FEED_WEIGHT_MAX)
		return feed_refuse(FEED_BAD_WEIGHT, detail, "%s must be a whole number from 0 to %lld",
						   name, (long long) FEED_WEIGHT_MAX);
	return FEED_ACCEPTED;
}

static bool
event_parse_time(const FeedValue *value, int64_t *time)
{
	char text[EVENT_TIME_SIZE];

	if (value->type == FEED_VALUE_NUMBER)
		return event_whole_number(value, time);
	if (value->type != FEED_VALUE_STRING || value->length >= sizeof(text))
		return false;
	memcpy(text, value->text, value->length);
	text[value->length] = '\0';
	return strlen(text) == value->length && feed_time_parse(text, time);
}

static FeedReason
event_read_time(const FeedField *field, int64_t *time, char *detail)
{
	const char *name = event_field_name(field->pointer);
	int64_t		found;

	if (field->value.type == FEED_VALUE_MISSING)
		return feed_refuse(FEED_BAD_TIME, detail,
						   "%s is missing; it must be an RFC 3339 time or Unix milliseconds", name);
	if (!event_parse_time(&field->value, &found))
		return feed_refuse(FEED_BAD_TIME, detail,
						   "%s is neither an RFC 3339 time "
						   "(2026-01-31T23:59:59Z) nor a number of Unix milliseconds",
						   name);
	*time = found;
	return FEED_ACCEPTED;
}

/* What an id is: a string, or a number without fraction and exponent. */
static bool
event_is_id(const FeedValue *value)
{
	if (value->type == FEED_VALUE_NUMBER)
		return memchr(value->text, '.', value->length) == NULL &&
			   memchr(value->text, 'e', value->length) == NULL &&
			   memchr(value->text, 'E', value->length) == NULL;
	return value->type == FEED_VALUE_STRING;
}

static FeedReason
event_read_id(const FeedField *field, FeedEvent *event, char *detail)
{
	const char		*name = event_field_name(field->pointer);
	const FeedValue *value = &field->value;

	if (!event_is_id(value))
		return feed_refuse(FEED_BAD_ID, detail, "%s is %s; it must be a string or an integer", name,
						   value->type == FEED_VALUE_NUMBER ? "a number with a fraction or exponent"
															: event_type_name(value->type));
	if (value->length == 0 || value->length > FEED_ID_MAX_LENGTH)
		return feed_refuse(FEED_BAD_ID, detail, "%s is %zu bytes long; 1 to %d are allowed", name,
						   value->length, FEED_ID_MAX_LENGTH);
	if (memchr(value->text, '\0', value->length) != NULL)
		return feed_refuse(FEED_BAD_ID, detail, "%s holds a NUL character, which can not be stored",
						   name);
	event->id = value->text;
	event->id_length = value->length;
	return FEED_ACCEPTED;
}

/* The field for a pointer, or NULL when that is not set. */
static FeedField *
event_want(FeedScan *scan, const FeedPointer *pointer)
{
	FeedField *field = &scan->fields[scan->count];

	if (pointer->text == NULL)
		return NULL;
	field->pointer = pointer;
	scan->count++;
	return field;
}

FeedReason
feed_event_parse(const FeedFields *fields, const void *payload, size_t length, int64_t record_time,
				 FeedEvent *event, char detail[FEED_DETAIL_SIZE])
{
	FeedScan  *scan = &event->scan;
	FeedField *entity;
	FeedField *key;
	FeedField *weight;
	FeedField *time;
	FeedField *id;
	FeedReason reason;

	*event = (FeedEvent) {.key = FEED_KEY_DEFAULT,
						  .key_length = strlen(FEED_KEY_DEFAULT),
						  .weight = 1,
						  .time = record_time};
	if (payload == NULL || length == 0)
		return feed_refuse(FEED_EMPTY_VALUE, detail, "the record has no value");
	entity = event_want(scan, &fields->entity);
	key = event_want(scan, &fields->key);
	weight = event_want(scan, &fields->weight);
	time = event_want(scan, &fields->time);
	id = event_want(scan, &fields->id);
	reason = feed_scan_run(scan, payload, length, detail);
	if (reason == FEED_ACCEPTED && scan->type != FEED_VALUE_OBJECT)
		reason = feed_refuse(FEED_NOT_AN_OBJECT, detail, "the value is %s; it must be an object",
							 event_type_name(scan->type));

	/* entity first, so that its reason wins */
	if (reason == FEED_ACCEPTED)
		reason =
			event_read_string(&event_entity, entity, &event->entity, &event->entity_length, detail);
	if (reason == FEED_ACCEPTED && key != NULL)
		reason = event_read_string(&event_key, key, &event->key, &event->key_length, detail);
	if (reason == FEED_ACCEPTED && weight != NULL)
		reason = event_read_weight(weight, &event->weight, detail);
	if (reason == FEED_ACCEPTED && time != NULL)
		reason = event_read_time(time, &event->time, detail);
	if (reason == FEED_ACCEPTED && event->time == FEED_NO_TIME)
		reason = feed_refuse(FEED_BAD_TIME, detail, "the record carries no time");
	if (reason == FEED_ACCEPTED && id != NULL)
		reason = event_read_id(id, event, detail);
	return reason;
}

void
feed_event_free(FeedEvent *event)
{
	feed_scan_free(&event->scan);
}
