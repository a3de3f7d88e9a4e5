/*
 * intake.c
 *	  The records of an event into a batch: taken apart, identified, rejected where need be.
 *
 * Must not know invocations, nor a connection.
 */
#include "intake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base64.h"
#include "kpl.h"

/* Room for an id: ARN, shard, sequence number, and number within an aggregate. */
#define ID_SIZE 900

/* Where a record without a sequence number stands. */
#define NO_POSITION (-1)

/* The stream a consumer with a rate of its own reads is named before this. */
#define ARN_CONSUMER "/consumer/"

/* A stream's ARN, also where a consumer's stands. */
static KinesisText
stream_arn(const KinesisRecord *record)
{
	KinesisText arn = record->arn;
	const char *consumer =
		arn.text != NULL ? memmem(arn.text, arn.length, ARN_CONSUMER, strlen(ARN_CONSUMER)) : NULL;

	if (consumer != NULL)
		arn.length = (size_t) (consumer - arn.text);
	return arn;
}

/* The number of a record's shard in the batch; -1 without memory. */
static int
shard_number(FeedBatch *batch, const KinesisRecord *record)
{
	const FeedShard *shards = feed_batch_shards(batch);
	char			 name[KINESIS_SHARD_MAX_LENGTH + 1];

	snprintf(name, sizeof(name), "%.*s", (int) record->shard.length,
			 record->shard.text != NULL ? record->shard.text : "");
	for (int i = feed_batch_shard_count(batch) - 1; i >= 0; i--)
	{
		if (strcmp(shards[i].name, name) == 0)
			return i;
	}
	return feed_batch_shard(batch, name, FEED_POSITION_NOT_KEPT);
}

/* What of a record is the same for all that is in it. */
typedef struct RecordFrame
{
	FeedRecord record;
	char	   sequence[FEED_POSITION_SIZE];
	char	   id[ID_SIZE];
	size_t	   id_length; /* of the part that all of them share */
} RecordFrame;

static void
frame_identify(RecordFrame *frame, const KinesisRecord *record)
{
	KinesisText arn = stream_arn(record);

	if (record->sequence.text == NULL)
		return;
	snprintf(frame->sequence, sizeof(frame->sequence), "%.*s", (int) record->sequence.length,
			 record->sequence.text);
	frame->record.sequence = frame->sequence;
	if (arn.text == NULL || record->shard.text == NULL)
		return;
	frame->id_length =
		(size_t) snprintf(frame->id, sizeof(frame->id), "%.*s/%.*s/%s", (int) arn.length, arn.text,
						  (int) record->shard.length, record->shard.text, frame->sequence);
	frame->record.id = frame->id;
	frame->record.id_length = frame->id_length;
}

/* The id of one of several records. */
static void
frame_number(RecordFrame *frame, size_t number)
{
	int suffix = snprintf(frame->id + frame->id_length, sizeof(frame->id) - frame->id_length,
						  "/%zu", number);

	frame->record.id_length = frame->id_length + (size_t) suffix;
}

/* The records within an aggregate, each by itself. */
static bool
take_aggregate(FeedBatch *batch, RecordFrame *frame, const KplAggregate *aggregate, int64_t now)
{
	for (size_t i = 0; i < kpl_count(aggregate); i++)
	{
		KplRecord inner = kpl_record(aggregate, i);

		frame_number(frame, i);
		frame->record.key = inner.partition_key;
		frame->record.key_length = strlen(inner.partition_key);
		frame->record.payload = inner.data;
		frame->record.payload_length = inner.length;
		if (!feed_batch_take(batch, &frame->record, now))
			return false;
	}
	return true;
}

static bool
take_data(FeedBatch *batch, RecordFrame *frame, const void *data, size_t length, int64_t now)
{
	KplAggregate *aggregate;
	bool		  taken = false;

	switch (kpl_open(data, length, &aggregate))
	{
		case KPL_AGGREGATED:
			taken = take_aggregate(batch, frame, aggregate, now);
			kpl_close(aggregate);
			break;
		case KPL_PLAIN:
			frame->record.payload = data;
			frame->record.payload_length = length;
			taken = feed_batch_take(batch, &frame->record, now);
			break;
		case KPL_OUT_OF_MEMORY:
			break;
	}
	return taken;
}

/* A record whose data can't be looked at: kept as far as it can be read. */
static bool
refuse(FeedBatch *batch, RecordFrame *frame, const KinesisText *payload, FeedReason reason,
	   const char *detail)
{
	frame->record.payload = payload->text;
	frame->record.payload_length = payload->length;
	return feed_batch_refuse(batch, &frame->record, reason, detail);
}

bool
intake_take(FeedBatch *batch, const KinesisRecord *record, int64_t now)
{
	RecordFrame	   frame = {.record = {.shard = shard_number(batch, record),
									   .position = NO_POSITION,
									   .time = record->arrival,
									   .key = record->partition_key.text,
									   .key_length = record->partition_key.length}};
	unsigned char *data;
	size_t		   length;
	bool		   taken;

	if (frame.record.shard < 0)
		return false;
	frame_identify(&frame, record);
	if (record->reason == FEED_BAD_RECORD)
		return refuse(batch, &frame, &record->whole, record->reason, record->problem);

	errno = 0;
	data = base64_decode(record->data.text, record->data.length, &length);
	if (data == NULL)
		return errno != ENOMEM && refuse(batch, &frame, &record->data, FEED_INVALID_BASE64,
										 "the record's data is not base64");
	if (record->problem != NULL)
		taken = refuse(batch, &frame, &(KinesisText) {(const char *) data, length}, record->reason,
					   record->problem);
	else
		taken = take_data(batch, &frame, data, length, now);
	free(data);
	return taken;
}

void
intake_source(const KinesisEvent *event, char source[INTAKE_SOURCE_SIZE])
{
	KinesisText arn = event->count > 0 ? stream_arn(&event->records[0]) : (KinesisText) {0};
	const char *name = arn.text != NULL ? memrchr(arn.text, '/', arn.length) : NULL;

	if (name != NULL)
		snprintf(source, INTAKE_SOURCE_SIZE, "%.*s", (int) (arn.text + arn.length - name - 1),
				 name + 1);
	else
		snprintf(source, INTAKE_SOURCE_SIZE, "kinesis");
}
