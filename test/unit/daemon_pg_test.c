/*
 * daemon_pg_test.c
 *	  pg.h without a server: classes of errors, binary values, what a bad DSN says.
 */
#include "daemon/pg_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

static void
test_classes(void)
{
	static const char *const fatal[] = {"28P01", "28000", "3D000", "3F000", "42883",
										"42P01", "42501", "42704", "0A000"};
	static const char *const retry[] = {"",		 "08006", "53300", "53100", "57P01", "57P02",
										"57P03", "57014", "40001", "40P01", "55P03", "58030",
										"XX000", "TK001", "25006", "22003"};

	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		ok(pg_error_class(fatal[i]) == DAEMON_FATAL && pg_error_advice(fatal[i]) != NULL,
		   "%s is fatal, with advice", fatal[i]);
	for (size_t i = 0; i < sizeof(retry) / sizeof(retry[0]); i++)
		ok(pg_error_class(retry[i]) == DAEMON_RETRY && pg_error_advice(retry[i]) == NULL,
		   "\"%s\" is tried again", retry[i]);
}

static void
test_messages(void)
{
	char sqlstate[6];
	char message[128];

	pg_sqlstate_in_message(
		"connection to server at \"::1\", port 5432 failed: Connection refused\n"
		"connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  28P01: password authentication failed\n"
		"LOCATION:  auth_failed, auth.c:338\n",
		sqlstate);
	ok(strcmp(sqlstate, "28P01") == 0, "the SQLSTATE is found in a verbose message");
	pg_sqlstate_in_message("connection to server failed: could not connect:  later", sqlstate);
	ok(sqlstate[0] == '\0', "and not where there is none");

	strcpy(message, "missing \"=\" after \"geheim\" in connection info string");
	pg_hide_quoted(message);
	ok(strcmp(message, "missing \"?\" after \"?\" in connection info string") == 0,
	   "what libpq quotes is hidden");
	strcpy(message, "a \"\" b \"x");
	pg_hide_quoted(message);
	ok(strcmp(message, "a \"\" b \"?") == 0, "empty and unbalanced quotes too");
}

static void
test_dsn(void)
{
	char	   output[4096];
	int		   fds[2];
	ssize_t	   length;
	Log		   log;
	Signals	   signals = {.fd = -1};
	PgSession *session;
	PgSettings settings = {.program = "t", .dsn = "host=a password=my geheim"};

	if (pipe(fds) != 0)
		abort();
	log = (Log) {.fd = fds[1], .program = "t", .level = LOG_LEVEL_INFO};
	ok(pg_session_open(&settings, &log, &signals, &session) == DAEMON_FATAL && session == NULL,
	   "a malformed DSN is fatal");
	length = read(fds[0], output, sizeof(output) - 1);
	output[length > 0 ? length : 0] = '\0';
	ok(strstr(output, "geheim") == NULL && strstr(output, "--dsn") != NULL,
	   "and logged without its parts: %.*s", (int) strcspn(output, "\n"), output);

	settings.dsn = "postgresql://u:geheim@127.0.0.1:1/db";
	ok(pg_session_open(&settings, &log, &signals, &session) == DAEMON_OK,
	   "a good one is not connected yet");
	ok(!pg_session_connected(session) && pg_socket(session) == -1, "so there is no socket");
	if (signals_open(&signals, &log) != DAEMON_OK)
		abort();
	ok(pg_session_connect_once(session) == DAEMON_RETRY, "nobody listens there: try again");
	ok(strstr(pg_problem(session)->message, "127.0.0.1") != NULL &&
		   strstr(pg_problem(session)->message, "geheim") == NULL &&
		   strchr(pg_problem(session)->message, '\n') == NULL,
	   "the problem is one line without the password: %s", pg_problem(session)->message);
	pg_session_close(session);

	settings.dsn = "host=127.0.0.1 port=1 sslmode=perhaps";
	ok(pg_session_open(&settings, &log, &signals, &session) == DAEMON_OK &&
		   pg_session_connect_once(session) == DAEMON_FATAL,
	   "a setting that libpq refuses is fatal");
	pg_session_close(session);
	signals_close(&signals);
}

static void
test_values(void)
{
	static const struct
	{
		int64_t value;
		char	bytes[9];
	} values[] = {
		{0, "\0\0\0\0\0\0\0\0"},
		{1, "\0\0\0\0\0\0\0\1"},
		{256, "\0\0\0\0\0\0\1\0"},
		{-1, "\377\377\377\377\377\377\377\377"},
		{INT64_MAX, "\177\377\377\377\377\377\377\377"},
		{INT64_MIN, "\200\0\0\0\0\0\0\0"},
	};
	PGresult	*result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc column = {.name = "c", .format = 1};
	char		 yes = 1;

	PQsetResultAttrs(result, 1, &column);
	for (int i = 0; i < (int) (sizeof(values) / sizeof(values[0])); i++)
	{
		PQsetvalue(result, i, 0, (char *) values[i].bytes, 8);
		ok(pg_get_bigint(result, i, 0) == values[i].value, "%lld is read",
		   (long long) values[i].value);
	}
	PQsetvalue(result, 6, 0, &yes, 1);
	ok(pg_get_boolean(result, 6, 0), "true");
	PQsetvalue(result, 7, 0, NULL, -1);
	ok(pg_get_text(result, 7, 0) == NULL && !pg_get_boolean(result, 7, 0),
	   "NULL is NULL, and not true");
	PQclear(result);
}

int
main(void)
{
	test_classes();
	test_messages();
	test_dsn();
	test_values();
	return done_testing();
}
