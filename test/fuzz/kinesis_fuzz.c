/*
 * kinesis_fuzz.c
 *	  Any bytes as what Lambda hands over: an event is refused, or each of its records is counted or rejected,
 *	  though the event goes meanwhile; and a batch that fails is given back whole, before and after.
 */
#include "fuzz.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "daemon/base64.h"
#include "feed/ingest.h"
#include "intake.h"
#include "kinesis.h"
#include "kpl.h"
#include "sequence.h"

/* When the records of the corpus arrived. */
#define NOW INT64_C(1700000000500)

/* Every byte can be read, and belongs to a name of at most max_length visible characters. */
static void
require_name(const KinesisText *name, size_t max_length)
{
	require(name->length >= 1 && name->length <= max_length);
	for (size_t i = 0; i < name->length; i++)
		require(isgraph((unsigned char) name->text[i]));
}

/* How many events there are in it: more than one in an aggregate. */
static size_t
look_into(const void *data, size_t length)
{
	KplAggregate *aggregate;
	size_t		  bytes = 0;
	size_t		  count;

	if (kpl_open(data, length, &aggregate) != KPL_AGGREGATED)
		return 1;
	count = kpl_count(aggregate);
	require(count > 0);
	for (size_t i = 0; i < kpl_count(aggregate); i++)
	{
		KplRecord record = kpl_record(aggregate, i);

		require(strlen(record.partition_key) <= length);
		bytes += record.length;
	}
	require(bytes <= length);
	kpl_close(aggregate);
	return count;
}

/* How many events it holds. */
static size_t
require_record(const KinesisRecord *record, const char *text, size_t size)
{
	unsigned char *data;
	size_t		   length;
	size_t		   count = 1;

	require(record->whole.text >= text && record->whole.text + record->whole.length <= text + size);
	require(record->whole.length > 0);
	require((record->problem != NULL) == (record->reason != FEED_ACCEPTED));
	if (record->sequence.text != NULL)
		require(sequence_valid(record->sequence.text, record->sequence.length));
	if (record->problem == NULL)
	{
		require_name(&record->arn, KINESIS_ARN_MAX_LENGTH);
		require_name(&record->shard, KINESIS_SHARD_MAX_LENGTH);
		require(record->sequence.text != NULL && record->data.text != NULL);
	}
	if (record->data.text == NULL)
	{
		require(record->reason != FEED_ACCEPTED);
		return 1;
	}
	data = base64_decode(record->data.text, record->data.length, &length);
	if (data != NULL && record->problem == NULL)
		count = look_into(data, length);
	free(data);
	return count;
}

/* The answer names all of them, or there is none because one has no number. */
static char *
require_answer(const KinesisEvent *event)
{
	char *answer = answer_failure(event);
	bool  all_have_numbers = event->count > 0;

	for (int i = 0; i < event->count; i++)
		all_have_numbers = all_have_numbers && event->records[i].sequence.text != NULL;
	require((answer != NULL) == all_have_numbers);
	return answer;
}

/* As handler.c does it: all are taken, and nobody misses the text that is behind. */
static void
require_batch(KinesisEvent *event, char *text, size_t events)
{
	static const FeedSettings settings = {
		.counters = 1000, .window_seconds = 86400, .retention_seconds = 30 * 86400};
	FeedFields		fields = {0};
	FeedFullWindows full = {0};
	FeedIngest		ingest = {0};
	FeedBatch	   *batch;

	require(feed_pointer_parse("/entity_id", &fields.entity) == NULL);
	batch = feed_batch_create(&settings, &fields, &full, FEED_RECORDS);
	require(batch != NULL);
	for (int i = 0; i < event->count; i++)
	{
		require(intake_take(batch, &event->records[i], NOW));
		memset(text, 'x', (size_t) (kinesis_forget(event, i) - text));
	}
	require((size_t) feed_batch_records(batch) == events);
	require(feed_ingest_prepare(&ingest, "pipeline", "source", batch));
	feed_ingest_free(&ingest);
	feed_batch_free(batch);
	feed_fields_free(&fields);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* as http.c hands it over: with a NUL beyond the end */
	char		*text = malloc(size + 1);
	KinesisEvent event;

	require(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (kinesis_parse(text, size, &event))
	{
		size_t events = 0;
		char  *before;
		char  *after;

		for (int i = 0; i < event.count; i++)
			events += require_record(&event.records[i], text, size);
		before = require_answer(&event);
		require_batch(&event, text, events);
		after = require_answer(&event);
		require(before == NULL || strcmp(before, after) == 0);
		free(before);
		free(after);
	}
	else
		require(event.problem[0] != '\0');
	kinesis_free(&event);
	free(text);
	return 0;
}
