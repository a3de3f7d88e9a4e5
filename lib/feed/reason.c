/*
 * reason.c
 *	  Why an event can't be counted: a code for queries, a detail for people.
 *
 * Must not know how an event is read.
 */
#include "feed/reason.h"

#include <stdarg.h>
#include <stdio.h>

/* An array rather than a switch, so that a new reason without a code is caught by its test. */
static const char *const reason_codes[] = {
	[FEED_ACCEPTED] = "accepted",
	[FEED_EMPTY_VALUE] = "empty_value",
	[FEED_BAD_RECORD] = "bad_record",
	[FEED_INVALID_BASE64] = "invalid_base64",
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
	[FEED_BAD_ID] = "bad_id",
	[FEED_OUTSIDE_RETENTION] = "outside_retention",
	[FEED_TOO_FAR_IN_FUTURE] = "too_far_in_future",
	[FEED_WINDOW_FULL] = "window_full",
	[FEED_OUT_OF_MEMORY] = "out_of_memory",
};

const char *
feed_reason_code(FeedReason reason)
{
	return reason_codes[reason];
}

FeedReason
feed_refuse(FeedReason reason, char detail[FEED_DETAIL_SIZE], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(detail, FEED_DETAIL_SIZE, format, arguments);
	va_end(arguments);
	return reason;
}
