/*
 * pg_error.c
 *	  What an error of PostgreSQL means: wait and try again, or call a person.
 *
 * Must not know which statements there are, nor talk to a server.
 */
#include "daemon/pg_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SQLSTATE_LENGTH 5

typedef struct PgErrorRule
{
	const char *prefix; /* of the SQLSTATE */
	const char *advice; /* for people */
} PgErrorRule;

/* What no waiting mends.  The first that matches counts. */
static const PgErrorRule fatal_rules[] = {
	{"28P01", "check the password (PGPASSWORD, PGPASSFILE or --dsn) and the user"},
	{"28", "check the user, and pg_hba.conf on the server"},
	{"3D000", "check the database's name (PGDATABASE or --dsn), or create the database"},
	{"3F000",
	 "run CREATE EXTENSION topk_pipeline CASCADE in this database, or check its name (PGDATABASE or --dsn)"},
	{"42501", "grant the role what is missing, or connect as another one"},
	{"42704", "check the name, and that this is the right database (PGDATABASE or --dsn)"},
	{"42883",
	 "the extension is missing or older than this program: run CREATE EXTENSION topk_pipeline CASCADE, or ALTER EXTENSION topk_pipeline UPDATE"},
	{"42P01",
	 "the extension is missing or older than this program: run CREATE EXTENSION topk_pipeline CASCADE, or ALTER EXTENSION topk_pipeline UPDATE"},
	{"42",
	 "the extension's version does not match this program's: compare --version with SELECT extversion FROM pg_extension"},
	{"0A", "the server does not support what this program needs: check its version"},
};

#define FATAL_RULES ((int) (sizeof(fatal_rules) / sizeof(fatal_rules[0])))

/* How libpq begins to complain about the settings themselves, before any connection. */
static const char *const settings_complaints[] = {
	"invalid ",
	"could not match ",
	"definition of service",
	"service file",
	"syntax error in service file",
};

#define SETTINGS_COMPLAINTS ((int) (sizeof(settings_complaints) / sizeof(settings_complaints[0])))

/* What libpq says of a server, or of files here, that don't give the protection which is asked for. */
static const char *const tls_complaints[] = {
	"certificate verify failed", "does not match host name",	"certificate file",
	"private key file",			 "server does not support SSL",
};

#define TLS_COMPLAINTS ((int) (sizeof(tls_complaints) / sizeof(tls_complaints[0])))

static const PgErrorRule *
find_fatal_rule(const char *sqlstate)
{
	for (int i = 0; i < FATAL_RULES; i++)
		if (strncmp(sqlstate, fatal_rules[i].prefix, strlen(fatal_rules[i].prefix)) == 0)
			return &fatal_rules[i];
	return NULL;
}

DaemonStatus
pg_error_class(const char *sqlstate)
{
	return find_fatal_rule(sqlstate) != NULL ? DAEMON_FATAL : DAEMON_RETRY;
}

const char *
pg_error_advice(const char *sqlstate)
{
	const PgErrorRule *rule = find_fatal_rule(sqlstate);

	return rule != NULL ? rule->advice : NULL;
}

static bool
is_sqlstate(const char *text)
{
	for (int i = 0; i < SQLSTATE_LENGTH; i++)
		if (!isdigit((unsigned char) text[i]) && !(text[i] >= 'A' && text[i] <= 'Z'))
			return false;
	return true;
}

void
pg_sqlstate_in_message(const char *message, char sqlstate[6])
{
	const char *found = message;

	sqlstate[0] = '\0';
	while ((found = strstr(found, ":  ")) != NULL)
	{
		found += 3;
		if (is_sqlstate(found) && found[SQLSTATE_LENGTH] == ':')
			snprintf(sqlstate, SQLSTATE_LENGTH + 1, "%s", found);
	}
}

void
pg_hide_quoted(char *message)
{
	char *out = message;
	bool  quoted = false;

	for (const char *in = message; *in != '\0'; in++)
	{
		if (*in == '"')
		{
			quoted = !quoted;
			*out++ = '"';
			if (quoted && in[1] != '"' && in[1] != '\0')
				*out++ = '?';
		}
		else if (!quoted)
			*out++ = *in;
	}
	*out = '\0';
}

/* Lines of libpq's message as one, without the server's source location. */
static void
set_message(PgProblem *problem, const char *message)
{
	size_t used = 0;

	problem->message[0] = '\0';
	while (*message != '\0')
	{
		size_t length = strcspn(message, "\n");
		size_t indent = strspn(message, "\t ");

		if (length > indent && strncmp(message, "LOCATION:", 9) != 0 &&
			used < sizeof(problem->message))
			used += (size_t) snprintf(problem->message + used, sizeof(problem->message) - used,
									  "%s%.*s", used > 0 ? "; " : "", (int) (length - indent),
									  message + indent);
		message += length;
		message += strspn(message, "\n");
	}
}

static void
set_problem(PgSession *session, const char *sqlstate, const char *message, const char *hint)
{
	PgProblem *problem = &session->problem;

	snprintf(problem->sqlstate, sizeof(problem->sqlstate), "%s", sqlstate != NULL ? sqlstate : "");
	snprintf(problem->hint, sizeof(problem->hint), "%s", hint != NULL ? hint : "");
	set_message(problem, message != NULL ? message : "");
}

/* Every FATAL passes here, so that each is logged once. */
static DaemonStatus
log_fatal(const PgSession *session)
{
	const PgProblem *problem = &session->problem;

	log_error(session->log, "PostgreSQL can not be used", LOG_TEXT("problem", problem->message),
			  LOG_TEXT("sqlstate", problem->sqlstate[0] != '\0' ? problem->sqlstate : NULL),
			  LOG_TEXT("hint", problem->hint[0] != '\0' ? problem->hint : NULL));
	return DAEMON_FATAL;
}

DaemonStatus
pg_fail_connection(PgSession *session, const char *message)
{
	char sqlstate[6];

	pg_sqlstate_in_message(message, sqlstate);
	set_problem(session, sqlstate, message, pg_error_advice(sqlstate));
	if (pg_error_class(sqlstate) == DAEMON_FATAL)
		return log_fatal(session);
	for (int i = 0; i < SETTINGS_COMPLAINTS; i++)
		if (strncmp(message, settings_complaints[i], strlen(settings_complaints[i])) == 0)
			return pg_fail_fatal(session, message, "check --dsn and the PG* environment variables");
	for (int i = 0; i < TLS_COMPLAINTS; i++)
		if (strstr(message, tls_complaints[i]) != NULL)
			return pg_fail_fatal(session, message,
								 "check the host's name, the server's certificate, and sslmode, "
								 "sslrootcert, sslcert and sslkey (PGSSL... or --dsn)");
	return DAEMON_RETRY;
}

DaemonStatus
pg_fail_result(PgSession *session, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);

	if (sqlstate == NULL)
		sqlstate = "";
	if (message == NULL)
		message = PQresultErrorMessage(result);
	if (message == NULL || *message == '\0')
		message = "the connection was lost";
	set_problem(session, sqlstate, message, hint != NULL ? hint : pg_error_advice(sqlstate));
	return pg_error_class(sqlstate) == DAEMON_FATAL ? log_fatal(session) : DAEMON_RETRY;
}

DaemonStatus
pg_fail_retry(PgSession *session, const char *message)
{
	set_problem(session, "", message, NULL);
	return DAEMON_RETRY;
}

DaemonStatus
pg_fail_fatal(PgSession *session, const char *message, const char *hint)
{
	set_problem(session, "", message, hint);
	return log_fatal(session);
}
