/*
 * event_fuzz.c
 *	  Any bytes as an event, read with a field for the entity alone and with
 *	  fields for everything, and put into batches: counted or rejected, never lost.
 */
#include "fuzz.h"

#include <string.h>

#include "feed/batch.h"
#include "feed/event.h"
#include "feed/ingest.h"
#include "mg/mg.h"

#define RECORD_TIME INT64_C(1700000000000)

static FeedFields standard, mapped, identified;

static void
set_fields(void)
{
	if (standard.entity.text != NULL)
		return;
	require(feed_pointer_parse("/entity_id", &standard.entity) == NULL);
	require(feed_pointer_parse("/properties/product_id", &mapped.entity) == NULL);
	require(feed_pointer_parse("/tenant", &mapped.key) == NULL);
	require(feed_pointer_parse("/properties/n/0", &mapped.weight) == NULL);
	require(feed_pointer_parse("/timestamp", &mapped.time) == NULL);
	identified.entity = mapped.entity;
	require(feed_pointer_parse("/messageId", &identified.id) == NULL);
}

static void
require_string(const char *string, size_t length, size_t max_length)
{
	require(length > 0 && length <= max_length && memchr(string, '\0', length) == NULL);
}

static void
parse(const FeedFields *fields, const uint8_t *data, size_t size, int64_t record_time)
{
	char	   detail[FEED_DETAIL_SIZE] = "";
	FeedEvent  event;
	FeedReason reason = feed_event_parse(fields, data, size, record_time, &event, detail);

	require(feed_reason_code(reason) != NULL);
	if (reason == FEED_ACCEPTED)
	{
		require_string(event.entity, event.entity_length, MG_ITEM_MAX_LENGTH);
		require_string(event.key, event.key_length, FEED_KEY_MAX_LENGTH);
		require(event.weight >= 0 && event.weight <= FEED_WEIGHT_MAX);
		require((event.id != NULL) == (fields->id.text != NULL));
		if (event.id != NULL)
			require_string(event.id, event.id_length, FEED_ID_MAX_LENGTH);
	}
	else
	{
		require(memchr(detail, '\0', sizeof(detail)) != NULL && detail[0] != '\0');
		for (const char *c = detail; *c != '\0'; c++)
			require(*c >= ' ' && *c <= '~');
	}
	feed_event_free(&event);
}

/* The parameters of the transaction that takes this one record. */
static void
take(const FeedFields *fields, FeedForm form, const uint8_t *data, size_t size)
{
	static const FeedSettings settings = {.k = 2,
										  .counters = 10,
										  .window_seconds = 86400,
										  .retention_seconds = 30 * 86400,
										  .max_ahead_seconds = 3600,
										  .summary_type = 1};
	FeedRecord				  record = {
					   .position = 5, .time = RECORD_TIME, .payload = data, .payload_length = size};
	const FeedFullWindows none = {0};
	FeedBatch			 *batch = feed_batch_create(&settings, fields, &none, form);
	FeedIngest			  ingest = {0};
	int64_t				  counted = 0;
	int64_t				  listed = 0;

	require(batch != NULL);
	record.shard = feed_batch_shard(batch, "0", 5);
	require(feed_batch_take(batch, &record, RECORD_TIME));
	for (const FeedWindow *window = feed_batch_windows(batch); window != NULL;
		 window = window->next)
		counted += window->records;
	for (const FeedCounted *record_of = feed_batch_counted(batch); record_of != NULL;
		 record_of = record_of->next)
		listed++;
	require(listed == (form == FEED_RECORDS ? counted : 0));
	require(counted + feed_batch_rejected_count(batch) == 1);
	require(feed_batch_records(batch) == 1 && feed_batch_shards(batch)->to == 6);
	require(feed_ingest_prepare(&ingest, "pipeline", "source", batch));
	feed_ingest_free(&ingest);
	feed_batch_free(batch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	set_fields();
	parse(&standard, data, size, RECORD_TIME);
	parse(&standard, data, size, FEED_NO_TIME);
	parse(&mapped, data, size, RECORD_TIME);
	parse(&identified, data, size, RECORD_TIME);
	take(&mapped, FEED_SUMMARIES, data, size);
	take(&mapped, FEED_RECORDS, data, size);
	take(&identified, FEED_RECORDS, data, size);
	return 0;
}
