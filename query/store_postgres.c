/*
 * store_postgres.c
 *	  Reads of windows as calls of topk_pipeline.windows, over a few sessions.
 *
 * Sessions are opened when a read finds none free.  While PostgreSQL is away, reads between two tries to
 * connect fail at once.  Must not know what the windows are for.
 */
#include "store_postgres.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "daemon/backoff.h"
#include "daemon/clock.h"
#include "feed/pgarray.h"
#include "places.h"

#define SESSIONS 4

/* A read that takes longer, waiting for a session included, has failed. */
#define READ_MS 5000

/* A call whose connection broke may have met one that was long dead. */
#define TRIES 2

/* After what only a person can mend. */
#define FATAL_MS 10000

/* Also sets the session's bound, which the server enforces when we are gone. */
static const PgStatement ask_settings = {
	"", "SELECT k::bigint, window_seconds, retention_seconds,"
		" pg_catalog.set_config('statement_timeout', $2::text, false)"
		" FROM topk_pipeline.settings($1::text)"};

static const PgStatement ask_windows = {
	"", "SELECT key, bucket, version, value, total, error, slacks, updated_at"
		" FROM topk_pipeline.windows($1::text, $2::text[], $3::bigint, $4::bigint)"};

enum
{
	COLUMN_KEY,
	COLUMN_BUCKET,
	COLUMN_VERSION,
	COLUMN_VALUE,
	COLUMN_TOTAL,
	COLUMN_ERROR,
	COLUMN_SLACKS,
	COLUMN_UPDATED_AT
};

/* A read that waits for a session, or for its answer. */
typedef struct Job
{
	struct Job *prev, *next; /* among those that wait */
	StoreRead  *read;
	int64_t		deadline;
	int			failures;
} Job;

typedef enum LineState
{
	LINE_CLOSED,
	LINE_CONNECTING,
	LINE_ASKING, /* the settings */
	LINE_FREE,
	LINE_READING
} LineState;

typedef struct Line
{
	PgSession *session;
	LineState  state;
	Job		  *job;
} Line;

typedef struct StorePostgres
{
	Store						 store;
	const StorePostgresSettings *settings;
	PgSettings					 pg;
	const Log					*log;
	Metrics						*metrics;
	Line						 lines[SESSIONS];
	Job							*waiting; /* the one that came first is the head */
	Backoff						 outage;
	int64_t						 not_before; /* of the next try to connect */
	PgArray						 keys;
	Metric						*calls, *failures;
} StorePostgres;

/* ---- failures ---- */

static void
end_job(Job *job, StoreOutcome outcome)
{
	StoreRead *read = job->read;

	free(job);
	read->done(read, outcome);
}

static void
set_up(StorePostgres *store, bool up)
{
	store->store.up = up;
	metrics_ready(store->metrics, "postgresql", up);
}

/* The session is of no use any more; its read may be tried once again with another one. */
static void
fail_line(StorePostgres *store, Line *line, DaemonStatus status)
{
	const PgProblem *problem = pg_problem(line->session);
	Job				*job = line->job;
	bool			 was_reading = line->state == LINE_READING && *problem->sqlstate == '\0';

	line->job = NULL;
	line->state = LINE_CLOSED;
	metric_add(store->failures, 1);
	if (job != NULL && was_reading && ++job->failures < TRIES)
	{
		pg_session_disconnect(line->session);
		DL_PREPEND(store->waiting, job);
		return;
	}
	set_up(store, false);
	store->not_before =
		clock_milliseconds() + backoff_failed(&store->outage, store->log, problem->message);
	if (status == DAEMON_FATAL)
		store->not_before += FATAL_MS;
	pg_session_disconnect(line->session);
	if (job != NULL)
		end_job(job, STORE_AWAY);
}

/* ---- calls ---- */

static DaemonStatus
send_settings(StorePostgres *store, Line *line)
{
	const char *const values[] = {store->settings->pipeline, "5s"};

	line->state = LINE_ASKING;
	return pg_send(line->session, &ask_settings, 2, values, NULL, NULL);
}

static DaemonStatus
send_windows(StorePostgres *store, Line *line)
{
	const StoreRead *read = line->job->read;
	uint64_t		 first = htobe64((uint64_t) read->range.first);
	uint64_t		 last = htobe64((uint64_t) read->range.last);
	const char		*values[] = {store->settings->pipeline, NULL, (const char *) &first,
								 (const char *) &last};
	int				 lengths[] = {0, 0, sizeof(first), sizeof(last)};
	static const int formats[] = {0, 1, 1, 1};

	line->state = LINE_READING;
	metric_add(store->calls, 1);
	pgarray_start(&store->keys, PGARRAY_TEXT);
	for (int i = 0; i < read->count; i++)
		pgarray_append(&store->keys, read->entities[i].bytes, read->entities[i].length);
	pgarray_finish(&store->keys);
	values[1] = store->keys.data;
	lengths[1] = (int) store->keys.size;
	return pg_send(line->session, &ask_windows, 4, values, lengths, formats);
}

static bool
read_slacks(const PGresult *result, int row, Window *window)
{
	PgArrayReader reader = pgarray_read(PQgetvalue(result, row, COLUMN_SLACKS),
										(size_t) PQgetlength(result, row, COLUMN_SLACKS));
	const char	 *bytes;
	size_t		  length;
	uint64_t	  number;

	if (PQgetisnull(result, row, COLUMN_SLACKS))
		return true;
	window->slacks = calloc((size_t) reader.left + 1, sizeof(int64_t));
	if (window->slacks == NULL)
		return false;
	while (pgarray_next(&reader, &bytes, &length) && length == sizeof(number))
	{
		memcpy(&number, bytes, sizeof(number));
		window->slacks[window->slack_count++] = (int64_t) be64toh(number);
	}
	return true;
}

static int64_t
get_known(const PGresult *result, int row, int column, int64_t otherwise)
{
	return PQgetisnull(result, row, column) ? otherwise : pg_get_bigint(result, row, column);
}

static void
take_window(const PGresult *result, int row, Windows *windows)
{
	Window window = {.bucket = pg_get_bigint(result, row, COLUMN_BUCKET),
					 .version = pg_get_bigint(result, row, COLUMN_VERSION),
					 .length = (size_t) PQgetlength(result, row, COLUMN_VALUE),
					 .total = get_known(result, row, COLUMN_TOTAL, MG_UNKNOWN),
					 .error = get_known(result, row, COLUMN_ERROR, MG_UNKNOWN),
					 .updated_at = get_known(result, row, COLUMN_UPDATED_AT, -1)};

	window.value = malloc(window.length + 1);
	if (window.value == NULL || !read_slacks(result, row, &window))
	{
		free(window.value);
		return;
	}
	memcpy(window.value, PQgetvalue(result, row, COLUMN_VALUE), window.length);
	windows_add(windows, &window);
}

static void
take_windows(Line *line, const PGresult *result)
{
	Job		  *job = line->job;
	StoreRead *read = job->read;
	Places	  *places = places_make(read->entities, read->count);

	line->job = NULL;
	for (int i = 0; i < PQntuples(result) && places != NULL; i++)
	{
		int place = places_find(places, PQgetvalue(result, i, COLUMN_KEY),
								(size_t) PQgetlength(result, i, COLUMN_KEY));

		if (place >= 0)
			take_window(result, i, &read->windows[place]);
	}
	end_job(job, places != NULL ? STORE_READ : STORE_AWAY);
	places_free(places);
}

static void
take_settings(StorePostgres *store, const PGresult *result)
{
	if (PQntuples(result) == 1)
		store->store.shape = (Shape) {.k = (int) pg_get_bigint(result, 0, 0),
									  .window_seconds = pg_get_bigint(result, 0, 1),
									  .retention_seconds = pg_get_bigint(result, 0, 2)};
}

/* ---- sessions ---- */

/* Does it have something to say?  A call's time may also be up. */
static void
move_line(StorePostgres *store, Line *line)
{
	LineState	 state = line->state;
	bool		 finished = false;
	PGresult	*result = NULL;
	DaemonStatus status = DAEMON_OK;

	if (pg_session_busy(line->session))
		status = pg_step(line->session, &result, &finished);
	if (status == DAEMON_OK && finished)
	{
		line->state = LINE_FREE;
		if (state == LINE_CONNECTING)
			status = send_settings(store, line);
		else
		{
			set_up(store, true);
			backoff_succeeded(&store->outage, store->log);
		}
	}
	if (status != DAEMON_OK)
		fail_line(store, line, status);
	else if (result != NULL && state == LINE_ASKING)
		take_settings(store, result);
	else if (result != NULL)
		take_windows(line, result);
	PQclear(result);
}

static Line *
find_line(StorePostgres *store, LineState state)
{
	for (int i = 0; i < SESSIONS; i++)
		if (store->lines[i].state == state)
			return &store->lines[i];
	return NULL;
}

static bool
is_opening(StorePostgres *store)
{
	return find_line(store, LINE_CONNECTING) != NULL || find_line(store, LINE_ASKING) != NULL;
}

/* Hand the reads that wait to free sessions. */
static void
start_jobs(StorePostgres *store)
{
	Line *line;

	while (store->waiting != NULL && (line = find_line(store, LINE_FREE)) != NULL)
	{
		DaemonStatus status;

		line->job = store->waiting;
		DL_DELETE(store->waiting, line->job);
		status = send_windows(store, line);
		if (status != DAEMON_OK)
			fail_line(store, line, status);
	}
}

/* One at a time, and only if there is something to do for it. */
static bool
may_open(StorePostgres *store)
{
	return find_line(store, LINE_CLOSED) != NULL && !is_opening(store) &&
		   (store->waiting != NULL || store->store.shape.window_seconds == 0);
}

/* Not while a failure is fresh. */
static void
open_line(StorePostgres *store)
{
	Line		*line = find_line(store, LINE_CLOSED);
	DaemonStatus status;

	if (!may_open(store) || clock_left(store->not_before) > 0)
		return;
	line->state = LINE_CONNECTING;
	status = pg_connect_start(line->session);
	if (status != DAEMON_OK)
		fail_line(store, line, status);
}

/* Those that nobody will serve, and those that have waited too long. */
static void
fail_jobs(StorePostgres *store)
{
	bool hopeless = !is_opening(store) && find_line(store, LINE_FREE) == NULL &&
					find_line(store, LINE_READING) == NULL && clock_left(store->not_before) > 0;

	while (store->waiting != NULL && (hopeless || clock_left(store->waiting->deadline) == 0))
	{
		Job *job = store->waiting;

		DL_DELETE(store->waiting, job);
		end_job(job, STORE_AWAY);
	}
}

/* ---- the store ---- */

/* What can be done for those that wait. */
static void
serve(StorePostgres *store)
{
	start_jobs(store);
	open_line(store);
	fail_jobs(store);
}

static void
dispatch(Store *base)
{
	StorePostgres *store = (StorePostgres *) base;

	for (int i = 0; i < SESSIONS; i++)
		move_line(store, &store->lines[i]);
	serve(store);
}

static void
begin(Store *base, StoreRead *read)
{
	StorePostgres *store = (StorePostgres *) base;
	Job			  *job = calloc(1, sizeof(*job));

	if (job == NULL)
	{
		read->done(read, STORE_AWAY);
		return;
	}
	job->read = read;
	job->deadline = clock_milliseconds() + READ_MS;
	read->state = job;
	DL_APPEND(store->waiting, job);
	serve(store);
}

static bool
forget(Store *base, StoreRead *read)
{
	StorePostgres *store = (StorePostgres *) base;
	Job			  *job = read->state;

	for (int i = 0; i < SESSIONS; i++)
		if (store->lines[i].job == job)
			return false;
	DL_DELETE(store->waiting, job);
	free(job);
	return true;
}

static void
prepare(Store *base, Wait *wait)
{
	StorePostgres *store = (StorePostgres *) base;
	bool		   busy = false;

	for (int i = 0; i < SESSIONS; i++)
	{
		const Line *line = &store->lines[i];

		if (!pg_session_busy(line->session))
			continue;
		busy = true;
		wait_on(wait, pg_socket(line->session), pg_events(line->session));
	}
	if (busy) /* the sessions look at their own deadlines */
		wait_until(wait, clock_milliseconds() + 1000);
	if (store->waiting != NULL)
		wait_until(wait, store->waiting->deadline);
	if (may_open(store))
		wait_until(wait, store->not_before);
}

/* Reads under way are forgotten. */
static void
close_store(Store *base)
{
	StorePostgres *store = (StorePostgres *) base;

	for (int i = 0; i < SESSIONS; i++)
		pg_session_close(store->lines[i].session);
	pgarray_free(&store->keys);
	free(store);
}

Store *
store_postgres_open(const StorePostgresSettings *settings, const Log *log, Signals *signals,
					Metrics *metrics)
{
	StorePostgres *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return NULL;
	store->store = (Store) {.begin = begin,
							.forget = forget,
							.prepare = prepare,
							.dispatch = dispatch,
							.close = close_store,
							.name = "postgres"};
	store->settings = settings;
	store->pg = settings->pg;
	store->pg.call_timeout_ms = store->pg.connect_timeout_ms = READ_MS;
	store->log = log;
	store->metrics = metrics;
	backoff_init(&store->outage, "PostgreSQL");
	for (int i = 0; i < SESSIONS; i++)
		if (pg_session_open(&store->pg, log, signals, &store->lines[i].session) != DAEMON_OK)
		{
			close_store(&store->store);
			return NULL;
		}
	store->calls = metrics_counter(metrics, "topk_query_postgresql_calls_total",
								   "Calls of topk_pipeline.windows.", NULL);
	store->failures = metrics_counter(metrics, "topk_query_postgresql_failures_total",
									  "Sessions that failed, while connecting or later.", NULL);
	metrics_ready(metrics, "postgresql", false);
	return &store->store;
}
