/*
 * reason.h
 *	  Why an event can't be counted: a code for queries, a detail for people.
 *
 * Must not know how an event is read.
 */
#ifndef FEED_REASON_H
#define FEED_REASON_H

/* Room for the explanation of a rejected event, and its ending NUL. */
#define FEED_DETAIL_SIZE 320

/* Codes are stable: people query them. */
typedef enum FeedReason
{
	FEED_ACCEPTED,
	FEED_EMPTY_VALUE, /* no bytes at all: an empty value or a tombstone */
	FEED_BAD_RECORD,  /* what its source wraps it in is not as it should be */
	FEED_INVALID_BASE64,
	FEED_INVALID_JSON,
	FEED_INVALID_UTF8,
	FEED_NUL_CHARACTER, /* PostgreSQL's text has no NUL */
	FEED_NOT_AN_OBJECT,
	FEED_MISSING_ENTITY,
	FEED_EMPTY_ENTITY,
	FEED_MISSING_KEY,
	FEED_EMPTY_KEY,
	FEED_WRONG_TYPE, /* entity or key is there, but no string */
	FEED_TOO_LONG,	 /* entity or key */
	FEED_BAD_WEIGHT,
	FEED_BAD_TIME, /* no event time, or none that can be read */
	FEED_BAD_ID,   /* missing, empty, too long, or neither a string nor an integer */
	FEED_OUTSIDE_RETENTION,
	FEED_TOO_FAR_IN_FUTURE,
	FEED_WINDOW_FULL,  /* the total would come near what 64 bits hold */
	FEED_OUT_OF_MEMORY /* no verdict on the event: try again later */
} FeedReason;

/* The code of a reason ("invalid_json"); static storage. */
extern const char *feed_reason_code(FeedReason reason);

/* Write the detail and hand the reason through. */
extern FeedReason feed_refuse(FeedReason reason, char detail[FEED_DETAIL_SIZE], const char *format,
							  ...) __attribute__((format(printf, 3, 4)));

#endif /* FEED_REASON_H */
