/*
 * status_database.c
 *	  One session that asks for the figures every few seconds.
 */
#include "status_database.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"

#define ASK_MS 5000
#define CALL_MS 5000

/* A mirror that never stored anything is none. */
static const PgStatement ask_figures = {
	"",
	"SELECT 'records', NULL, records::float8::text FROM topk_pipeline.status WHERE pipeline = $1::text"
	" UNION ALL SELECT 'duplicates', NULL, duplicates::float8::text"
	" FROM topk_pipeline.status WHERE pipeline = $1::text"
	" UNION ALL SELECT 'last_ingest', NULL, extract(epoch FROM last_ingest_at)::text"
	" FROM topk_pipeline.status WHERE pipeline = $1::text"
	" UNION ALL SELECT 'mirror_age', NULL, coalesce(extract(epoch FROM max(unmirrored_age)), 0)::text"
	" FROM topk_pipeline.mirror_status WHERE pipeline = $1::text"
	" HAVING bool_or(mirrored_version IS NOT NULL)"
	" UNION ALL SELECT 'rejected', reason, records::text"
	" FROM topk_pipeline.rejected_by_reason WHERE pipeline = $1::text"};

DaemonStatus
status_database_open(StatusDatabase *database, const PgSettings *settings, const char *pipeline,
					 const Log *log, Signals *signals)
{
	*database = (StatusDatabase) {.log = log, .pipeline = pipeline, .settings = *settings};
	database->settings.call_timeout_ms = database->settings.connect_timeout_ms = CALL_MS;
	figures_start(&database->figures);
	return pg_session_open(&database->settings, log, signals, &database->session);
}

void
status_database_close(StatusDatabase *database)
{
	pg_session_close(database->session);
	figures_free(&database->figures);
}

static void
take_figure(StatusDatabase *database, const char *name, const char *reason, const char *text)
{
	double number = text != NULL ? strtod(text, NULL) : NAN;

	if (strcmp(name, "records") == 0)
		database->figures.records = number;
	else if (strcmp(name, "duplicates") == 0)
		database->figures.duplicates = number;
	else if (strcmp(name, "last_ingest") == 0)
		database->last_ingest = number;
	else if (strcmp(name, "mirror_age") == 0)
		database->figures.mirror_age = number;
	else if (reason != NULL)
		figures_add_rejected(&database->figures, reason, number);
}

static void
take_result(StatusDatabase *database, const PGresult *result)
{
	figures_free(&database->figures);
	figures_start(&database->figures);
	database->last_ingest = NAN;
	database->known = PQntuples(result) > 0; /* else there is no such pipeline */
	database->failed = !database->known;
	for (int i = 0; i < PQntuples(result); i++)
		take_figure(database, pg_get_text(result, i, 0), pg_get_text(result, i, 1),
					pg_get_text(result, i, 2));
}

static DaemonStatus
ask(StatusDatabase *database)
{
	return pg_send(database->session, &ask_figures, 1, &database->pipeline, NULL, NULL);
}

/* The next step of connecting or of a call, or the begin of one when it is time. */
static DaemonStatus
move(StatusDatabase *database)
{
	PgSession	*session = database->session;
	PGresult	*result = NULL;
	bool		 finished = false;
	DaemonStatus status = DAEMON_OK;

	if (pg_session_busy(session))
	{
		status = pg_step(session, &result, &finished);
		if (result != NULL)
			take_result(database, result);
		else if (finished) /* connected */
			status = ask(database);
		PQclear(result);
		return status;
	}
	if (clock_left(database->next) > 0)
		return DAEMON_OK;
	database->next = clock_milliseconds() + ASK_MS;
	return pg_session_connected(session) ? ask(database) : pg_connect_start(session);
}

void
status_database_dispatch(StatusDatabase *database)
{
	if (move(database) == DAEMON_OK)
		return;
	if (!database->failed)
		log_warning(database->log, "PostgreSQL does not tell how the pipeline is",
					LOG_TEXT("problem", pg_problem(database->session)->message));
	pg_session_disconnect(database->session);
	database->known = false;
	database->failed = true;
}

void
status_database_prepare(const StatusDatabase *database, Wait *wait)
{
	if (pg_session_busy(database->session))
		wait_on(wait, pg_socket(database->session), pg_events(database->session));
	wait_until(wait, clock_left(database->next) > 0 ? database->next : clock_milliseconds() + 1000);
}
