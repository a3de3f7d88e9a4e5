/*
 * pg_session.c
 *	  Connects a session to PostgreSQL, within bounds of time, and drops it.
 *
 * Must not know statements or pipelines.
 */
#include "daemon/pg_internal.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"

#define PG_CONNECT_TIMEOUT "5"

/*
 * A peer that falls silent is noticed within 5 seconds, whether we wait for an
 * acknowledgement (tcp_user_timeout) or for an answer (keepalives too).
 *
 * Ours where neither the DSN, nor libpq's environment, nor the service file it names says otherwise.
 */
typedef struct PgDefault
{
	const char *keyword;
	const char *value;
} PgDefault;

static const PgDefault pg_defaults[] = {
	{"connect_timeout", PG_CONNECT_TIMEOUT},
	{"keepalives_idle", "3"},
	{"keepalives_interval", "1"},
	{"keepalives_count", "2"},
	{"tcp_user_timeout", "4000"},
};

#define PG_DEFAULTS ((int) (sizeof(pg_defaults) / sizeof(pg_defaults[0])))

static DaemonStatus
check_dsn(PgSession *session, const char *dsn)
{
	char			 *problem = NULL;
	PQconninfoOption *options;
	DaemonStatus	  status;

	if (dsn == NULL || (options = PQconninfoParse(dsn, &problem)) != NULL)
	{
		if (dsn != NULL)
			PQconninfoFree(options);
		return DAEMON_OK;
	}
	if (problem != NULL)
		pg_hide_quoted(problem);
	status = pg_fail_fatal(session, problem != NULL ? problem : "out of memory",
						   "check --dsn: a string of keyword=value pairs, or a postgresql:// URI");
	PQfreemem(problem);
	return status;
}

DaemonStatus
pg_session_open(const PgSettings *settings, const Log *log, Signals *signals, PgSession **session)
{
	PgSession	*new_session = calloc(1, sizeof(*new_session));
	DaemonStatus status;

	*session = NULL;
	if (new_session == NULL)
	{
		log_error(log, "out of memory");
		return DAEMON_FATAL;
	}
	new_session->settings = settings;
	new_session->log = log;
	new_session->signals = signals;

	status = check_dsn(new_session, settings->dsn);
	if (status == DAEMON_OK)
		*session = new_session;
	else
		pg_session_close(new_session);
	return status;
}

void
pg_session_close(PgSession *session)
{
	if (session == NULL)
		return;
	pg_session_disconnect(session);
	free(session->prepared);
	free(session);
}

void
pg_session_disconnect(PgSession *session)
{
	PQclear(session->result);
	session->result = NULL;
	session->busy = session->connecting = false;
	session->prepared_count = 0;
	PQfinish(session->connection);
	session->connection = NULL;
}

bool
pg_session_connected(const PgSession *session)
{
	return session->connection != NULL && PQstatus(session->connection) == CONNECTION_OK;
}

const PgProblem *
pg_problem(const PgSession *session)
{
	return &session->problem;
}

int
pg_socket(const PgSession *session)
{
	return session->connection != NULL ? PQsocket(session->connection) : -1;
}

short
pg_events(const PgSession *session)
{
	return session->events;
}

/* libpq has no values of its own for pg_defaults: one that is there was set outside the DSN. */
static bool
is_set(const PQconninfoOption *options, const char *keyword)
{
	for (; options != NULL && options->keyword != NULL; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options->val != NULL;
	return false;
}

/* Later keywords win, so that what the DSN says beats our defaults. */
static PGconn *
start_connection(const PgSettings *settings)
{
	const char		 *keywords[PG_DEFAULTS + 4];
	const char		 *values[PG_DEFAULTS + 4];
	PQconninfoOption *outside = PQconndefaults();
	int				  count = 0;

	for (int i = 0; i < PG_DEFAULTS; i++)
	{
		if (is_set(outside, pg_defaults[i].keyword))
			continue;
		keywords[count] = pg_defaults[i].keyword;
		values[count++] = pg_defaults[i].value;
	}
	PQconninfoFree(outside);
	keywords[count] = "fallback_application_name";
	values[count++] = settings->program;
	if (settings->dsn != NULL)
	{
		keywords[count] = "dbname";
		values[count++] = settings->dsn;
	}
	/* not the user's to choose: what goes through the daemons is UTF-8 */
	keywords[count] = "client_encoding";
	values[count++] = "UTF8";
	keywords[count] = NULL;
	values[count] = NULL;
	return PQconnectStartParams(keywords, values, 1);
}

/* connect_timeout as libpq understood it, for each of the hosts, within limit_ms; -1 for ever. */
static int64_t
connect_deadline(PGconn *connection, int limit_ms)
{
	PQconninfoOption *options = PQconninfo(connection);
	int64_t			  seconds = atoi(PG_CONNECT_TIMEOUT);
	int64_t			  hosts = 1;

	for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++)
	{
		if (option->val == NULL)
			continue;
		if (strcmp(option->keyword, "connect_timeout") == 0)
			seconds = atoll(option->val);
		else if (strcmp(option->keyword, "host") == 0)
			for (const char *comma = option->val; (comma = strchr(comma, ',')) != NULL; comma++)
				hosts++;
	}
	PQconninfoFree(options);
	if (limit_ms > 0 && (seconds <= 0 || seconds * hosts * 1000 > limit_ms))
		return clock_milliseconds() + limit_ms;
	return seconds <= 0 ? -1 : clock_milliseconds() + seconds * hosts * 1000;
}

static DaemonStatus
connect_step(PgSession *session, bool *finished)
{
	PGconn		 *connection = session->connection;
	struct pollfd fd = {.fd = PQsocket(connection), .events = session->events};

	*finished = false;
	if (clock_left(session->connect_deadline) == 0)
		return pg_fail_retry(session, "timeout while connecting");
	if (poll(&fd, 1, 0) == 0) /* libpq would take it for connected */
		return DAEMON_OK;
	switch (PQconnectPoll(connection))
	{
		case PGRES_POLLING_FAILED:
			if (PQconnectionNeedsPassword(connection))
				return pg_fail_fatal(session, PQerrorMessage(connection), pg_error_advice("28P01"));
			return pg_fail_connection(session, PQerrorMessage(connection));
		case PGRES_POLLING_OK:
			*finished = true;
			session->connecting = false;
			session->events = POLLIN;
			return PQsetnonblocking(connection, 1) == 0
					   ? DAEMON_OK
					   : pg_fail_retry(session, PQerrorMessage(connection));
		case PGRES_POLLING_READING:
			session->events = POLLIN;
			return DAEMON_OK;
		default:
			session->events = POLLOUT;
			return DAEMON_OK;
	}
}

static DaemonStatus
await_connection(PgSession *session)
{
	bool		 finished = false;
	DaemonStatus status = DAEMON_OK;

	while (status == DAEMON_OK && !finished)
	{
		SignalsWake wake = signals_wait(session->signals, pg_socket(session), session->events,
										clock_left(session->connect_deadline));

		if (wake == SIGNALS_STOP)
			return pg_fail_retry(session, "stopping");
		if (wake == SIGNALS_TIMEOUT)
			return pg_fail_retry(session, "timeout while connecting");
		status = connect_step(session, &finished);
	}
	return status;
}

/* Notices would go to standard error in libpq's own format. */
static void
ignore_notice(void *context, const PGresult *result)
{
	(void) context;
	(void) result;
}

DaemonStatus
pg_connect_start(PgSession *session)
{
	pg_session_disconnect(session);
	session->connection = start_connection(session->settings);
	if (session->connection == NULL)
		return pg_fail_fatal(session, "out of memory", NULL);

	/* only a verbose message names the SQLSTATE of a refused connection */
	PQsetErrorVerbosity(session->connection, PQERRORS_VERBOSE);
	PQsetNoticeReceiver(session->connection, ignore_notice, NULL);
	session->connecting = true;
	session->connect_deadline =
		connect_deadline(session->connection, session->settings->connect_timeout_ms);
	session->events = POLLOUT;
	if (PQstatus(session->connection) == CONNECTION_BAD)
		return pg_fail_connection(session, PQerrorMessage(session->connection));
	return DAEMON_OK;
}

bool
pg_session_busy(const PgSession *session)
{
	return session->connecting || session->busy;
}

DaemonStatus
pg_step(PgSession *session, PGresult **result, bool *finished)
{
	*result = NULL;
	return session->connecting ? connect_step(session, finished)
							   : pg_receive(session, 0, result, finished);
}

DaemonStatus
pg_session_connect_once(PgSession *session)
{
	DaemonStatus status;

	if (pg_session_connected(session))
		return DAEMON_OK;
	status = pg_connect_start(session);
	if (status == DAEMON_OK)
		status = await_connection(session);
	if (status == DAEMON_OK && session->settings->on_connect != NULL)
		status = session->settings->on_connect(session, session->settings->context);
	if (status != DAEMON_OK)
		pg_session_disconnect(session);
	return status;
}
