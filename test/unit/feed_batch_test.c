/*
 * feed_batch_test.c
 *	  A batch: windows by key and day, rejected records, positions, reuse, and
 *	  its form as parameters.
 */
#include "feed/batch.h"

#include <stdlib.h>
#include <string.h>

#include "feed/ingest.h"
#include "tap.h"

#define DAY INT64_C(86400000)
#define NOW (20000 * DAY + DAY / 2) /* noon of day 20000 */

static const FeedSettings settings = {.k = 32,
									  .counters = 1000,
									  .window_seconds = 86400,
									  .retention_seconds = 30 * 86400,
									  .max_ahead_seconds = 3600,
									  .summary_type = 0x01020304};
static FeedFields		  fields;  /* entity and key */
static FeedFields		  with_id; /* and id */
static FeedFullWindows	  full;

static bool
take(FeedBatch *batch, int shard, int64_t position, int64_t time, const char *payload)
{
	FeedRecord record = {.shard = shard,
						 .position = position,
						 .time = time,
						 .payload = payload,
						 .payload_length = payload != NULL ? strlen(payload) : 0,
						 .key = "mk",
						 .key_length = 2};

	return feed_batch_take(batch, &record, NOW);
}

static const FeedWindow *
window(const FeedBatch *batch, const char *key, int64_t bucket)
{
	for (const FeedWindow *w = feed_batch_windows(batch); w != NULL; w = w->next)
	{
		if (w->bucket == bucket && strcmp(w->key, key) == 0)
			return w;
	}
	return NULL;
}

static bool
counts(const FeedBatch *batch, const char *key, int64_t bucket, int64_t records, int items)
{
	const FeedWindow *w = window(batch, key, bucket);

	return w != NULL && w->records == records && mg_total(w->summary) == records &&
		   mg_size(w->summary) == items && mg_k(w->summary) == 1000;
}

static bool
rejected_is(const FeedBatch *batch, int i, const char *position, FeedReason reason,
			const char *detail)
{
	const FeedRejected *r = &feed_batch_rejected(batch)[i];

	return strcmp(r->position, position) == 0 && r->reason == reason &&
		   strstr(r->detail, detail) != NULL;
}

static void
test_windows(FeedBatch *batch)
{
	int a = feed_batch_shard(batch, "0", FEED_NO_POSITION);
	int b = feed_batch_shard(batch, "1", 70);

	for (int i = 0; i < 100; i++)
		take(batch, a, i, NOW, i % 2 ? "{\"e\":\"x\",\"t\":\"k1\"}" : "{\"e\":\"y\",\"t\":\"k2\"}");
	take(batch, b, 75, NOW - DAY, "{\"e\":\"x\",\"t\":\"k1\"}");
	take(batch, b, 79, NOW - DAY / 2 - 1, "{\"e\":\"z\",\"t\":\"k1\"}");

	ok(counts(batch, "k1", 20000, 50, 1) && counts(batch, "k2", 20000, 50, 1),
	   "each key has its window");
	ok(counts(batch, "k1", 19999, 2, 2) && window(batch, "k2", 19999) == NULL,
	   "each day has its window; the last millisecond of a day belongs to it");
	ok(feed_batch_records(batch) == 102 && feed_batch_rejected_count(batch) == 0, "102 records");
	ok(feed_batch_shard_count(batch) == 2 && feed_batch_shards(batch)[a].from == FEED_NO_POSITION &&
		   feed_batch_shards(batch)[a].to == 100 && feed_batch_shards(batch)[b].from == 70 &&
		   feed_batch_shards(batch)[b].to == 80,
	   "positions move past the last record of each shard, over gaps");
	feed_batch_advance(batch, b, 90);
	ok(feed_batch_records(batch) == 102 && feed_batch_shards(batch)[b].to == 90,
	   "and without a record");
}

static void
test_retention(FeedBatch *batch)
{
	int			shard = feed_batch_shard(batch, "0", 0);
	const char *event = "{\"e\":\"x\",\"t\":\"k\"}";
	int64_t		times[] = {NOW - 30 * DAY, NOW - 30 * DAY - 1, NOW + 3600000,
						   NOW + 3600001,  INT64_MAX,		   -1};

	for (int i = 0; i < 6; i++)
		take(batch, shard, i, times[i], event);
	ok(feed_batch_records(batch) == 6 && feed_batch_rejected_count(batch) == 4 &&
		   counts(batch, "k", 19970, 1, 1) && counts(batch, "k", 20000, 1, 1),
	   "the edges of what the pipeline keeps are inside");
	ok(rejected_is(batch, 0, "1", FEED_OUTSIDE_RETENTION, "older than the retention of 30 days"),
	   "older: %s", feed_batch_rejected(batch)[0].detail);
	ok(rejected_is(batch, 1, "3", FEED_TOO_FAR_IN_FUTURE, "more than the allowed 3600 s ahead"),
	   "ahead: %s", feed_batch_rejected(batch)[1].detail);
	ok(rejected_is(batch, 2, "4", FEED_TOO_FAR_IN_FUTURE, "9223372036854775807 ms") &&
		   rejected_is(batch, 3, "5", FEED_OUTSIDE_RETENTION, "1969-12-31T23:59:59Z"),
	   "times beyond all calendars");
}

static void
test_rejected(FeedBatch *batch)
{
	int					shard = feed_batch_shard(batch, "shardId-0", FEED_NO_POSITION);
	FeedRecord			record = {.shard = shard,
								  .position = 6,
								  .time = NOW,
								  .payload = "\0bad",
								  .payload_length = 4,
								  .sequence = "49590338271490256608559692538361571095921575989136588898"};
	const FeedRejected *r;

	take(batch, shard, 5, NOW, NULL);
	feed_batch_take(batch, &record, NOW);
	r = feed_batch_rejected(batch);
	ok(feed_batch_rejected_count(batch) == 2 && feed_batch_windows(batch) == NULL, "two rejected");
	ok(r[0].payload == NULL && r[0].key_length == 2 && memcmp(r[0].key, "mk", 2) == 0 &&
		   r[0].reason == FEED_EMPTY_VALUE && r[0].time == NOW,
	   "a tombstone keeps its key");
	ok(r[1].key == NULL && r[1].payload_length == 4 && memcmp(r[1].payload, "\0bad", 4) == 0,
	   "the payload is kept, whole");
	ok(strcmp(r[1].position, record.sequence) == 0, "a position of 185 bits is kept");
	ok(feed_batch_bytes(batch) > 4, "rejected records weigh something");
}

/* The number of elements of a parameter. */
static int
elements(const FeedIngest *ingest, int parameter)
{
	const unsigned char *p = (const unsigned char *) ingest->values[parameter];

	return p[3] == 0 ? 0 : p[12] << 24 | p[13] << 16 | p[14] << 8 | p[15];
}

static void
test_ingest(FeedBatch *batch)
{
	FeedIngest ingest = {0};
	int		   a = feed_batch_shard(batch, "0", FEED_NO_POSITION);
	int		   b = feed_batch_shard(batch, "1", 7);
	int		   expected[] = {2, 2, 2, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 2, 2};
	FeedShard  last;
	bool	   all = true;

	take(batch, a, 0, NOW, "{\"e\":\"x\",\"t\":\"k1\"}");
	take(batch, a, 1, NOW, "{\"e\":\"x\",\"t\":\"k2\"}");
	take(batch, b, 7, NOW - DAY, "{\"e\":\"x\",\"t\":\"k2\"}");
	take(batch, b, 8, NOW, "{\"e\":5}");
	ok(feed_ingest_prepare(&ingest, "p", "topic", batch), "a batch becomes parameters");
	ok(strcmp(ingest.values[0], "p") == 0 && ingest.formats[0] == 0 &&
		   strcmp(ingest.values[1], "topic") == 0 && ingest.lengths[1] == 5,
	   "pipeline and source are text");
	ok(ingest.count == FEED_INGEST_PARAMETERS, "as many as the function has");
	for (int i = 2; i < ingest.count; i++)
	{
		if (elements(&ingest, i) != expected[i - 2] || ingest.formats[i] != 1)
			all = false;
	}
	ok(all, "2 shards, 3 windows, 1 rejected record");
	ok(memcmp(ingest.values[8] + 8, "\1\2\3\4", 4) == 0,
	   "summaries have the type that the server named");
	ok(ingest.values[3][7] == 1 && ingest.values[4][7] == 0, "no stored position is a NULL");
	last = feed_batch_shards(batch)[b];
	ok(last.last == 8 && last.last_time == NOW && ingest.values[19][7] == 0 &&
		   ingest.values[20][7] == 0,
	   "the last record of a shard goes along, with its time, even if it was rejected");

	feed_batch_reset(batch);
	ok(feed_ingest_prepare(&ingest, "p", "topic", batch) && elements(&ingest, 2) == 0 &&
		   ingest.lengths[2] == 12,
	   "an empty batch is empty arrays");
	feed_batch_advance(batch, feed_batch_shard(batch, "0", 5), 9);
	ok(feed_ingest_prepare(&ingest, "p", "topic", batch) && ingest.values[4][7] == 0 &&
		   ingest.values[19][7] == 1 && ingest.values[20][7] == 1,
	   "where there was no record, there is no last one");
	feed_ingest_free(&ingest);
}

/* All of the entities, though the published k is far smaller. */
static void
test_nothing_is_cut(FeedBatch *batch)
{
	int		   shard = feed_batch_shard(batch, "0", 0);
	char	   text[64];
	FeedIngest ingest = {0};
	MgReader   reader;

	for (int i = 0; i < 5000; i++)
	{
		snprintf(text, sizeof(text), "{\"e\":\"e%d\",\"t\":\"k\"}", i);
		take(batch, shard, i, NOW, text);
	}
	feed_ingest_prepare(&ingest, "p", "s", batch);
	ok(mg_reader_open(&reader, ingest.values[8] + 24, (size_t) ingest.lengths[8] - 24) == MG_OK &&
		   reader.size == 5000 && reader.error == 0 && reader.total == 5000 && reader.k == 1000,
	   "5000 entities reach the server, though the summary keeps 1000");
	feed_ingest_free(&ingest);
}

/* The next record is listed as this; NULL id: none. */
static bool
listed(const FeedCounted **counted, const char *key, const char *item, const char *id)
{
	const FeedCounted *c = *counted;

	if (c == NULL)
		return false;
	*counted = c->next;
	return strcmp(c->window->key, key) == 0 && c->window->bucket == 20000 && c->weight == 1 &&
		   c->id_time == NOW && c->item_length == strlen(item) &&
		   memcmp(c->item, item, c->item_length) == 0 && (c->id == NULL) == (id == NULL) &&
		   (id == NULL || (c->id_length == strlen(id) && memcmp(c->id, id, c->id_length) == 0));
}

static void
take_with_id(FeedBatch *batch, int shard, const char *payload, const char *id, size_t id_length)
{
	FeedRecord record = {.shard = shard,
						 .sequence = "77",
						 .time = NOW,
						 .payload = payload,
						 .payload_length = strlen(payload),
						 .id = id,
						 .id_length = id_length};

	feed_batch_take(batch, &record, NOW);
}

static void
test_records(FeedBatch *batch)
{
	int				   shard = feed_batch_shard(batch, "s", FEED_POSITION_NOT_KEPT);
	const FeedCounted *counted;
	size_t			   bytes;
	char			   longest[FEED_ID_MAX_LENGTH + 1];

	memset(longest, 'i', sizeof(longest));
	take_with_id(batch, shard, "{\"e\":\"x\",\"t\":\"k1\"}", "a/1", 3);
	bytes = feed_batch_bytes(batch);
	take_with_id(batch, shard, "{\"e\":\"y\",\"t\":\"k2\"}", NULL, 0);
	take_with_id(batch, shard, "{\"e\":\"x\",\"t\":\"k1\"}", "a/1", 3);
	take_with_id(batch, shard, "{}", "a/2", 3);
	take_with_id(batch, shard, "{\"e\":\"x\",\"t\":\"k1\"}", longest, sizeof(longest));

	counted = feed_batch_counted(batch);
	ok(listed(&counted, "k1", "x", "a/1") && listed(&counted, "k2", "y", NULL) &&
		   listed(&counted, "k1", "x", "a/1") && counted == NULL,
	   "records are listed in their order, with their ids");
	ok(window(batch, "k1", 20000)->records == 2 && window(batch, "k1", 20000)->summary == NULL,
	   "windows have no summaries");
	ok(feed_batch_records(batch) == 5 && feed_batch_bytes(batch) > bytes && bytes > 0,
	   "records are counted, and weigh something");
	ok(feed_batch_rejected_count(batch) == 2 &&
		   rejected_is(batch, 0, "77", FEED_MISSING_ENTITY, "e is missing") &&
		   memcmp(feed_batch_rejected(batch)[0].id, "a/2", 3) == 0 &&
		   feed_batch_rejected(batch)[0].id_length == 3 &&
		   feed_batch_rejected(batch)[0].id_time == NOW,
	   "a rejected record has an id, too");
	ok(rejected_is(batch, 1, "77", FEED_BAD_ID, "1001 bytes long; 1 to 1000 are allowed") &&
		   feed_batch_rejected(batch)[1].id == NULL,
	   "but not one that can not be stored");
}

/* What its source says of a record goes before what is in it. */
static void
test_refused(FeedBatch *batch)
{
	FeedRecord record = {.shard = feed_batch_shard(batch, "s", FEED_POSITION_NOT_KEPT),
						 .time = NOW,
						 .payload = "{\"e\":\"x\",\"t\":\"k\"}",
						 .payload_length = 17,
						 .id = "a/1",
						 .id_length = 3};
	char	   sequence[FEED_POSITION_SIZE];

	memset(sequence, '7', sizeof(sequence) - 1);
	sequence[sizeof(sequence) - 1] = '\0';
	record.sequence = sequence;
	ok(feed_batch_refuse(batch, &record, FEED_INVALID_BASE64, "data is no base64") &&
		   feed_batch_records(batch) == 1 && feed_batch_counted(batch) == NULL &&
		   rejected_is(batch, 0, sequence, FEED_INVALID_BASE64, "data is no base64") &&
		   feed_batch_rejected(batch)[0].payload_length == 17 &&
		   memcmp(feed_batch_rejected(batch)[0].id, "a/1", 3) == 0,
	   "a record can be refused unread");
}

static void
test_ingest_records(FeedBatch *batch)
{
	FeedIngest ingest = {0};
	int		   kept = feed_batch_shard(batch, "0", 7);
	int		   not_kept = feed_batch_shard(batch, "s", FEED_POSITION_NOT_KEPT);
	int		   expected[] = {1, 1, 1, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1};
	bool	   all = true;

	take(batch, kept, 7, NOW, "{\"e\":\"x\",\"t\":\"k1\"}");
	take(batch, kept, 8, NOW, "{\"e\":5}");
	take_with_id(batch, not_kept, "{\"e\":\"x\",\"t\":\"k2\"}", "id", 2);
	take_with_id(batch, not_kept, "{\"e\":\"x\",\"t\":\"k2\"}", "id", 2);
	take_with_id(batch, not_kept, "{", "id-2", 4);
	feed_batch_keep_header(batch, "h1", 2, "v", 1);
	feed_batch_keep_header(batch, "h2", 2, NULL, 0);
	ok(feed_ingest_prepare(&ingest, "p", "topic", batch) &&
		   ingest.count == FEED_INGEST_RECORDS_PARAMETERS,
	   "a batch of records becomes parameters");
	for (int i = 2; i < ingest.count; i++)
	{
		if (elements(&ingest, i) != expected[i - 2] || ingest.formats[i] != 1)
			all = false;
	}
	ok(all, "1 shard whose position is kept, 3 records, 2 rejected");
	ok(ingest.values[5][7] == 1 && ingest.values[18][7] == 1, "no id is a NULL");
	ok(memcmp(ingest.values[5] + 20, "\xff\xff\xff\xff\0\0\0\2id", 10) == 0 &&
		   memcmp(ingest.values[9] + 20, "\0\0\0\1x", 5) == 0,
	   "ids and items are text");
	ok(memcmp(ingest.values[20] + 20, "\0\0\0\10\0\0\0\0\0\0\0\2", 12) == 0 &&
		   memcmp(ingest.values[21] + 20, "\0\0\0\2h1\0\0\0\2h2", 12) == 0 &&
		   memcmp(ingest.values[22] + 20, "\0\0\0\1v\xff\xff\xff\xff", 9) == 0,
	   "headers belong to the second rejected record");
	feed_ingest_free(&ingest);
}

/* The id in the event goes before what the source calls the record, but not where the event is rejected. */
static void
test_event_ids(void)
{
	FeedBatch		  *batch = feed_batch_create(&settings, &with_id, &full, FEED_RECORDS);
	int				   shard = feed_batch_shard(batch, "s", FEED_POSITION_NOT_KEPT);
	const FeedCounted *counted;

	take_with_id(batch, shard, "{\"e\":\"x\",\"t\":\"k\",\"i\":42}", "s/1", 3);
	take_with_id(batch, shard, "{\"e\":\"x\",\"t\":\"k\",\"i\":\"m\"}", NULL, 0);
	take_with_id(batch, shard, "{\"e\":\"x\",\"t\":\"k\"}", "s/2", 3);
	counted = feed_batch_counted(batch);
	ok(listed(&counted, "k", "x", "42") && listed(&counted, "k", "x", "m") && counted == NULL,
	   "events have their own ids");
	ok(feed_batch_rejected_count(batch) == 1 &&
		   rejected_is(batch, 0, "77", FEED_BAD_ID, "i is missing") &&
		   memcmp(feed_batch_rejected(batch)[0].id, "s/2", 3) == 0,
	   "a rejected one has that of its source");
	feed_batch_free(batch);
}

static void
test_full_windows(FeedBatch *batch)
{
	int shard = feed_batch_shard(batch, "0", 0);

	ok(feed_full_windows_add(&full, "k", 1, 20000) && feed_full_windows_add(&full, "k", 1, 20000) &&
		   feed_full_windows_have(&full, "k", 1, 20000) &&
		   !feed_full_windows_have(&full, "k", 1, 19999) &&
		   !feed_full_windows_have(&full, "kk", 2, 20000),
	   "a full window is known by key and bucket");
	take(batch, shard, 0, NOW, "{\"e\":\"x\",\"t\":\"k\"}");
	take(batch, shard, 1, NOW, "{\"e\":\"x\",\"t\":\"l\"}");
	take(batch, shard, 2, NOW - DAY, "{\"e\":\"x\",\"t\":\"k\"}");
	take(batch, shard, 3, NOW, "{\"e\":\"x\",\"t\":\"k\"}");
	ok(counts(batch, "l", 20000, 1, 1) && counts(batch, "k", 19999, 1, 1) &&
		   window(batch, "k", 20000) == NULL && feed_batch_weight(batch) == 2,
	   "other windows take what belongs to them");
	ok(feed_batch_rejected_count(batch) == 2 &&
		   rejected_is(batch, 1, "3", FEED_WINDOW_FULL,
					   "begins at 2024-10-04T00:00:00Z has no room"),
	   "full: %s", feed_batch_rejected(batch)[1].detail);
	feed_full_windows_free(&full);
	ok(!feed_full_windows_have(&full, "k", 1, 20000), "all are forgotten");
}

static void
run(FeedForm form, void (*const *tests)(FeedBatch *), size_t count)
{
	FeedBatch *batch = feed_batch_create(&settings, &fields, &full, form);

	for (size_t i = 0; i < count; i++)
	{
		tests[i](batch);
		feed_batch_reset(batch);
		ok(feed_batch_records(batch) == 0 && feed_batch_bytes(batch) == 0 &&
			   feed_batch_windows(batch) == NULL && feed_batch_counted(batch) == NULL &&
			   feed_batch_shard_count(batch) == 0 && feed_batch_rejected_count(batch) == 0 &&
			   feed_batch_header_count(batch) == 0,
		   "reset empties a batch");
	}
	feed_batch_free(batch);
}

int
main(void)
{
	static void (*const tests[])(FeedBatch *) = {test_windows,		  test_retention,
												 test_rejected,		  test_ingest,
												 test_nothing_is_cut, test_full_windows};
	static void (*const tests_of_records[])(FeedBatch *) = {test_records, test_refused,
															test_rejected, test_ingest_records};

	feed_pointer_parse("/e", &fields.entity);
	feed_pointer_parse("/t", &fields.key);
	with_id = fields;
	feed_pointer_parse("/i", &with_id.id);
	run(FEED_SUMMARIES, tests, sizeof(tests) / sizeof(tests[0]));
	run(FEED_RECORDS, tests_of_records, sizeof(tests_of_records) / sizeof(tests_of_records[0]));
	test_event_ids();
	feed_pointer_free(&fields.entity);
	feed_pointer_free(&fields.key);
	feed_pointer_free(&with_id.id);
	return done_testing();
}
