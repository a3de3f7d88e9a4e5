/*
 * exchange.h
 *	  One HTTP request and its answer, whichever version of HTTP carries them.
 *
 * The server (server.h) makes an exchange when the head of a request has come and hands it
 * to the route that matches when the body is whole.  Who answers does so at once or later, in
 * one piece or in several, always from the loop's thread:
 *
 *	exchange_respond(exchange, 200, headers, body, length);
 *
 *	exchange_begin(exchange, 200, headers);
 *	exchange_send(exchange, bytes, length);		... as often as there is something
 *	exchange_end(exchange, trailers);
 *
 * An exchange is gone after exchange_respond or exchange_end, and also when the client goes away:
 * the closed callback says so, once, and nothing may be called on it any more.
 * It must not know RPCs nor summaries.
 */
#ifndef QUERY_EXCHANGE_H
#define QUERY_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Exchange Exchange;

/* Name in lower case.  Lists of them end with a NULL name; they are copied. */
typedef struct ExchangeHeader
{
	const char *name;
	const char *value;
} ExchangeHeader;

/* ---- the request; what these return lives as long as the exchange ---- */

extern const char *exchange_method(const Exchange *exchange); /* "GET" */
extern const char *exchange_path(const Exchange *exchange);	  /* "/v1/top", without the query */

/* A parameter of the query string, percent-decoded and valid UTF-8; NULL if it is not given. */
extern const char *exchange_parameter(Exchange *exchange, const char *name);

/* A header by its lower-case name; NULL if there is none.  Several are joined with ", ". */
extern const char *exchange_header(const Exchange *exchange, const char *name);

extern const unsigned char *exchange_body(const Exchange *exchange, size_t *length);

/*
 * A request in pieces, for a route that takes it so (SERVER_STREAM): more(context) is called each time more
 * of the body has come, and when it is whole.  exchange_body is then what was not consumed.
 */
extern void exchange_on_body(Exchange *exchange, void (*more)(void *context), void *context);
extern void exchange_consume(Exchange *exchange, size_t length);
extern bool exchange_body_whole(const Exchange *exchange);

/* ---- the answer ---- */

/* Can it have trailers?  Over HTTP/1.1 it has none here. */
extern bool exchange_has_trailers(const Exchange *exchange);

/*
 * The whole answer at once; headers may be NULL, content-length is set here.  body is copied.
 */
extern void exchange_respond(Exchange *exchange, int status, const ExchangeHeader *headers,
							 const void *body, size_t length);

/*
 * May as many bytes be added to the answers that wait for clients?  If they would be too many, the client that lets most
 * wait is dropped; if that is this one, it is to be refused with these words.
 */
extern bool exchange_make_room(Exchange *exchange, size_t length);
#define EXCHANGE_NO_ROOM "too many answers wait for this client"

/*
 * An answer in pieces, for streams.  exchange_send answers false, and sends nothing, while more than
 * EXCHANGE_BACKLOG bytes wait for a client that does not read, or there is no room: drop or coalesce.
 * exchange_push sends however much waits: the one message of an answer, and its end.
 * Trailers (gRPC) may be NULL; over HTTP/1.1 they are left out.
 */
#define EXCHANGE_BACKLOG (256 * 1024)

extern void exchange_begin(Exchange *exchange, int status, const ExchangeHeader *headers);
extern bool exchange_send(Exchange *exchange, const void *bytes, size_t length);
extern void exchange_push(Exchange *exchange, const void *bytes, size_t length);
extern void exchange_end(Exchange *exchange, const ExchangeHeader *trailers);

/* Call closed(context) if the client goes away before the answer ends; once, NULL takes it back. */
extern void exchange_on_closed(Exchange *exchange, void (*closed)(void *context), void *context);

#endif /* QUERY_EXCHANGE_H */
