/*
 * server_internal.h
 *	  What server.c, route.c and the connections share.
 */
#ifndef QUERY_SERVER_INTERNAL_H
#define QUERY_SERVER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "server.h"
#include "tls.h"
#include "tokens.h"

#define SERVER_ROUTES_MAX 64
#define SERVER_LISTENERS_MAX 8

typedef struct Connection Connection;

typedef struct Route
{
	const char	 *method;
	const char	 *path;
	ServerHandler handler;
	void		 *context;
	int			  flags;
} Route;

struct Server
{
	ServerSettings settings;
	const Log	  *log;
	int			   epoll;
	int			   listeners[SERVER_LISTENERS_MAX];
	int			   listener_count;
	bool		   paused; /* no descriptor was left: accept again when a connection has gone */
	bool		   draining;
	Tls			  *tls;	   /* NULL: plain */
	Tokens		  *tokens; /* NULL: none needed */
	Timers		   timers;
	Connection	  *connections;
	int			   connection_count;
	Connection	  *touched;		 /* have something to send, or to be freed */
	size_t		   body_bytes;	 /* of requests, in all connections */
	size_t		   answer_bytes; /* that wait for their clients, in all connections */

	Route		  routes[SERVER_ROUTES_MAX];
	int			  route_count;
	ServerRefuser refuser;
	void		 *refuser_context;

	char   date[32];
	time_t date_of;

	Metric *accepted_total, *refused_total, *open_connections, *received_bytes, *sent_bytes;
};

/* The time as HTTP writes it. */
extern const char *server_date(Server *server);

/* ---- a request's way (route.c) ---- */

/* The head is there: is there a route, and may it be taken?  Else it is refused. */
extern void route_head(Exchange *exchange);

/* Bytes of the body. */
extern void route_body(Exchange *exchange, const void *bytes, size_t length);

/* The methods that its path takes, as the header Allow has them. */
extern void route_methods(const Exchange *exchange, char *allow, size_t size);

/* The request is whole: the handler's turn, or the refusal's.  The exchange may be gone afterwards. */
extern void route_end(Exchange *exchange);

#endif /* QUERY_SERVER_INTERNAL_H */
