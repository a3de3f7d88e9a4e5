/*
 * server.h
 *	  HTTP/1.1 and HTTP/2 on one port, with or without TLS: requests to the handlers of their paths.
 *
 * One thread, one epoll instance.  The loop belongs to the caller, who may wait for other things too:
 *
 *	poll server_fd(server) for POLLIN, for server_timeout(server) milliseconds at most;
 *	server_dispatch(server);	... each round, last, as it also sends what others have answered
 *
 * It must not know RPCs nor summaries.
 */
#ifndef QUERY_SERVER_H
#define QUERY_SERVER_H

#include <stdint.h>

#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/status.h"
#include "exchange.h"
#include "timer.h"

typedef struct Server Server;

typedef struct ServerSettings
{
	const char
		*listen; /* HOST:PORT, [HOST]:PORT, :PORT on all interfaces; port 0: any; NULL: nowhere */
	const char *certificate, *key; /* files of TLS in PEM; NULL: plain */
	const char *token_file;		   /* NULL: no token is asked for */
	const char
		   *origins; /* that may call from a browser's page: comma-separated, or "*"; NULL: none */
	int64_t connections_max;
	int64_t streams_max;	 /* of one HTTP/2 connection */
	int64_t body_max;		 /* bytes of a request's body */
	int64_t request_read_ms; /* for a request to come whole */
	int64_t idle_ms;		 /* a connection without requests */
	int64_t write_stall_ms;	 /* a client that does not take its answer */
} ServerSettings;

/* FATAL, logged, if a file can't be used or the address is taken. */
extern DaemonStatus server_open(const ServerSettings *settings, const Log *log, Metrics *metrics,
								Server **server);
extern void			server_close(Server *server);

typedef void (*ServerHandler)(void *context, Exchange *exchange);

typedef enum ServerRouteFlags
{
	SERVER_PUBLIC = 1, /* no token is asked for */
	SERVER_CORS = 2,   /* pages of the allowed origins may call it */
	SERVER_STREAM = 4  /* HTTP/2 alone; the handler is called with the head: see exchange_on_body */
} ServerRouteFlags;

/*
 * Requests of this method and exact path go to handler(context, exchange); GET takes HEAD too.  path is a constant.
 */
extern void server_route(Server *server, const char *method, const char *path,
						 ServerHandler handler, void *context, int flags);

/*
 * Whoever words the refusals (no such path, no token, too long, ...): it answers with the status, or
 * as the protocol of the request demands.  The default is text/plain.
 */
typedef void (*ServerRefuser)(void *context, Exchange *exchange, int status, const char *message);
extern void server_on_refusal(Server *server, ServerRefuser refuser, void *context);

/* The loop's; see above. */
extern int	server_fd(const Server *server);
extern int	server_timeout(const Server *server);
extern void server_dispatch(Server *server);

/* For deadlines of others in the same loop. */
extern Timers *server_timers(Server *server);

/* Read the certificate, its key and the tokens again; what can't be used is logged, and the old ones stay. */
extern void server_reload(Server *server);

/*
 * Take no more connections and requests than have come; whole answers under way are finished, streams are cut.
 * server_connections falls to 0.
 */
extern void server_drain(Server *server);
extern int	server_connections(const Server *server);

#endif /* QUERY_SERVER_H */
