/*
 * store.c
 *	  What the feeder asks of PostgreSQL: the functions of topk_pipeline.
 *
 * Must not know Kafka.
 */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../pipeline.h"
#include "daemon/version.h"

/* Error of topk_pipeline.ingest and ingest_records: a position is not the expected one. */
#define STORE_SQLSTATE_MOVED "TK001"

static const PgStatement statement_positions = {
	"positions",
	"SELECT shard, \"position\", last_position, (extract(epoch FROM last_time) * 1000)::bigint "
	"FROM topk_pipeline.positions($1::text, $2::text, $3::text[])"};
static const PgStatement statement_reset_position = {
	"reset_position", "SELECT topk_pipeline.reset_position($1::text, $2::text, $3::text)"};
/* In the order of the columns that store_letter reads. */
static const PgStatement statement_dead_letters = {
	"dead_letters", "SELECT rejected_id, shard, \"position\", reason, detail, "
					"trunc(extract(epoch FROM event_time) * 1000)::text, "
					"message_key, payload, header_names, header_values "
					"FROM topk_pipeline.dead_letters($1::text, $2::text, $3::text[])"};
static const PgStatement statement_dead_letters_sent = {
	"dead_letters_sent",
	"SELECT topk_pipeline.dead_letters_sent($1::text, $2::text, $3::text[], $4::bigint[])"};
static const PgStatement statement_ingest = {"ingest", FEED_INGEST_SQL};
static const PgStatement statement_ingest_records = {"ingest_records", FEED_INGEST_RECORDS_SQL};

/* ---- connection ---- */

static DaemonStatus
store_on_connect(PgSession *session, void *context)
{
	(void) context;
	return pg_check_extension(session, "topk_pipeline", TOPK_PIPELINE_VERSION);
}

DaemonStatus
store_open(Store *store, const char *dsn, const char *pipeline, const char *source, const Log *log,
		   Signals *signals)
{
	memset(store, 0, sizeof(*store));
	store->pipeline = pipeline;
	store->source = source;
	store->log = log;
	store->pg_settings =
		(PgSettings) {.dsn = dsn, .program = "topk-kafka-feeder", .on_connect = store_on_connect};
	return pg_session_open(&store->pg_settings, log, signals, &store->session);
}

void
store_close(Store *store)
{
	if (store->session != NULL)
		pg_session_close(store->session);
	store->session = NULL;
	feed_ingest_free(&store->ingest);
	feed_full_windows_free(&store->full);
}

DaemonStatus
store_connect(Store *store)
{
	return pg_session_connect_once(store->session);
}

/* ---- reading ---- */

DaemonStatus
store_settings(Store *store, FeedSettings *settings)
{
	return pipeline_settings(store->session, store->pipeline, settings);
}

/* Call a function with pipeline, source and these shards. */
static DaemonStatus
store_ask(Store *store, const PgStatement *statement, const int32_t *shards, int count,
		  PGresult **result)
{
	PgArray		 names = {0};
	const char	*values[] = {store->pipeline, store->source, NULL};
	int			 lengths[] = {0, 0, 0};
	int			 formats[] = {0, 0, 1};
	char		 name[16];
	DaemonStatus status = DAEMON_FATAL;

	pgarray_start(&names, PGARRAY_TEXT);
	for (int i = 0; i < count; i++)
	{
		snprintf(name, sizeof(name), "%d", shards[i]);
		pgarray_append_text(&names, name);
	}
	pgarray_finish(&names);
	if (names.failed)
		log_error(store->log, "out of memory");
	else
	{
		values[2] = names.data;
		lengths[2] = (int) names.size;
		status = pg_call(store->session, statement, 3, values, lengths, formats, result);
	}
	pgarray_free(&names);
	return status;
}

/* A row of statement_positions. */
static StorePosition
store_position(const PGresult *result, int row)
{
	bool known = !PQgetisnull(result, row, 2) && !PQgetisnull(result, row, 3);

	return (StorePosition) {.next = pg_get_bigint(result, row, 1),
							.mark = {.offset = pg_get_bigint(result, row, 2),
									 .time = known ? pg_get_bigint(result, row, 3) : FEED_NO_TIME}};
}

DaemonStatus
store_positions(Store *store, const int32_t *shards, int count, StorePosition *positions)
{
	PGresult	*result = NULL;
	DaemonStatus status = store_ask(store, &statement_positions, shards, count, &result);

	for (int i = 0; i < count; i++)
		positions[i] = (StorePosition) {.next = FEED_NO_POSITION, .mark.time = FEED_NO_TIME};
	for (int row = 0; status == DAEMON_OK && row < PQntuples(result); row++)
	{
		int32_t shard = (int32_t) strtol(pg_get_text(result, row, 0), NULL, 10);

		for (int i = 0; i < count; i++)
		{
			if (shards[i] == shard)
				positions[i] = store_position(result, row);
		}
	}
	PQclear(result);
	return status;
}

DaemonStatus
store_reset_position(Store *store, int32_t shard)
{
	char		name[16];
	const char *values[] = {store->pipeline, store->source, name};

	snprintf(name, sizeof(name), "%d", shard);
	return pg_call(store->session, &statement_reset_position, 3, values, NULL, NULL, NULL);
}

/* ---- dead letters ---- */

DaemonStatus
store_dead_letters(Store *store, const int32_t *shards, int count, PGresult **letters)
{
	return store_ask(store, &statement_dead_letters, shards, count, letters);
}

static const void *
store_bytes(const PGresult *letters, int row, int column, size_t *length)
{
	*length = (size_t) PQgetlength(letters, row, column);
	return PQgetisnull(letters, row, column) ? NULL : PQgetvalue(letters, row, column);
}

static PgArrayReader
store_array(const PGresult *letters, int row, int column)
{
	size_t		length;
	const void *bytes = store_bytes(letters, row, column, &length);

	return pgarray_read(bytes, length);
}

StoreLetter
store_letter(const PGresult *letters, int row)
{
	StoreLetter letter = {.shard = pg_get_text(letters, row, 1),
						  .position = pg_get_text(letters, row, 2),
						  .reason = pg_get_text(letters, row, 3),
						  .detail = pg_get_text(letters, row, 4),
						  .time = pg_get_text(letters, row, 5),
						  .header_names = store_array(letters, row, 8),
						  .header_values = store_array(letters, row, 9)};

	letter.key = store_bytes(letters, row, 6, &letter.key_length);
	letter.payload = store_bytes(letters, row, 7, &letter.payload_length);
	return letter;
}

DaemonStatus
store_dead_letters_sent(Store *store, const PGresult *letters)
{
	PgArray		 shards = {0};
	PgArray		 ids = {0};
	DaemonStatus status = DAEMON_FATAL;

	pgarray_start(&shards, PGARRAY_TEXT);
	pgarray_start(&ids, PGARRAY_BIGINT);
	for (int row = 0; row < PQntuples(letters); row++)
	{
		pgarray_append_text(&shards, pg_get_text(letters, row, 1));
		pgarray_append_bigint(&ids, pg_get_bigint(letters, row, 0));
	}
	pgarray_finish(&shards);
	pgarray_finish(&ids);
	if (shards.failed || ids.failed)
		log_error(store->log, "out of memory");
	else
	{
		const char *values[] = {store->pipeline, store->source, shards.data, ids.data};
		int			lengths[] = {0, 0, (int) shards.size, (int) ids.size};
		int			formats[] = {0, 0, 1, 1};

		status = pg_call(store->session, &statement_dead_letters_sent, 4, values, lengths, formats,
						 NULL);
	}
	pgarray_free(&shards);
	pgarray_free(&ids);
	return status;
}

/* ---- one batch, one transaction ---- */

DaemonStatus
store_send(Store *store, FeedBatch *batch)
{
	const PgStatement *statement =
		feed_batch_form(batch) == FEED_RECORDS ? &statement_ingest_records : &statement_ingest;

	if (!feed_ingest_prepare(&store->ingest, store->pipeline, store->source, batch))
	{
		log_error(store->log, "out of memory");
		return DAEMON_FATAL;
	}
	return pg_send(store->session, statement, store->ingest.count, store->ingest.values,
				   store->ingest.lengths, store->ingest.formats);
}

static StoreOutcome
store_refusal(const char *sqlstate)
{
	if (strcmp(sqlstate, STORE_SQLSTATE_MOVED) == 0)
		return STORE_MOVED;
	return strcmp(sqlstate, PIPELINE_SQLSTATE_FULL) == 0 ? STORE_FULL : STORE_FAILED;
}

StoreOutcome
store_receive(Store *store, int64_t deadline, int64_t *duplicates)
{
	PGresult	*result = NULL;
	bool		 finished = false;
	DaemonStatus status = pg_receive(store->session, deadline, &result, &finished);
	int			 column = result != NULL ? PQfnumber(result, "duplicates") : -1;

	*duplicates = column >= 0 ? pg_get_bigint(result, 0, column) : 0;
	PQclear(result);
	switch (status)
	{
		case DAEMON_OK:
			return finished ? STORE_COMMITTED : STORE_PENDING;
		case DAEMON_RETRY:
			return store_refusal(pg_problem(store->session)->sqlstate);
		case DAEMON_FATAL:
			break;
	}
	return STORE_FATAL;
}

DaemonStatus
store_find_full(Store *store)
{
	return pipeline_find_full(store->session, store->log, store->pipeline, &store->ingest,
							  &store->full);
}

/* How the stored positions of a batch's shards compare with the batch. */
static StoreOutcome
store_compare(const FeedBatch *batch, const StorePosition *positions)
{
	const FeedShard *shards = feed_batch_shards(batch);
	int				 count = feed_batch_shard_count(batch);
	bool			 before = true;
	bool			 after = true;

	for (int i = 0; i < count; i++)
	{
		before = before && positions[i].next == shards[i].from;
		after = after && positions[i].next == shards[i].to;
	}
	if (after)
		return STORE_COMMITTED;
	return before ? STORE_PENDING : STORE_MOVED;
}

StoreOutcome
store_resolve(Store *store, const FeedBatch *batch)
{
	int			   count = feed_batch_shard_count(batch);
	int32_t		  *shards = calloc((size_t) count + 1, sizeof(*shards));
	StorePosition *positions = calloc((size_t) count + 1, sizeof(*positions));
	StoreOutcome   outcome = STORE_FAILED;
	DaemonStatus   status = DAEMON_FATAL;

	if (shards != NULL && positions != NULL)
	{
		for (int i = 0; i < count; i++)
			shards[i] = (int32_t) strtol(feed_batch_shards(batch)[i].name, NULL, 10);
		status = store_positions(store, shards, count, positions);
	}
	else
		log_error(store->log, "out of memory");
	if (status == DAEMON_OK)
		outcome = store_compare(batch, positions);
	else if (status == DAEMON_FATAL)
		outcome = STORE_FATAL;
	free(shards);
	free(positions);
	return outcome;
}
