/*
 * event.h
 *	  One event: from the bytes of a record to entity, key, weight, time and id.
 *
 * Must not know where the bytes came from (Kafka, Lambda) or where the counts
 * go.  An event is a JSON object in UTF-8; unknown fields are ignored, and of
 * duplicate names the last one counts.
 */
#ifndef FEED_EVENT_H
#define FEED_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "feed/fields.h"
#include "feed/reason.h"
#include "feed/scan.h"

/* The largest weight of one event: a window so can't be full before 72,000 events carry it. */
#define FEED_WEIGHT_MAX INT64_C(1000000000000)

/* Longest key of a summary, in bytes: DynamoDB's limit for a partition key. */
#define FEED_KEY_MAX_LENGTH 2048

/* Longest id of a record, in bytes: what an index of PostgreSQL takes with room to spare. */
#define FEED_ID_MAX_LENGTH 1000

/* The time of a record that has none. */
#define FEED_NO_TIME INT64_MIN

/* An event.  The strings point into the payload or belong to scan; they hold no NUL, and are not ended by one. */
typedef struct FeedEvent
{
	const char *entity;
	size_t		entity_length;
	const char *key;
	size_t		key_length;
	int64_t		weight;
	int64_t		time; /* milliseconds since the Unix epoch */
	const char *id;	  /* NULL: no field is mapped to it; an integer is as it was written */
	size_t		id_length;
	FeedScan	scan; /* private */
} FeedEvent;

/*
 * Read an event.  record_time is the time of the record that carries it
 * (milliseconds since the Unix epoch, or FEED_NO_TIME).  On FEED_ACCEPTED
 * the event is complete.  On any other reason detail tells a person what is
 * wrong, in ASCII except for names given in fields; event->time is then the
 * best known, perhaps FEED_NO_TIME.  In either case the caller releases the
 * event with feed_event_free.
 */
extern FeedReason feed_event_parse(const FeedFields *fields, const void *payload, size_t length,
								   int64_t record_time, FeedEvent *event,
								   char detail[FEED_DETAIL_SIZE]);
extern void		  feed_event_free(FeedEvent *event);

#endif /* FEED_EVENT_H */
