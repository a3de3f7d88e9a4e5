/*
 * pg_call.c
 *	  Prepared statements, their results, notifications and binary values.
 *
 * Must not know which statements there are, but for the one that asks for an
 * extension's version.
 */
#include "daemon/pg_internal.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"

#define SQLSTATE_READ_ONLY "25006"

static const PgStatement extension_version = {
	"extension_version", "SELECT extversion FROM pg_catalog.pg_extension WHERE extname = $1::name"};

/* ---- the wire ---- */

static DaemonStatus
fail_lost(PgSession *session)
{
	DaemonStatus status = pg_fail_retry(session, PQerrorMessage(session->connection));

	pg_session_disconnect(session);
	return status;
}

static DaemonStatus
fail_timeout(PgSession *session)
{
	pg_session_disconnect(session);
	return pg_fail_retry(session, "timeout while waiting for the server");
}

/* Wait for events on the socket; false when the deadline passes first. */
static bool
await_socket(const PgSession *session, short events, int64_t deadline)
{
	struct pollfd fd = {.fd = PQsocket(session->connection), .events = events};

	return poll(&fd, 1, clock_left(deadline)) != 0 || clock_left(deadline) != 0;
}

/* Send what libpq has buffered, reading meanwhile lest both sides wait. */
static DaemonStatus
flush_output(PgSession *session, int64_t deadline)
{
	int pending;

	while ((pending = PQflush(session->connection)) > 0)
	{
		if (!await_socket(session, POLLIN | POLLOUT, deadline))
			return fail_timeout(session);
		if (!PQconsumeInput(session->connection))
			return fail_lost(session);
	}
	return pending < 0 ? fail_lost(session) : DAEMON_OK;
}

/* Collect the call's last result in session->result, as far as it comes before the deadline. */
static DaemonStatus
collect_result(PgSession *session, int64_t deadline, bool *finished)
{
	*finished = false;
	for (;;)
	{
		PGresult *next;

		if (!PQconsumeInput(session->connection))
			return fail_lost(session);
		if (PQisBusy(session->connection))
		{
			if (!await_socket(session, POLLIN, deadline))
				return DAEMON_OK;
			continue;
		}
		next = PQgetResult(session->connection);
		if (next == NULL)
			break;
		PQclear(session->result);
		session->result = next;
	}
	*finished = true;
	session->busy = false;
	return DAEMON_OK;
}

/* The finished call's result to the caller, or its error. */
static DaemonStatus
hand_over_result(PgSession *session, PGresult **result)
{
	PGresult	  *own = session->result;
	ExecStatusType status = PQresultStatus(own);
	DaemonStatus   answer = DAEMON_OK;

	session->result = NULL;
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		answer = own != NULL ? pg_fail_result(session, own)
							 : pg_fail_retry(session, "the connection was lost");
	/* a standby stays one: after a failover the same name soon leads to the new primary */
	if (!pg_session_connected(session) ||
		strcmp(session->problem.sqlstate, SQLSTATE_READ_ONLY) == 0)
		pg_session_disconnect(session);
	if (answer == DAEMON_OK && result != NULL)
		*result = own;
	else
		PQclear(own);
	return answer;
}

/* ---- calls ---- */

static bool
is_prepared(const PgSession *session, const PgStatement *statement)
{
	for (int i = 0; i < session->prepared_count; i++)
		if (session->prepared[i] == statement)
			return true;
	return false;
}

static DaemonStatus
await_result(PgSession *session, PGresult **result)
{
	bool		 finished;
	DaemonStatus status = collect_result(session, session->call_deadline, &finished);

	if (status != DAEMON_OK)
		return status;
	return finished ? hand_over_result(session, result) : fail_timeout(session);
}

static DaemonStatus
prepare_statement(PgSession *session, const PgStatement *statement, int nparams)
{
	const PgStatement **grown;
	DaemonStatus		status;

	if (!PQsendPrepare(session->connection, statement->name, statement->sql, nparams, NULL))
		return fail_lost(session);
	status = flush_output(session, session->call_deadline);
	if (status == DAEMON_OK)
		status = await_result(session, NULL);
	if (status != DAEMON_OK)
		return status;

	grown = realloc(session->prepared,
					sizeof(const PgStatement *) * (size_t) (session->prepared_count + 1));
	if (grown == NULL)
		return pg_fail_fatal(session, "out of memory", NULL);
	session->prepared = grown;
	session->prepared[session->prepared_count++] = statement;
	return DAEMON_OK;
}

static bool
send_statement(PgSession *session, const PgStatement *statement, int nparams,
			   const char *const *values, const int *lengths, const int *formats)
{
	if (*statement->name == '\0')
		return PQsendQueryParams(session->connection, statement->sql, nparams, NULL, values,
								 lengths, formats, 1) != 0;
	return PQsendQueryPrepared(session->connection, statement->name, nparams, values, lengths,
							   formats, 1) != 0;
}

DaemonStatus
pg_send(PgSession *session, const PgStatement *statement, int nparams, const char *const *values,
		const int *lengths, const int *formats)
{
	int			 timeout = session->settings->call_timeout_ms;
	DaemonStatus status = DAEMON_OK;

	session->problem = (PgProblem) {0};
	if (!pg_session_connected(session))
		return pg_fail_retry(session, "not connected");
	session->call_deadline = clock_milliseconds() + (timeout > 0 ? timeout : PG_CALL_TIMEOUT_MS);

	if (*statement->name != '\0' && !is_prepared(session, statement))
		status = prepare_statement(session, statement, nparams);
	if (status != DAEMON_OK)
		return status;
	if (!send_statement(session, statement, nparams, values, lengths, formats))
		return fail_lost(session);
	status = flush_output(session, session->call_deadline);
	session->busy = status == DAEMON_OK;
	return status;
}

DaemonStatus
pg_receive(PgSession *session, int64_t deadline, PGresult **result, bool *finished)
{
	DaemonStatus status;

	*finished = false;
	if (!session->busy)
		return pg_fail_retry(session, "no call was sent");
	if (deadline > session->call_deadline)
		deadline = session->call_deadline;
	status = collect_result(session, deadline, finished);
	if (status != DAEMON_OK)
		return status;
	if (*finished)
		return hand_over_result(session, result);
	return clock_left(session->call_deadline) == 0 ? fail_timeout(session) : DAEMON_OK;
}

DaemonStatus
pg_call(PgSession *session, const PgStatement *statement, int nparams, const char *const *values,
		const int *lengths, const int *formats, PGresult **result)
{
	DaemonStatus status = pg_send(session, statement, nparams, values, lengths, formats);

	return status == DAEMON_OK ? await_result(session, result) : status;
}

/* ---- on connecting, and later ---- */

/* "1.2" can serve who needs "1.1", not who needs "1.3" or "2.0". */
static bool
version_serves(const char *installed, const char *needed)
{
	int installed_major = 0;
	int installed_minor = 0;
	int needed_major = 0;
	int needed_minor = 0;

	sscanf(installed, "%d.%d", &installed_major, &installed_minor);
	sscanf(needed, "%d.%d", &needed_major, &needed_minor);
	return installed_major == needed_major && installed_minor >= needed_minor;
}

DaemonStatus
pg_check_extension(PgSession *session, const char *extension, const char *version)
{
	const char	*installed = NULL;
	char		 message[256];
	char		 hint[256];
	PGresult	*result = NULL;
	DaemonStatus status;

	status = pg_call(session, &extension_version, 1, &extension, NULL, NULL, &result);
	if (status != DAEMON_OK)
		return status;
	if (PQntuples(result) > 0)
		installed = pg_get_text(result, 0, 0);
	if (installed == NULL)
	{
		snprintf(message, sizeof(message), "extension %s is not installed in database %s",
				 extension, PQdb(session->connection));
		snprintf(
			hint, sizeof(hint),
			"run CREATE EXTENSION %s CASCADE, or check the database's name (PGDATABASE or --dsn)",
			extension);
		status = pg_fail_fatal(session, message, hint);
	}
	else if (!version_serves(installed, version))
	{
		snprintf(message, sizeof(message), "extension %s is of version %s, this program needs %s",
				 extension, installed, version);
		snprintf(hint, sizeof(hint),
				 "run ALTER EXTENSION %s UPDATE TO '%s', or use the program of that version",
				 extension, version);
		status = pg_fail_fatal(session, message, hint);
	}
	PQclear(result);
	return status;
}

DaemonStatus
pg_take_notifications(PgSession *session, const char *payload, bool *any)
{
	PGnotify *notification;

	*any = false;
	if (!pg_session_connected(session))
		return pg_fail_retry(session, "not connected");
	if (!PQconsumeInput(session->connection))
		return fail_lost(session);
	while ((notification = PQnotifies(session->connection)) != NULL)
	{
		if (payload == NULL || strcmp(notification->extra, payload) == 0)
			*any = true;
		PQfreemem(notification);
	}
	return DAEMON_OK;
}

/* ---- values ---- */

int64_t
pg_get_bigint(const PGresult *result, int row, int column)
{
	const unsigned char *bytes = (const unsigned char *) PQgetvalue(result, row, column);
	uint64_t			 value = 0;

	for (int i = 0; i < PQgetlength(result, row, column); i++)
		value = value << 8 | bytes[i];
	return (int64_t) value;
}

bool
pg_get_boolean(const PGresult *result, int row, int column)
{
	return PQgetlength(result, row, column) == 1 && PQgetvalue(result, row, column)[0] != 0;
}

const char *
pg_get_text(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}
