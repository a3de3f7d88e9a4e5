/*
 * exchange_internal.h
 *	  Between the exchange and what carries it (http1.c, http2.c) and routes it (route.c).
 */
#ifndef QUERY_EXCHANGE_INTERNAL_H
#define QUERY_EXCHANGE_INTERNAL_H

#include <stdint.h>

#include "buffer.h"
#include "exchange.h"
#include "server_internal.h"

#define EXCHANGE_HEADERS_MAX 64
#define EXCHANGE_HEAD_BYTES_MAX 16384

/* How a version of HTTP sends an answer. */
typedef struct ExchangeCarrier
{
	/* length -1: not known.  Sends follow, and an end. */
	void (*begin)(Exchange *exchange, int status, const ExchangeHeader *headers, int64_t length);
	void (*send)(Exchange *exchange, const void *bytes, size_t length);
	void (*end)(Exchange *exchange, const ExchangeHeader *trailers);
	/* Bytes of answers that the client has not taken yet. */
	size_t (*waiting)(const Exchange *exchange);
	/* Give it up: the answer will not be whole. */
	void (*abort)(Exchange *exchange);
	bool trailers; /* can an answer have them? */
} ExchangeCarrier;

/* Where in text.  Small, so that malloc has an exchange at hand: 10 us less a request. */
typedef struct ExchangeField
{
	uint32_t name, value;
} ExchangeField;

struct Exchange
{
	const ExchangeCarrier *carrier;
	Connection			  *connection;

	/* the request */
	Buffer		  text; /* of the fields and the line; each part ends with NUL */
	ExchangeField fields[EXCHANGE_HEADERS_MAX];
	int			  field_count;
	size_t		  method, path; /* where in text */
	Buffer		  parameters;	/* name NUL value NUL ..., decoded */
	Buffer		  body;
	size_t		  body_seen; /* bytes, also those that were not kept */
	bool		  body_whole;
	const Route	 *route;
	int			  refusal; /* the status it is to be refused with; 0: it is not */
	const char	 *refusal_message;
	void (*more)(void *context);
	void *more_context;

	/* the answer */
	bool begun, ended;
	bool cors; /* its Origin may read the answer */
	void (*closed)(void *context);
	void *closed_context;

	Timer timer; /* for the request to come, and for the answer to be taken */

	/* the carrier's */
	int32_t stream;
	bool	chunked;
	Buffer	output;
	struct ExchangeTrailers
	{
		Buffer text; /* name NUL value NUL ... */
		int	   count;
	} trailers;
	Exchange *next, **link; /* of the connection's */
};

/* NULL without memory.  It counts among the connection's until exchange_free, which calls closed unless the answer has ended. */
extern Exchange *exchange_create(const ExchangeCarrier *carrier, Connection *connection);
extern void		 exchange_free(Exchange *exchange);

/* A header as it came; too many or too long: the exchange is refused. */
extern void exchange_add_header(Exchange *exchange, const char *name, size_t name_length,
								const char *value, size_t value_length);

/* The request's line.  A target that is not a path, perhaps with a query, in percent-encoded UTF-8: refused. */
extern void exchange_set_target(Exchange *exchange, const char *method, const char *target,
								size_t target_length);

/* An answer to HEAD has no body, however much of one is sent. */
extern bool exchange_sends_body(const Exchange *exchange);

/* It will be answered with this, or is given up if an answer has begun; the first one counts. */
extern void exchange_refuse(Exchange *exchange, int status, const char *message);

#endif /* QUERY_EXCHANGE_INTERNAL_H */
