/*
 * kinesis_fuzz.c
 *	  Any bytes as what Lambda hands over: an event is refused, or each of its records is one
 *	  that can be counted or says what is wrong with it; and a batch that fails is given back whole.
 */
#include "fuzz.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "daemon/base64.h"
#include "kinesis.h"
#include "kpl.h"
#include "sequence.h"

/* Every byte can be read, and belongs to a name of at most max_length visible characters. */
static void
require_name(const KinesisText *name, size_t max_length)
{
	require(name->length >= 1 && name->length <= max_length);
	for (size_t i = 0; i < name->length; i++)
		require(isgraph((unsigned char) name->text[i]));
}

static void
look_into(const void *data, size_t length)
{
	KplAggregate *aggregate;
	size_t		  bytes = 0;

	if (kpl_open(data, length, &aggregate) != KPL_AGGREGATED)
		return;
	require(kpl_count(aggregate) > 0);
	for (size_t i = 0; i < kpl_count(aggregate); i++)
	{
		KplRecord record = kpl_record(aggregate, i);

		require(strlen(record.partition_key) <= length);
		bytes += record.length;
	}
	require(bytes <= length);
	kpl_close(aggregate);
}

static void
require_record(const KinesisRecord *record, const char *text, size_t size)
{
	unsigned char *data;
	size_t		   length;

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
		return;
	}
	data = base64_decode(record->data.text, record->data.length, &length);
	if (data != NULL)
		look_into(data, length);
	free(data);
}

/* The answer names all of them, or there is none because one has no number. */
static void
require_answer(const KinesisEvent *event)
{
	char *answer = answer_failure(event);
	bool  all_have_numbers = event->count > 0;

	for (int i = 0; i < event->count; i++)
		all_have_numbers = all_have_numbers && event->records[i].sequence.text != NULL;
	require((answer != NULL) == all_have_numbers);
	free(answer);
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
		for (int i = 0; i < event.count; i++)
			require_record(&event.records[i], text, size);
		require_answer(&event);
	}
	else
		require(event.problem[0] != '\0');
	kinesis_free(&event);
	free(text);
	return 0;
}
