/*
 * connection.h
 *	  One client: bytes in, bytes out, through TLS or not, and the version of HTTP that they are.
 *
 * Must not know what is asked and answered.
 */
#ifndef QUERY_CONNECTION_H
#define QUERY_CONNECTION_H

#include <stdint.h>
#include <sys/types.h>

#include "buffer.h"
#include "server_internal.h"

/* A version of HTTP. */
typedef struct ConnectionProtocol
{
	/* false without memory */
	bool (*open)(Connection *connection);
	/* Take bytes; how many were taken (the others come again), or -1: nothing more can be said with this client. */
	ssize_t (*receive)(Connection *connection, const char *bytes, size_t length);
	/* Add to connection->out what can be sent, up to some length. */
	void (*fill)(Connection *connection);
	/* Finish the answers under way, then close. */
	void (*drain)(Connection *connection);
	void (*close)(Connection *connection);
} ConnectionProtocol;

extern const ConnectionProtocol http1_protocol;
extern const ConnectionProtocol http2_protocol;

struct Connection
{
	Server					 *server;
	int						  fd; /* -1: none, for tests */
	TlsSession				 *tls;
	const ConnectionProtocol *protocol; /* NULL until the first bytes tell */
	void					 *state;	/* the protocol's */
	Buffer					  in;		/* what the protocol has not taken */
	Buffer					  out;
	Exchange				 *exchanges;
	uint32_t				  events;  /* that epoll is asked for */
	bool					  served;  /* there was a request */
	bool					  closing; /* when out is sent */
	bool		lingering; /* all is sent; what comes is thrown away until the client closes */
	bool		gone;	   /* to be freed */
	bool		is_touched;
	Timer		timer; /* the client is idle, or does not take its answers */
	Connection *next_touched;
	Connection *next, **link;
};

/* Takes the descriptor over; NULL without memory, and it is closed. */
extern Connection *connection_open(Server *server, int fd);

/* epoll says that something is possible. */
extern void connection_ready(Connection *connection, uint32_t events);

/* Bytes from the client. */
extern void connection_receive(Connection *connection, const char *bytes, size_t length);

/* There is something to do for it at the end of the round (connection_settle). */
extern void connection_touch(Connection *connection);

/* Send what there is, close or free it if that is due. */
extern void connection_settle(Connection *connection);

/* Give it up at the end of the round. */
extern void connection_drop(Connection *connection);

/* Answers under way are finished, then it is closed. */
extern void connection_drain(Connection *connection);

extern void connection_free(Connection *connection);

#endif /* QUERY_CONNECTION_H */
