/*
 * pg_internal.h
 *	  The session's insides, shared by pg_*.c only.
 */
#ifndef DAEMON_PG_INTERNAL_H
#define DAEMON_PG_INTERNAL_H

#include "daemon/pg.h"

struct PgSession
{
	const PgSettings *settings;
	const Log		 *log;
	Signals			 *signals;
	PGconn			 *connection; /* NULL when not connected; non-blocking */
	PgProblem		  problem;
	bool			  connecting;
	int64_t			  connect_deadline; /* while it is being connected */
	short			  events;			/* for pg_events */

	const PgStatement **prepared; /* on this connection */
	int					prepared_count;

	bool	  busy; /* a call is sent and not received */
	int64_t	  call_deadline;
	PGresult *result; /* of that call, as far as it has come */
};

/* ---- pg_error.c: each sets session->problem, logs if FATAL, and answers its class ---- */

/* A connection that failed, or its start; message is one of libpq's. */
extern DaemonStatus pg_fail_connection(PgSession *session, const char *message);

/* The server answered an error. */
extern DaemonStatus pg_fail_result(PgSession *session, const PGresult *result);

/* Something that no person can be asked to mend in the server: timeouts, a stop. */
extern DaemonStatus pg_fail_retry(PgSession *session, const char *message);

/* Something found out here that only a person can mend. */
extern DaemonStatus pg_fail_fatal(PgSession *session, const char *message, const char *hint);

/*
 * The SQLSTATE in a message of libpq with verbose errors
 * ("...FATAL:  28P01: ..."), the last one; "" if there is none.
 */
extern void pg_sqlstate_in_message(const char *message, char sqlstate[6]);

/*
 * Replace what is between double quotes, in place: libpq quotes parts of a
 * connection string, which may be the password, when it can't parse it.
 */
extern void pg_hide_quoted(char *message);

#endif /* DAEMON_PG_INTERNAL_H */
