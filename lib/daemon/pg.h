/*
 * pg.h
 *	  One session with PostgreSQL: connect, call, be notified, classify errors.
 *
 * Calls functions by prepared statements with bound parameters; it assembles
 * no SQL and must not know which functions there are.
 *
 * A session is used by one thread.  Nothing here waits without a bound, and
 * nothing here retries: a function answers RETRY, keeps the cause for
 * pg_problem, and its caller, who knows the unit of work, goes through
 * backoff.h.  FATAL is logged here, with what to do about it.
 */
#ifndef DAEMON_PG_H
#define DAEMON_PG_H

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "daemon/log.h"
#include "daemon/signals.h"
#include "daemon/status.h"

typedef struct PgSession PgSession;

typedef struct PgSettings
{
	const char *dsn;				/* connection string or URI; NULL: libpq's environment */
	const char *program;			/* application_name, unless the user chose one */
	int			call_timeout_ms;	/* bound for one call; 0: PG_CALL_TIMEOUT_MS */
	int			connect_timeout_ms; /* bound for one try to connect, for who can't wait for
									 * connect_timeout; 0: none of ours */

	/*
	 * Run after every connect, before pg_session_connect_once returns OK: check versions,
	 * LISTEN, take locks.  May be NULL.
	 */
	DaemonStatus (*on_connect)(PgSession *session, void *context);
	void *context;
} PgSettings;

#define PG_CALL_TIMEOUT_MS 60000

/*
 * A statement, prepared once a connection at its first call; utility commands
 * (LISTEN) too.  Static storage: its address is its identity.
 */
typedef struct PgStatement
{
	const char *
		name; /* unique within the program; "": not prepared, so that pg_send never waits for a result */
	const char *sql; /* constant text; parameters as $1::type */
} PgStatement;

/* Why the last function did not answer OK.  Empty strings where there is nothing to say. */
typedef struct PgProblem
{
	char sqlstate[6];	/* "" when the connection, not a statement, failed: then the
								 * outcome of a statement that was sent is unknown */
	char message[1024]; /* one line, without secrets */
	char hint[512];
} PgProblem;

/* ---- session ---- */

/*
 * A session that is not connected yet.  settings, log and signals must
 * outlive it.  FATAL (a configuration error, logged) if the DSN can't be
 * parsed; *session is then NULL.
 */
extern DaemonStatus pg_session_open(const PgSettings *settings, const Log *log, Signals *signals,
									PgSession **session);
extern void			pg_session_close(PgSession *session);

/*
 * One try to connect, bounded by connect_timeout for each host.  Defaults that the DSN
 * and libpq's environment beat: connect_timeout=5, keepalives_idle=3, keepalives_interval=1,
 * keepalives_count=2, tcp_user_timeout=4000, application_name=program.
 * client_encoding is UTF8, whatever they say.
 * RETRY at once when a stop is requested.  Does nothing when already connected.
 */
extern DaemonStatus pg_session_connect_once(PgSession *session);

/*
 * Its begin, for who has something else to do meanwhile: pg_step goes on.  on_connect is not run.
 * Unless OK, disconnect.  Only the look-up of a host's name waits.
 */
extern DaemonStatus pg_connect_start(PgSession *session);

/*
 * While a session is busy, connecting or with a call of pg_send, poll pg_socket for pg_events, and call pg_step when
 * something comes, and within a second or so when nothing does: it answers RETRY when the time is up.
 * OK with *finished: it is connected, or, with *result, which the caller owns, the call is done.
 */
extern bool			pg_session_busy(const PgSession *session);
extern short		pg_events(const PgSession *session);
extern DaemonStatus pg_step(PgSession *session, PGresult **result, bool *finished);

/* Is there a connection that has not failed?  Sends nothing. */
extern bool pg_session_connected(const PgSession *session);

/* Drop the connection; the next pg_session_connect_once makes a new one. */
extern void pg_session_disconnect(PgSession *session);

/* Why the last function answered RETRY or FATAL; valid until the next call on this session. */
extern const PgProblem *pg_problem(const PgSession *session);

/* For one's own poll() (POLLIN); -1 when not connected. */
extern int pg_socket(const PgSession *session);

/* ---- calls ---- */

/*
 * Call a statement and wait for its result (binary columns), at most
 * call_timeout_ms; a stop request does not interrupt it.  lengths and formats (0 text,
 * 1 binary) may be NULL when all parameters are text; a NULL value is SQL's NULL.
 * On OK the caller owns *result (PQclear); result may be NULL when it does not matter.
 * When the connection fails or the time is up the session is disconnected.
 */
extern DaemonStatus pg_call(PgSession *session, const PgStatement *statement, int nparams,
							const char *const *values, const int *lengths, const int *formats,
							PGresult **result);

/*
 * The two halves of pg_call, for who has something else to do meanwhile.
 * pg_send may wait for the statement to be prepared and for buffers to be
 * sent, not for the result; parameters may be reused when it returns.
 * pg_receive waits until deadline (clock_milliseconds; 0 does not wait):
 * OK with *finished false means that the result is not there yet.
 * One call at a time; call_timeout_ms counts from pg_send.
 */
extern DaemonStatus pg_send(PgSession *session, const PgStatement *statement, int nparams,
							const char *const *values, const int *lengths, const int *formats);
extern DaemonStatus pg_receive(PgSession *session, int64_t deadline, PGresult **result,
							   bool *finished);

/* ---- what daemons ask on connecting ---- */

/*
 * FATAL, saying what to do, unless the extension is installed in the database
 * in a version with the same major number and at least this minor number.
 */
extern DaemonStatus pg_check_extension(PgSession *session, const char *extension,
									   const char *version);

/*
 * Take all notifications that have arrived (after a statement LISTEN ...), without
 * waiting; *any tells whether one had this payload (NULL: any payload).  Some may have
 * come with the result of a call, so call this before waiting for the socket.  RETRY
 * when the connection turns out to be lost.
 */
extern DaemonStatus pg_take_notifications(PgSession *session, const char *payload, bool *any);

/* ---- values ---- */

/* A binary bigint, boolean or text column; the text points into the result and ends with NUL. */
extern int64_t	   pg_get_bigint(const PGresult *result, int row, int column);
extern bool		   pg_get_boolean(const PGresult *result, int row, int column);
extern const char *pg_get_text(const PGresult *result, int row, int column);

/* ---- errors ---- */

/*
 * FATAL for what only a person can mend: authentication (28), no such
 * database or schema (3D, 3F), missing objects, privileges and syntax (42), a feature that
 * is not there (0A).
 * RETRY for all else, "" (the connection) included.
 */
extern DaemonStatus pg_error_class(const char *sqlstate);

/* What a person should do about it, or NULL if there is nothing general to say. */
extern const char *pg_error_advice(const char *sqlstate);

#endif /* DAEMON_PG_H */
