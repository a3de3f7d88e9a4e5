/*
 * kinesis.h
 *	  The event that Lambda's event source mapping makes of a Kinesis batch,
 *	  taken apart into its records.
 *
 * Must not know what the records hold, nor what becomes of them.  One record
 * that is not as it should be says so, and leaves its neighbours alone.
 */
#ifndef LAMBDA_KINESIS_H
#define LAMBDA_KINESIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "feed/event.h"
#include "feed/scan.h"

/* Longest ARN of a stream, and longest name of a shard: room for what AWS has, several times. */
#define KINESIS_ARN_MAX_LENGTH 512
#define KINESIS_SHARD_MAX_LENGTH 127

/* Room for what is wrong with an event, and its ending NUL. */
#define KINESIS_PROBLEM_SIZE 256

/* A part of the event's text, or of what it says; not ended by a NUL.  text NULL: none. */
typedef struct KinesisText
{
	const char *text;
	size_t		length;
} KinesisText;

typedef struct KinesisRecord
{
	KinesisText arn;		   /* of the stream */
	KinesisText shard;		   /* "shardId-000000000006" */
	KinesisText sequence;	   /* a valid sequence number, or none */
	KinesisText partition_key; /* none if there is none */
	KinesisText data;		   /* base64; none: see problem */
	KinesisText whole;		   /* the record as it stands in the event */
	int64_t		arrival;	   /* Unix milliseconds, or FEED_NO_TIME */
	const char *problem;	   /* what is wrong with it, or NULL.  Static storage. */
	FeedReason	reason;		   /* FEED_BAD_RECORD or FEED_BAD_ID, with a problem */
} KinesisRecord;

typedef struct KinesisEvent
{
	KinesisRecord *records;
	int			   count;
	char		   problem[KINESIS_PROBLEM_SIZE]; /* why kinesis_parse answered false */

	/* private */
	int	   room;
	char **copies; /* of texts that had escapes */
	int	   copy_count;
	int	   copy_room;
	char  *numbers;		 /* room for those that kinesis_forget keeps */
	size_t numbers_size; /* used of it */
} KinesisEvent;

/*
 * Read an event, which has to outlive the result.  False when it is no event of Kinesis at all:
 * no JSON, no array Records, or out of memory; problem says which, in ASCII and without the
 * event's content.  Release it with kinesis_free in either case.
 */
extern bool kinesis_parse(const char *text, size_t length, KinesisEvent *event);

/*
 * Forget everything of a record but its number and its arrival.  Once the records are forgotten one after the other,
 * from the first, nobody reads the event's text before what is returned: it may go.
 */
extern const char *kinesis_forget(KinesisEvent *event, int index);

extern void kinesis_free(KinesisEvent *event);

#endif /* LAMBDA_KINESIS_H */
